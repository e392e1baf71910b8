"""Average the weights of checkpoints and of readers.

    python -m training.average var/training/student.pt FOLDER --output var/training/average.pt

Trainings that set out from the same encoder can end near enough to each other for their middle to find more than
either.

Source: Wortsman et al. 2022, "Model soups", https://arxiv.org/abs/2203.05482.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import torch
from safetensors.torch import load_file
from torch import Tensor

from index.weights import WEIGHTS

_PATH = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("models", type=_PATH, nargs=-1, required=True)
@click.option("--output", type=click.Path(path_type=Path), default=Path("var/training/average.pt"), show_default=True)
def main(models: tuple[Path, ...], output: Path) -> None:
    """Write the mean of MODELS, checkpoints of `training.finetune` or folders of readers, for `training.export`."""
    first, *others = (_weights(path) for path in models)
    for path, other in zip(models[1:], others, strict=True):
        if {name: tensor.shape for name, tensor in other.items()} != {n: some.shape for n, some in first.items()}:
            raise click.ClickException(f"{path} has other weights than {models[0]}: name models of one architecture")
    mean = {name: torch.stack([model[name] for model in (first, *others)]).mean(0) for name in first}
    torch.save({"model": mean}, output)


def _weights(path: Path) -> Mapping[str, Tensor]:
    """Return the weights of a checkpoint, or of a reader in a folder, in float32."""
    if path.is_dir():
        stored = load_file(path / WEIGHTS)
    else:
        stored = torch.load(path, map_location="cpu", weights_only=True)["model"]
    return {name: tensor.float() for name, tensor in stored.items() if tensor.is_floating_point()}


if __name__ == "__main__":
    main()
