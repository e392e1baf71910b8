"""Models of a few thousand parameters, random but the same each time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

CONFIG: dict[str, Any] = {
    "architectures": ["BertModel"],
    "hidden_act": "gelu",
    "hidden_size": 32,
    "intermediate_size": 80,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 40,
    "model_type": "bert",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": 100,
}


def bert_tensors(config: Mapping[str, Any] = CONFIG) -> dict[str, np.ndarray]:
    """Return random weights under the names of transformers' BertModel, float32."""
    width, inner_width = config["hidden_size"], config["intermediate_size"]
    linear = {"attention.self.query": (width, width), "attention.self.key": (width, width)}
    linear |= {"attention.self.value": (width, width), "attention.output.dense": (width, width)}
    linear |= {"intermediate.dense": (inner_width, width), "output.dense": (width, inner_width)}
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    for layer in range(config["num_hidden_layers"]):
        for name, shape in linear.items():
            shapes[f"encoder.layer.{layer}.{name}.weight"] = shape
            shapes[f"encoder.layer.{layer}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (width,)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (width,)
    random = np.random.default_rng(0)
    return {
        # Large enough that attention prefers some tokens to others.
        name: (random.normal(size=shape) * 0.3 + name.endswith("LayerNorm.weight")).astype(np.float32)
        for name, shape in shapes.items()
    }


def write_weights(folder: Path, tensors: Mapping[str, np.ndarray], *, dtype: str = "F32") -> None:
    """Write `model.safetensors`, the numbers as F32, F16, BF16 (cut off, not rounded) or I32."""
    header, content = {}, b""
    for name, values in tensors.items():
        stored = values.astype({"F16": "<f2", "I32": "<i4"}.get(dtype, "<f4"))
        if dtype == "BF16":
            stored = (stored.view("<u4") >> 16).astype("<u2")
        offsets = [len(content), len(content) + stored.nbytes]
        header[name] = {"dtype": dtype, "shape": values.shape, "data_offsets": offsets}
        content += stored.tobytes()
    names = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(names).to_bytes(8, "little") + names + content)


def write_bert(folder: Path, *, config: Mapping[str, Any] = CONFIG, prefix: str = "", dtype: str = "F32") -> Path:
    """Write a model's folder; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    write_weights(folder, {prefix + name: values for name, values in bert_tensors(config).items()}, dtype=dtype)
    return folder
