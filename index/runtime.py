"""A BERT compiled for this CPU, straight from its weights.

The graph is put together here and compiled when it is loaded (0.3 s): there is no exported copy that could
go stale, and torch has no part in it.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from index.errors import ModelDamaged, ModelUnsupported
from index.weights import Matrix, Weights

# On import, openvino reports to Intel and writes to the home folder, unless this package is missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None is Python's own mark for it

import openvino  # noqa: E402  # the line above has to come first
from openvino import opset13 as ops  # noqa: E402

logger = logging.getLogger(__name__)

# docs/decisions/0010-compiled-runtime.md has the measurements behind these.
_BATCH = 8
_FILLED = 0.75
"""A batch takes no sequence that is shorter than this share of its longest."""
_GROUP = 128
"""Activations that share a scale where they are quantised."""
_MULTIPLE = 16
"""Sequences are padded to a multiple of this: a length that is met for the first time costs about 5 ms."""

_ACTIVATIONS: dict[str, Callable[[openvino.Node], openvino.Node]] = {
    "gelu": partial(ops.gelu, approximation_mode="ERF"),
    "gelu_new": partial(ops.gelu, approximation_mode="TANH"),
    "relu": ops.relu,
}


class TokenSequence(Protocol):
    """A tokenizer's encoding of one text, special tokens and all."""

    @property
    def ids(self) -> Sequence[int]: ...

    @property
    def type_ids(self) -> Sequence[int]: ...


@dataclass(frozen=True, slots=True)
class BertShape:
    """What of a BERT is not in its weights.

    Attributes:
        width: Of the hidden states.
        inner_width: Of the feed-forward layers.
        n_positions: The longest sequence, in tokens.
    """

    n_layers: int
    n_heads: int
    width: int
    inner_width: int
    n_words: int
    n_types: int
    n_positions: int
    activation: str
    epsilon: float


class CompiledBert:
    """A stack of BERT layers, compiled. Its calls may come from several threads."""

    def __init__(self, compiled: openvino.CompiledModel, shape: BertShape) -> None:
        self._compiled = compiled
        self.shape = shape

    def hidden_states(self, sequences: Sequence[TokenSequence]) -> Iterator[tuple[int, Matrix]]:
        """Yield for each sequence its index and the last hidden states, (tokens, width), longest sequences first.

        Every sequence's states are its own array, without padding.

        Raises:
            ValueError: A sequence is longer than the model has positions.
            ModelDamaged: A token is none of the model's: the tokenizer belongs to another one.
        """
        request = self._compiled.create_infer_request()  # 0.1 ms; requests of several threads wait for each other
        for batch in _batches([len(sequence.ids) for sequence in sequences]):
            inputs = self._padded([sequences[index] for index in batch])
            states = request.infer(inputs, share_inputs=True, share_outputs=True)[0]
            for index, rows in zip(batch, states, strict=True):
                yield index, rows[: len(sequences[index].ids)].copy()

    def _padded(self, sequences: Sequence[TokenSequence]) -> list[np.ndarray[tuple[int, int], np.dtype[np.int32]]]:
        longest = max(len(sequence.ids) for sequence in sequences)
        if longest > self.shape.n_positions:
            raise ValueError(f"{longest} tokens are too many for a model with {self.shape.n_positions} positions")
        length = min(math.ceil(longest / _MULTIPLE) * _MULTIPLE, self.shape.n_positions)
        ids, types, mask = (np.zeros((len(sequences), length), dtype=np.int32) for _ in range(3))
        for row, sequence in enumerate(sequences):
            n_tokens = len(sequence.ids)
            ids[row, :n_tokens] = sequence.ids
            types[row, :n_tokens] = sequence.type_ids
            mask[row, :n_tokens] = 1
        if ids.max() >= self.shape.n_words or types.max() >= self.shape.n_types:
            raise ModelDamaged("the tokenizer gives tokens that the model does not know: it belongs to another model")
        return [ids, types, mask]


