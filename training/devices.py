"""Where training runs, what it is fed, and where it keeps its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import click
import torch
from torch.utils.data import DataLoader

_N_WORKERS, _N_AHEAD = 8, 8
_FEW_BATCHES = 50
"""Too few to start processes for."""

_Made = TypeVar("_Made")


def best_device() -> str:
    """Return the GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def autocast(device: str) -> torch.autocast:
    """Return what lets a model multiply in bfloat16, but not where a processor without AVX-512 had to emulate it.

    That would take a hundred times as long as float32.
    """
    is_fast = device != "cpu" or torch.backends.cpu.get_cpu_capability() not in {"DEFAULT", "AVX2"}
    return torch.autocast(device, dtype=torch.bfloat16, enabled=is_fast)


def loaded(plan: Sequence[Sequence[int]], made: Callable[[Sequence[int]], _Made]) -> Iterator[_Made]:
    """Yield what is made of each batch of a plan; for a GPU other processes make it ahead."""
    n_workers = _N_WORKERS if torch.cuda.is_available() and len(plan) > _FEW_BATCHES else 0
    loader: DataLoader[_Made] = DataLoader(
        plan,  # type: ignore[arg-type]  # a list is a dataset
        batch_size=None,
        collate_fn=made,
        num_workers=n_workers,
        prefetch_factor=_N_AHEAD if n_workers else None,
    )
    yield from loader


folder_option = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("var/training"),
    show_default=True,
    help="Where the examples are, and where checkpoints and a teacher's scores go.",
)
