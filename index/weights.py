"""A model's tensors from its safetensors file, each checked when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import safetensors
from numpy.typing import NDArray

from index.errors import ModelDamaged

WEIGHTS = "model.safetensors"

Matrix: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer.

    Attributes:
        weight: (outputs, inputs).
        bias: (outputs,).
    """

    weight: Matrix
    bias: Matrix

    def __call__(self, states: Matrix) -> Matrix:
        """Return (..., outputs) for states of (..., inputs)."""
        return states @ self.weight.T + self.bias


@dataclass(frozen=True, slots=True)
class _Stored:
    dtype: str
    shape: tuple[int, ...]
    content: bytearray


class Weights:
    """Tensors by their names, as float32 whatever they are stored as."""

    def __init__(self, folder: Path, tensors: Mapping[str, _Stored]) -> None:
        self._folder = folder
        self._tensors = tensors

    def prefix_of(self, name: str) -> str:
        """Return what stands before a name that some tensor ends with.

        Raises:
            ModelDamaged: No tensor ends with it.
        """
        for stored in self._tensors:
            if stored.endswith(name):
                return stored.removesuffix(name)
        raise ModelDamaged(f"no tensor {name} in {self._folder / WEIGHTS}")

    def take(self, name: str, *shape: int) -> Matrix:
        """Return a tensor.

        Args:
            name: With its prefix.
            shape: What it has to be.

        Raises:
            ModelDamaged: It is not there, has another shape, holds no floating-point numbers, or not only finite ones.
        """
        stored = self._tensors.get(name)
        if stored is None:
            raise ModelDamaged(f"no tensor {name} in {self._folder / WEIGHTS}")
        if stored.shape != shape:
            raise ModelDamaged(f"{name} in {self._folder / WEIGHTS} has shape {stored.shape} instead of {shape}")
        values = _as_float32(stored)
        if values is None:
            raise ModelDamaged(f"{name} in {self._folder / WEIGHTS} is {stored.dtype}: F32, F16 or BF16 is needed")
        if not np.isfinite(values).all():
            raise ModelDamaged(f"{name} in {self._folder / WEIGHTS} holds values that are no finite numbers")
        return values

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def linear(self, name: str, *, n_outputs: int, n_inputs: int) -> Linear:
        """Return the linear layer of a name, as PyTorch stores it.

        Raises:
            ModelDamaged: As `take`.
        """
        return Linear(self.take(f"{name}.weight", n_outputs, n_inputs), self.take(f"{name}.bias", n_outputs))


def read_weights(folder: Path) -> Weights:
    """Read a folder's `model.safetensors`.

    Raises:
        ModelDamaged: There is none, or it is no such file.
    """
    path = folder / WEIGHTS
    try:
        # Not safetensors.numpy: it cannot give BF16, which numpy does not know.
        stored = safetensors.deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except OSError as error:
        raise ModelDamaged(f"no weights at {path}: {error.strerror}") from error
    except safetensors.SafetensorError as error:
        raise ModelDamaged(f"{path} is no safetensors file: {error}") from error
    return Weights(
        folder,
        {_modern(name): _Stored(tensor["dtype"], tuple(tensor["shape"]), tensor["data"]) for name, tensor in stored},
    )


def _modern(name: str) -> str:
    """Return the name that PyTorch gives a tensor which the first BERTs named as TensorFlow does."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _as_float32(stored: _Stored) -> Matrix | None:
    match stored.dtype:
        case "F32":
            values = np.frombuffer(stored.content, dtype="<f4")
        case "F16":
            values = np.frombuffer(stored.content, dtype="<f2").astype(np.float32)
        case "BF16":  # the upper half of a float32
            values = (np.frombuffer(stored.content, dtype="<u2").astype(np.uint32) << 16).view(np.float32)
        case _:
            return None
    return values.reshape(stored.shape)
