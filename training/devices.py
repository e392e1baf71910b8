"""Where training runs, and where it keeps its files."""

from __future__ import annotations

from pathlib import Path

import click
import torch
from torch import nn


def best_device() -> str:
    """Return the GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def best_dtype(device: str) -> torch.dtype:
    """Return what a device multiplies fast in: bfloat16, but not where a processor without AVX-512 had to emulate it.

    That would take a hundred times as long as float32.
    """
    is_slow = device == "cpu" and torch.backends.cpu.get_cpu_capability() in {"DEFAULT", "AVX2"}
    return torch.float32 if is_slow else torch.bfloat16


def to_best(model: nn.Module, device: str) -> None:
    """Move a model to a device and let it compute in what that is fast in."""
    model.to(device)
    for parameter in model.parameters():
        # Not the buffers: places of tokens are among them, which bfloat16 does not tell apart.
        parameter.data = parameter.data.to(best_dtype(device))


folder_option = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("var/training"),
    show_default=True,
    help="Where the examples are, and where checkpoints and a teacher's scores go.",
)
