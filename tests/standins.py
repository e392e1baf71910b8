"""Stand-ins for what is slow or large, and small collections to use them on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from index.collection import MAX_FILE_BYTES
from index.encoder import Vectors
from index.store.embedded import EmbeddedStore
from index.update import UpdateReport, update
from qa.confidence import Calibration
from qa.engine import Engine, Source
from qa.reader import SentenceReader, SentenceWeights

_TOKEN = re.compile(r"\w+|[^\w\s]")


class HashingEncoder:
    """A deterministic bag of words, hashed: texts that share words are near, so rankings mean something."""

    def __init__(self, *, dimension: int = 64, max_tokens: int = 88, salt: str = "") -> None:
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.salt = salt
        self.encoded: list[str] = []

    @property
    def fingerprint(self) -> str:
        return f"hashing-{self.dimension}-{self.max_tokens}-{self.salt}"

    def token_spans(self, text: str) -> np.ndarray:
        spans = [match.span() for match in _TOKEN.finditer(text)]
        return np.array(spans, dtype=np.int64).reshape(-1, 2)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        self.encoded.extend(texts)
        return self._encode(texts)

    def encode_questions(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            row[0] = 0.1  # a text without words has a direction too
            for word in _TOKEN.findall(text.casefold()):
                digest = hashlib.blake2b((self.salt + word).encode(), digest_size=4).digest()
                row[int.from_bytes(digest, "big") % self.dimension] += 1
        normalised: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return normalised


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder, by their relative paths; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def update_with(encoder: HashingEncoder, root: Path, folder: Path, **options: Any) -> UpdateReport:
    """Update an index with a stand-in encoder."""
    return update(root, folder, encoder=encoder, encoder_name="hashing", **options)


@contextmanager
def opened(folder: Path) -> Iterator[EmbeddedStore]:
    """Open a store for the length of a test."""
    with closing(EmbeddedStore(folder)) as store:
        yield store


def build_engine(tmp_path: Path, files: Mapping[str, str | bytes], *, index: Path | None = None) -> Engine:
    """Return an engine over files below `tmp_path / "documents"`, to be closed by the caller."""
    encoder = HashingEncoder()
    documents = write_files(tmp_path / "documents", files)
    folder = index or tmp_path / "index"
    update_with(encoder, documents, folder)
    reader = SentenceReader(
        encoder,
        weights=SentenceWeights(similarity=4.0, overlap=6.0),
        calibration=Calibration(slope=1.0, intercept=-4.0, min_confidence=0.5),
    )
    return Engine(EmbeddedStore(folder), encoder, reader, source=Source(documents, folder, "hashing", MAX_FILE_BYTES))
