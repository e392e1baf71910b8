"""What the answering side asks of a store. A distributed engine would plug in here.

Only rankings and records cross this seam: fusion stays in `index.retriever`, one for every engine, and takes
scores of any scale. Writing is not part of it yet: `index.update` writes to the embedded store's database.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.collection import Failure, Stamp
from index.passages import PassageSettings
from index.records import Counts, Document, DocumentSummary, Filter, IndexState, Passage, Ranked


@dataclass(frozen=True, slots=True)
class Identity:
    """What an index was made with, and what has to match for it to be used.

    Attributes:
        encoder: The name the encoder was opened by.
        root: The folder, absolute.
    """

    encoder: str
    fingerprint: str
    dimension: int
    passages: PassageSettings
    root: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the index knows of a file, to tell whether it has changed.

    Attributes:
        stamp: None where it cannot be relied on.
    """

    doc_id: str
    sha256: str
    stamp: Stamp | None


class Snapshot(Protocol):
    """One version of an index: text, words and vectors agree, whatever is written meanwhile."""

    @property
    def index_version(self) -> int: ...

    @property
    def state(self) -> IndexState: ...

    def dense(self, vector: NDArray[np.float32], k: int, restriction: Filter) -> list[Ranked]:
        """Return the k passages with the highest inner product, best first; ties by document and place.

        Args:
            vector: (dimension,), unit length.
            restriction: Applied before the cut: k passages that pass it are found if there are k.
        """
        ...

    def lexical(self, query: str, k: int, restriction: Filter) -> list[Ranked]:
        """Return the k passages with the highest BM25, best first; arguments and ties as in `dense`."""
        ...

    def passages(self, passage_ids: Sequence[int]) -> dict[int, Passage]:
        """Return passages by their ids."""
        ...

    def document(self, doc_id: str) -> Document:
        """Return a document whole.

        Raises:
            UnknownDocument: There is none of this id.
        """
        ...

    def n_passages(self, doc_id: str) -> int: ...

    def doc_ids_of(self, digests: Collection[str]) -> dict[str, list[str]]:
        """Return the ids, in order, of the documents whose files have one of these SHA-256, by digest."""
        ...

    def summaries(self) -> list[DocumentSummary]:
        """Return a line per document, by id."""
        ...

    def media_types(self) -> list[str]:
        """Return the media types that there are, in order."""
        ...

    def known(self) -> list[Known]:
        """Return what is known of the documents' files, by id."""
        ...

    def failures(self) -> list[Failure]:
        """Return the files that are not in the index, by path."""
        ...

    def counts(self) -> Counts: ...


class PassageStore(Protocol):
    """Where passages live and are found. Reading needs nothing else; writing is `index.update`'s."""

    @property
    def identity(self) -> Identity:
        """What the index was made with."""
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Hold the newest version that this process has caught up with."""
        ...

    def refresh(self) -> bool:
        """Catch up with what was committed, by whatever process; return whether there was anything."""
        ...

    def close(self) -> None: ...
