"""Models in the form of sentence-transformers: compiled where we can, run by that library where not."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from index.errors import ModelDamaged, ModelUnsupported
from index.runtime import compile_bert, read_shape
from index.tokens import read_tokenizer
from index.weights import Matrix, read_weights

logger = logging.getLogger(__name__)

# More is slower on CPUs: docs/decisions/0006-encoder.md.
_BATCH = 16
_MAX_SEQUENCE = 256
"""Tokens, for a model that states no limit."""


class SentenceModel(Protocol):
    """What turns texts into vectors.

    Attributes:
        dimension: Of the vectors.
        max_tokens: Of a text, special tokens and all; what is longer is cut off.
    """

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    def encode_passages(self, texts: Sequence[str]) -> Matrix:
        """Return a row for each of one or more texts, of any length."""
        ...

    def encode_questions(self, texts: Sequence[str]) -> Matrix:
        """Return a row for each of one or more texts, of any length."""
        ...


def load_model(folder: Path) -> SentenceModel:
    """Load a model, compiled if it is of a kind that we can compile.

    Raises:
        ModelDamaged: It cannot be loaded.
    """
    try:
        return CompiledModel(folder)
    except ModelUnsupported as reason:
        logger.info("%s: left to sentence-transformers", reason)
        return ReferenceModel(folder)


class ReferenceModel:
    """Any model, run by sentence-transformers in float32. Importing that, and with it torch, takes 4 s."""

    def __init__(self, folder: Path) -> None:
        """Load it.

        Raises:
            ModelDamaged: sentence-transformers cannot.
        """
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar of its own amid ours
        try:
            self._model = SentenceTransformer(str(folder), device="cpu")
        except (OSError, ValueError, KeyError) as error:
            raise ModelDamaged(f"no sentence-transformers model in {folder}: {error}") from error

    @property
    def dimension(self) -> int:
        return int(self._model.get_embedding_dimension() or 0)

    @property
    def max_tokens(self) -> int:
        return int(self._model.max_seq_length or _MAX_SEQUENCE)

    def encode_passages(self, texts: Sequence[str]) -> Matrix:
        return self._encode(self._model.encode_document, texts)

    def encode_questions(self, texts: Sequence[str]) -> Matrix:
        return self._encode(self._model.encode_query, texts)

    def _encode(self, encode: Callable[..., NDArray[np.float32]], texts: Sequence[str]) -> Matrix:
        # It sorts by length itself, which is worth a factor of two.
        return encode(list(texts), batch_size=_BATCH, convert_to_numpy=True, show_progress_bar=False)


@dataclass(frozen=True, slots=True)
class _Settings:
    """What a BERT needs besides itself to encode sentences.

    Attributes:
        pool: From the hidden states of a text's tokens to its vector.
        passage_prompt: Stands before every passage.
        question_prompt: Stands before every question.
    """

    max_tokens: int
    pool: Callable[[Matrix], Matrix]
    passage_prompt: str
    question_prompt: str


class CompiledModel:
    """A BERT with pooling by mean or first token, compiled; its vectors are those of sentence-transformers."""

    def __init__(self, folder: Path) -> None:
        """Load and compile it.

        Raises:
            ModelUnsupported: It is another kind of model.
            ModelDamaged: Its files are not what they should be.
        """
        self._settings = _read_settings(folder)
        self._tokenizer = read_tokenizer(folder, max_tokens=self._settings.max_tokens)
        self._bert = compile_bert(folder, read_weights(folder))

    @property
    def dimension(self) -> int:
        return self._bert.shape.width

    @property
    def max_tokens(self) -> int:
        return self._settings.max_tokens

    def encode_passages(self, texts: Sequence[str]) -> Matrix:
        return self._encode([self._settings.passage_prompt + text for text in texts])

    def encode_questions(self, texts: Sequence[str]) -> Matrix:
        return self._encode([self._settings.question_prompt + text for text in texts])

    def _encode(self, texts: Sequence[str]) -> Matrix:
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for index, states in self._bert.hidden_states(self._tokenizer.encode_batch(texts)):
            rows[index] = self._settings.pool(states)
        return rows


def _mean(states: Matrix) -> Matrix:
    mean: Matrix = states.mean(axis=0)
    return mean


def _first(states: Matrix) -> Matrix:
    first: Matrix = states[0]
    return first


# By today's names and by the flags of older folders.
_POOLS: dict[str, Callable[[Matrix], Matrix]] = {
    "mean": _mean,
    "pooling_mode_mean_tokens": _mean,
    "cls": _first,
    "pooling_mode_cls_token": _first,
}

# What sentence_bert_config.json may say besides the length without changing what a BERT does.
_PLAIN: dict[str, object] = {
    "do_lower_case": False,
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}


def _read_settings(folder: Path) -> _Settings:
    """Read the settings of a model that is a BERT, a pooling and perhaps a normalisation.

    Raises:
        ModelUnsupported: It is anything else. What is wrong in itself is for sentence-transformers to judge.
        ModelDamaged: Its `config.json` cannot be read.
    """
    n_positions = read_shape(folder).n_positions
    try:
        modules = _read_json(folder / "modules.json")
        kinds = [_kind(module["type"]) for module in modules]
        if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]) or modules[0]["path"]:
            raise ModelUnsupported(f"{folder} holds other modules than a BERT and a pooling: {kinds}")
        prompts = _read_prompts(folder)
        return _Settings(
            min(_read_max_tokens(folder), n_positions),
            _read_pool(folder / modules[1]["path"], has_prompts=any(prompts)),
            *prompts,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelUnsupported(f"{folder} has settings that are not known here: {error!r}") from error


def _kind(module: str) -> str:
    """Return a module's bare name if it is one of sentence-transformers' own, wherever a version keeps it."""
    package, _, name = module.rpartition(".")
    return name if package.split(".")[0] == "sentence_transformers" else module


def _read_max_tokens(folder: Path) -> int:
    settings = _read_json(folder / "sentence_bert_config.json")
    unknown = {name: value for name, value in settings.items() if name != "max_seq_length" and value != _PLAIN[name]}
    if unknown:
        raise ModelUnsupported(f"{folder} has settings that are not known here: {unknown}")
    return int(settings.get("max_seq_length") or _read_json(folder / "tokenizer_config.json")["model_max_length"])


def _read_pool(folder: Path, *, has_prompts: bool) -> Callable[[Matrix], Matrix]:
    settings = _read_json(folder / "config.json")
    flags = [name for name, value in settings.items() if name.startswith("pooling_mode_") and value]
    modes = [settings["pooling_mode"]] if "pooling_mode" in settings else flags
    if len(modes) != 1 or (has_prompts and not settings.get("include_prompt", True)):
        raise ModelUnsupported(f"{folder} pools in a way that is not known here: {settings}")
    return _POOLS[modes[0]]


def _read_prompts(folder: Path) -> tuple[str, str]:
    """Return what stands before a passage and before a question."""
    path = folder / "config_sentence_transformers.json"
    prompts = _read_json(path).get("prompts", {}) if path.exists() else {}  # the oldest folders have none
    return prompts.get("document") or "", prompts.get("query") or ""


def _read_json(path: Path) -> Any:  # checked by those who use it
    return json.loads(path.read_bytes())
