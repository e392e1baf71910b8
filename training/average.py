"""Average the weights of checkpoints: what ships is the mean of the student and what it set out from.

    python -m training.average var/training/focus-1.pt var/training/focus-2.pt --output var/training/average.pt

Runs that set out from one checkpoint end in one valley, and its middle is better than its sides.

Source: Wortsman et al. 2022, "Model soups", https://arxiv.org/abs/2203.05482.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("checkpoints", type=_FILE, nargs=-1, required=True)
@click.option("--output", type=click.Path(path_type=Path), default=Path("var/training/average.pt"), show_default=True)
def main(checkpoints: tuple[Path, ...], output: Path) -> None:
    """Write the mean of CHECKPOINTS, for `training.export`."""
    models = [torch.load(path, map_location="cpu", weights_only=True)["model"] for path in checkpoints]
    mean = {name: torch.stack([model[name].float() for model in models]).mean(0) for name in models[0]}
    torch.save({"model": {name: mean[name].to(tensor.dtype) for name, tensor in models[0].items()}}, output)


if __name__ == "__main__":
    main()
