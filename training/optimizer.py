"""An optimizer whose weights are more exact than those that a model computes with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import torch
from torch import nn

from training.devices import to_best


class Optimizer:
    """AdamW on float32 copies of a model's weights, while the model computes in what its device is fast in.

    Source: Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740, section 3.1.
    """

    def __init__(self, model: nn.Module, device: str, *, weight_decay: float) -> None:
        """Move the model to a device; matrices decay, biases and norms do not."""
        model.to(device)
        self._exact = {name: some.detach().float().clone() for name, some in model.named_parameters()}
        to_best(model, device)
        self._model = model
        self._trained = [(some, self._exact[name]) for name, some in model.named_parameters() if some.requires_grad]
        exact = [copy for _, copy in self._trained]
        groups = [
            {"params": [copy for copy in exact if copy.ndim > 1], "weight_decay": weight_decay},
            {"params": [copy for copy in exact if copy.ndim <= 1], "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Take one step along the model's gradients, cut to a norm of 1; ones that are not finite count as none."""
        gradients = [
            torch.zeros_like(copy) if parameter.grad is None else parameter.grad.float()
            for parameter, copy in self._trained
        ]
        norm = nn.utils.get_total_norm(gradients)
        for (parameter, copy), gradient in zip(self._trained, gradients, strict=True):
            # Not by a question, for whose answer a GPU would be waited for.
            copy.grad = torch.where(norm.isfinite(), gradient / norm.clamp_min(1.0), 0.0)
            parameter.grad = None
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        for parameter, copy in self._trained:
            parameter.data.copy_(copy)
            copy.grad = None

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep."""
        return {"model": self._exact, "optimizer": self._adam.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned, or begin with the weights in it where they are all there is.

        Raises:
            click.ClickException: It is of a model with other weights.
        """
        if state["model"].keys() != self._exact.keys():
            raise click.ClickException("the checkpoint is of another model: name the encoder that it was made from")
        for name, copy in self._exact.items():
            copy.copy_(state["model"][name])
        if "optimizer" in state:
            self._adam.load_state_dict(state["optimizer"])
        for name, parameter in self._model.named_parameters():
            parameter.data.copy_(self._exact[name])
