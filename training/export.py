"""Turn a checkpoint of `training.finetune` into the files of a reader.

    python -m training.export [--checkpoint var/training/everyday.pt] [--output qa/weights/reader]

Weights are written as safetensors in bfloat16, half of float32's size; what that costs is in the model
card. `training.calibrate` comes next: until then the reader takes itself at its word.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import click
import torch
from safetensors.torch import save_file

from index.model_files import embedded_folder as encoder_folder
from index.weights import WEIGHTS
from qa.confidence import UNCALIBRATED
from qa.readers import CALIBRATION, NAMES_CELLS
from training.manifest import write_manifest

_KEPT_SETTINGS = (
    "hidden_act hidden_size intermediate_size layer_norm_eps max_position_embeddings model_type num_attention_heads "
    "num_hidden_layers pad_token_id type_vocab_size vocab_size"
).split()


@click.command()
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, path_type=Path),
    default=Path("var/training/everyday.pt"),
    show_default=True,
)
@click.option("--output", type=click.Path(path_type=Path), default=Path("qa/weights/reader"), show_default=True)
def main(checkpoint: Path, output: Path) -> None:
    """Write a reader's weights, settings and tokenizer."""
    output.mkdir(parents=True, exist_ok=True)
    model = torch.load(checkpoint, map_location="cpu", weights_only=True)["model"]
    tensors = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in model.items() if tensor.ndim > 0}
    tensors.pop("bert.embeddings.position_ids", None)
    save_file(tensors, output / WEIGHTS, metadata={"format": "pt"})
    (output / WEIGHTS).chmod(0o644)  # safetensors lets only the owner read
    settings = json.loads((encoder_folder() / "config.json").read_bytes())
    kept = {name: settings[name] for name in _KEPT_SETTINGS} | {"architectures": ["BertForQuestionAnswering"]}
    kept[NAMES_CELLS] = True
    (output / "config.json").write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    shutil.copyfile(encoder_folder() / "tokenizer.json", output / "tokenizer.json")
    # What is there was fitted to other weights.
    (output / CALIBRATION).write_text(json.dumps(asdict(UNCALIBRATED), indent=2) + "\n", encoding="utf-8")
    write_manifest(output)
    click.echo(f"{output}: {sum(path.stat().st_size for path in output.iterdir()) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
