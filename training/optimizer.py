"""An optimizer whose weights are more exact than those that a model computes with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from training.devices import best_dtype


class Optimizer:
    """AdamW on float32 copies of a model's weights, while the model computes in what its device is fast in.

    Source: Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740, section 3.1.
    """

    def __init__(self, model: nn.Module, device: str, *, weight_decay: float) -> None:
        """Move the model to a device; matrices decay, biases and norms do not."""
        model.to(device)
        self._model = model
        self._exact = {name: some.detach().float().clone() for name, some in model.named_parameters()}
        dtype = best_dtype(device)
        for parameter in model.parameters():
            # Not the buffers: places of tokens are among them, which no bfloat16 tells apart.
            parameter.data = parameter.data.to(dtype)
        self._trained = [(some, self._exact[name]) for name, some in model.named_parameters() if some.requires_grad]
        exact = [copy for _, copy in self._trained]
        groups = [
            {"params": [copy for copy in exact if copy.ndim > 1], "weight_decay": weight_decay},
            {"params": [copy for copy in exact if copy.ndim <= 1], "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)

    def gradient_norm(self) -> Tensor:
        """Take over the gradients, cut to a norm of 1; return what it was."""
        for parameter, copy in self._trained:
            copy.grad = torch.zeros_like(copy) if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        return torch.nn.utils.clip_grad_norm_([copy for _, copy in self._trained], 1.0)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Take one step along the gradients that were taken over."""
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        self._hand_over()

    def _hand_over(self) -> None:
        for parameter, copy in self._trained:
            parameter.data.copy_(copy)

    def weights(self) -> Mapping[str, Tensor]:
        """Return the exact weights by name."""
        return self._exact

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep."""
        return {"model": self._exact, "optimizer": self._adam.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        for name, copy in self._exact.items():
            copy.copy_(state["model"][name])
        self._adam.load_state_dict(state["optimizer"])
        for name, parameter in self._model.named_parameters():
            parameter.data.copy_(self._exact[name])