def compile_bert(folder: Path, weights: Weights, *, may_quantize: bool = False) -> CompiledBert:
    """Compile the BERT of a model's folder.

    Args:
        folder: With its `config.json`.
        weights: Of the same folder. Names may carry a prefix, as in `bert.embeddings…`.
        may_quantize: Multiply in 8-bit integers, but on a CPU with AMX: a third faster than bfloat16, less true.

    Raises:
        ModelUnsupported: It is another kind of model.
        ModelDamaged: Its settings or weights are not what they should be.
    """
    shape = read_shape(folder)
    core = openvino.Core()
    is_quantized = may_quantize and not _has_amx()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",  # one stream on all cores; two streams are no faster
        "INFERENCE_PRECISION_HINT": _precision(core),
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP if is_quantized else 0,
    }
    logger.info("compiling %s for %s", folder, settings)
    return CompiledBert(
        core.compile_model(_Graph(weights, shape, is_quantized=is_quantized).model(), "CPU", settings), shape
    )


def _precision(core: openvino.Core) -> str:
    """Return bf16 where the CPU computes in it: about twice as fast, and vectors keep a cosine over 0.9999."""
    return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def _has_amx(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the CPU multiplies bfloat16 faster than 8-bit integers whose scales are found as they come.

    OpenVINO does not say so; Linux does, and elsewhere no CPU is known to.
    """
    try:
        return " amx_bf16" in cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def read_shape(folder: Path) -> BertShape:
    """Read a model's `config.json`.

    Raises:
        ModelUnsupported: The model is no BERT with absolute positions, or has an activation that is not known here.
        ModelDamaged: The file cannot be read, or lacks a value.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
        kind = config["model_type"], config.get("position_embedding_type", "absolute"), config.get("is_decoder", False)
        activation = config.get("hidden_act", "gelu")
        if kind != ("bert", "absolute", False) or activation not in _ACTIVATIONS:
            raise ModelUnsupported(f"{path} describes no BERT that can be compiled here: {kind}, {activation}")
        width, n_heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        if width % n_heads:
            raise ModelDamaged(f"{path} divides a width of {width} among {n_heads} heads")
        shape = BertShape(
            n_layers=int(config["num_hidden_layers"]),
            n_heads=n_heads,
            width=width,
            inner_width=int(config["intermediate_size"]),
            n_words=int(config["vocab_size"]),
            n_types=int(config["type_vocab_size"]),
            n_positions=int(config["max_position_embeddings"]),
            activation=activation,
            epsilon=float(config.get("layer_norm_eps", 1e-12)),
        )
        if min(size for size in astuple(shape) if isinstance(size, int)) < 1:
            raise ModelDamaged(f"{path} has a size below 1: {shape}")
        return shape
    except (OSError, ArithmeticError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelDamaged(f"no model's settings that can be read at {path}: {error!r}") from error


class _Graph:
    """Puts a BERT together from operations; `model` is the result.

    Source: Devlin et al. 2019, https://doi.org/10.18653/v1/N19-1423; names as in transformers' BertModel.
    """

    def __init__(self, weights: Weights, shape: BertShape, *, is_quantized: bool) -> None:
        self._is_quantized = is_quantized
        self._weights = weights
        self._shape = shape
        self._prefix = weights.prefix_of("embeddings.word_embeddings.weight")
        self._ids, self._types, self._mask = (
            ops.parameter([-1, -1], np.int32, name=name) for name in ("ids", "types", "mask")
        )

    def model(self) -> openvino.Model:
        """Return the graph from token ids, token types and mask, each (n, length), to (n, length, width)."""
        states = self._embeddings()
        # Added to the scores of the tokens that are padding: none of them gets any attention.
        padding = (ops.convert(self._mask, np.float32) - _scalar(1)) * _scalar(10_000)
        padding = ops.unsqueeze(padding, _ints(1, 2))
        for number in range(self._shape.n_layers):
            states = self._layer(states, f"encoder.layer.{number}", padding)
        return openvino.Model([ops.result(states)], [self._ids, self._types, self._mask], "bert")

    def _embeddings(self) -> openvino.Node:
        shape, width = self._shape, self._shape.width
        words = self._tensor("embeddings.word_embeddings.weight", shape.n_words, width)
        types = self._tensor("embeddings.token_type_embeddings.weight", shape.n_types, width)
        positions = self._tensor("embeddings.position_embeddings.weight", shape.n_positions, width)
        length = ops.gather(ops.shape_of(self._ids), _ints(1), _ints(0))
        return self._norm(
            ops.gather(words, self._ids, _ints(0))
            + ops.gather(types, self._types, _ints(0))
            + ops.slice(positions, _ints(0), length, _ints(1), _ints(0)),
            "embeddings.LayerNorm",
        )

    def _layer(self, states: openvino.Node, name: str, padding: openvino.Node) -> openvino.Node:
        width, inner_width = self._shape.width, self._shape.inner_width
        attended = self._attention(states, f"{name}.attention.self", padding)
        attended = self._linear(attended, f"{name}.attention.output.dense", width, width)
        states = self._norm(states + attended, f"{name}.attention.output.LayerNorm")
        inner = self._linear(states, f"{name}.intermediate.dense", inner_width, width)
        outer = self._linear(_ACTIVATIONS[self._shape.activation](inner), f"{name}.output.dense", width, inner_width)
        return self._norm(states + outer, f"{name}.output.LayerNorm")

    def _attention(self, states: openvino.Node, name: str, padding: openvino.Node) -> openvino.Node:
        width, n_heads = self._shape.width, self._shape.n_heads
        swap = _ints(0, 2, 1, 3)  # (n, length, heads, width of a head) and (n, heads, length, width of a head)
        query, key, value = (
            ops.transpose(
                ops.reshape(self._linear(states, f"{name}.{part}", width, width), _ints(0, 0, n_heads, -1), True), swap
            )
            for part in ("query", "key", "value")
        )
        scores = ops.matmul(query, key, False, True) * _scalar((width / n_heads) ** -0.5) + padding
        attended = ops.matmul(ops.softmax(scores, -1), value, False, False)
        return ops.reshape(ops.transpose(attended, swap), _ints(0, 0, width), True)

    def _linear(self, states: openvino.Node, name: str, n_outputs: int, n_inputs: int) -> openvino.Node:
        weight = self._weights.take(f"{self._prefix}{name}.weight", n_outputs, n_inputs)
        stored = _quantized(weight) if self._is_quantized else ops.constant(weight)
        return ops.matmul(states, stored, False, True) + self._tensor(f"{name}.bias", n_outputs)

    def _norm(self, states: openvino.Node, name: str) -> openvino.Node:
        width = self._shape.width
        normal = ops.mvn(states, _ints(-1), True, self._shape.epsilon, "inside_sqrt")
        return normal * self._tensor(f"{name}.weight", width) + self._tensor(f"{name}.bias", width)

    def _tensor(self, name: str, *shape: int) -> openvino.Node:
        return ops.constant(self._weights.take(self._prefix + name, *shape))


def _quantized(weight: Matrix) -> openvino.Node:
    """Return a weight in 8-bit integers, one scale for each output."""
    scales = np.maximum(np.abs(weight).max(axis=1, keepdims=True), 1e-12) / 127
    integers = np.rint(weight / scales).astype(np.int8)
    return ops.convert(ops.constant(integers), np.float32) * ops.constant(scales.astype(np.float32))


def _ints(*values: int) -> openvino.Node:
    return ops.constant(np.array(values, dtype=np.int64))


def _scalar(value: float) -> openvino.Node:
    return ops.constant(np.array(value, dtype=np.float32))


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of sequences that are run together: of like length, longest first."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batch and (len(batch) == _BATCH or lengths[index] < _FILLED * lengths[batch[0]]):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
