"""Stand-ins for what is slow or large, and small collections to use them on."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from index.collection import MAX_FILE_BYTES
from index.encoder import Vectors
from index.records import HEADING_SEPARATOR, Passage
from index.sentences import sentence_spans
from index.store.embedded import EmbeddedStore
from index.store.words import content_words
from index.update import UpdateReport, update
from qa.confidence import Calibration, Risk
from qa.engine import Engine, Source
from qa.reader import Reading, ScoredSpan

_TOKEN = re.compile(r"\w+|[^\w\s]")


class HashingEncoder:
    """A deterministic bag of words, hashed: texts that share words are near, so rankings mean something."""

    def __init__(self, *, name: str = "hashing", dimension: int = 64, max_tokens: int = 88, salt: str = "") -> None:
        self.name = name
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


ENCODERS = {
    encoder.name: encoder for encoder in (HashingEncoder(), HashingEncoder(name="other", dimension=48, salt="other"))
}
"""Two whose vectors have nothing to do with each other."""


class OverlapReader:
    """Takes the sentence that shares the most content words with the question: predictable, and often right."""

    name = "overlap"
    calibration = Calibration({"answerability": 1.0}, 0.0, 0.5, (Risk(0.05, 0.95), Risk(0.1, 0.9), Risk(0.5, 0.5)))

    def read(self, question: str, passages: Sequence[Passage]) -> list[Reading]:
        return [self._reading(set(content_words(question)), passage) for passage in passages]

    @staticmethod
    def _reading(asked: set[str], passage: Passage) -> Reading:
        headings = {*passage.heading.split(HEADING_SEPARATOR), passage.title}
        found = []
        for span in sentence_spans(passage.text):
            sentence = span.of(passage.text)
            if not sentence.startswith("#") and " " in sentence and sentence not in headings:
                share = len(asked & set(content_words(sentence))) / max(len(asked), 1)
                found.append(ScoredSpan(span, 8 * share, 0.0))
        found.sort(key=lambda scored: (-scored.score, scored.span))
        return Reading(tuple(found), found[0].score if found else -math.inf, 4.0)


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
    return update(root, folder, encoder=encoder, encoder_name=encoder.name, **options)


@contextmanager
def opened(folder: Path) -> Iterator[EmbeddedStore]:
    """Open a store for the length of a test."""
    with closing(EmbeddedStore(folder)) as store:
        yield store


def build_engine(
    tmp_path: Path, files: Mapping[str, str | bytes], *, index: Path | None = None, **options: Any
) -> Engine:
    """Return an engine over files below `tmp_path / "documents"`, to be closed by the caller."""
    encoder = HashingEncoder()
    documents = write_files(tmp_path / "documents", files)
    folder = index or tmp_path / "index"
    update_with(encoder, documents, folder)
    source = Source(documents, folder, "hashing", MAX_FILE_BYTES)
    return Engine(EmbeddedStore(folder), encoder, OverlapReader(), source=source, **options)
