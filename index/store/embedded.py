"""The store that needs no server: one SQLite file, and in memory what is derived from it.

A `Generation` is one version of the index: a read transaction pinned at that version, and the vector
and word indexes of just its passages. Questions borrow the current one; `refresh` makes the next
from it and swaps one reference. The old one closes when its last question is answered.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.collection import Failure
from index.records import Counts, Document, DocumentSummary, Filter, Passage, Ranked
from index.store.database import Change, Database
from index.store.folder import current_database
from index.store.protocol import Identity
from index.store.vectors import VectorIndex
from index.store.words import WordIndex, WordSearcher

_log = logging.getLogger(__name__)


class Generation:
    """One version of an index; see `index.store.protocol.Snapshot` for what its calls promise."""

    def __init__(self, database: Database, vectors: VectorIndex, words: WordSearcher) -> None:
        """Take over a database connection that is pinned at the version of `vectors` and `words`."""
        self._database = database
        self._vectors = vectors
        self._words = words
        self._index_version = database.index_version
        self._n_borrowers = 0
        self._is_retired = False
        self._turn = threading.Lock()

    @property
    def index_version(self) -> int:
        return self._index_version

    @property
    def vectors(self) -> VectorIndex:
        return self._vectors

    def dense(self, vector: NDArray[np.float32], k: int, restriction: Filter) -> list[Ranked]:
        return self._vectors.search(vector, k, order=self._places, allowed=self._allowed(restriction))

    def lexical(self, query: str, k: int, restriction: Filter) -> list[Ranked]:
        return self._words.search(query, k, order=self._places, allowed=self._allowed(restriction))

    def passages(self, passage_ids: Sequence[int]) -> dict[int, Passage]:
        return self._database.passages(passage_ids)

    def document(self, doc_id: str) -> Document:
        return self._database.document(doc_id)

    def n_passages(self, doc_id: str) -> int:
        return self._database.n_passages(doc_id)

    def summaries(self) -> list[DocumentSummary]:
        return self._database.summaries()

    def media_types(self) -> list[str]:
        return self._database.media_types()

    def failures(self) -> list[Failure]:
        return self._database.failures()

    def counts(self) -> Counts:
        return self._database.counts()

    def _allowed(self, restriction: Filter) -> list[int] | None:
        return self._database.passage_ids(restriction) if restriction else None

    def _places(self, passage_ids: Sequence[int]) -> dict[int, tuple[str, int]]:
        """Return each passage's document and start: the order of ties, the same in every index of the same files."""
        return self._database.places(passage_ids)

    def borrow(self) -> bool:
        """Keep this generation open until `give_back`; False where it is closed already."""
        with self._turn:
            if self._is_retired and not self._n_borrowers:
                return False
            self._n_borrowers += 1
            return True

    def give_back(self) -> None:
        with self._turn:
            self._n_borrowers -= 1
            self._close_if_unused()

    def retire(self) -> None:
        """Close as soon as nobody uses it."""
        with self._turn:
            self._is_retired = True
            self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._is_retired and not self._n_borrowers:
            self._database.close()


class _Derived(NamedTuple):
    vectors: VectorIndex
    words: WordIndex


class EmbeddedStore:
    """See `index.store.protocol.PassageStore`."""

    def __init__(self, folder: Path) -> None:
        """Open the index in a folder, and derive what is searched from it.

        Raises:
            NoIndex: There is none.
            StoreError: It cannot be used; the kinds are those of `Database`.
        """
        self._folder = folder
        self._refreshing = threading.Lock()
        self._path = current_database(folder)
        self._watcher = Database(self._path)
        database = self._pinned()
        try:
            self._derived = _derive(database)
        except BaseException:
            database.close()
            self._watcher.close()
            raise
        self._generation = Generation(database, self._derived.vectors, self._derived.words.searcher())

    @property
    def identity(self) -> Identity:
        return self._watcher.identity

    def close(self) -> None:
        self._generation.retire()
        self._watcher.close()

    @contextmanager
    def snapshot(self) -> Iterator[Generation]:
        while not (generation := self._generation).borrow():
            pass  # replaced between the two steps: the next one is there already
        try:
            yield generation
        finally:
            generation.give_back()

    def refresh(self) -> bool:
        with self._refreshing:
            if current_database(self._folder) != self._path:
                return self._reopen()
            if self._watcher.index_version == self._generation.index_version:
                return False
            database = self._pinned()
            try:
                self._derived = self._caught_up(database)
            except BaseException:
                database.close()
                raise
            self._swap(Generation(database, self._derived.vectors, self._derived.words.searcher()))
            return True

    def _reopen(self) -> bool:
        """Take up the database that a rebuild has switched to."""
        fresh = EmbeddedStore(self._folder)
        self._watcher.close()
        self._path, self._watcher, self._derived = fresh._path, fresh._watcher, fresh._derived
        self._swap(fresh._generation)
        return True

    def _swap(self, generation: Generation) -> None:
        former, self._generation = self._generation, generation
        former.retire()
        _log.info("index version %d, %d passages", generation.index_version, len(generation.vectors))

    def _pinned(self) -> Database:
        database = Database(self._path)
        database.pin()
        return database

    def _caught_up(self, database: Database) -> _Derived:
        """Return what is derived from a later version, by applying the changes since the current one."""
        changes = database.changes_since(self._generation.index_version)
        if changes is None:
            return _derive(database)
        present = _net(changes)
        vectors = self._derived.vectors.changed(present.removed, *_vectors(database, present.added))
        if present.removed:
            # See WordIndex: it ranks exactly only if nothing was ever deleted from it.
            return _Derived(vectors, WordIndex(database.passages_between(1, database.last_passage_id())))
        for first, last in present.added:
            self._derived.words.add(database.passages_between(first, last))
        return _Derived(vectors, self._derived.words)


class _Net(NamedTuple):
    """What a run of changes comes to: closed ranges of ids that were there and are not, and the reverse."""

    removed: list[tuple[int, int]]
    added: list[tuple[int, int]]


def _net(changes: Sequence[Change]) -> _Net:
    added = {change.added for change in changes if change.added}
    removed = {change.removed for change in changes if change.removed}
    return _Net(sorted(removed - added), sorted(added - removed))


def _derive(database: Database) -> _Derived:
    last = database.last_passage_id()
    return _Derived(
        VectorIndex.build(*database.vectors_between(1, last)),
        WordIndex(database.passages_between(1, last)),
    )


def _vectors(database: Database, ranges: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    parts = [database.vectors_between(first, last) for first, last in ranges]
    if not parts:
        return database.vectors_between(0, -1)
    return np.concatenate([ids for ids, _ in parts]), np.concatenate([vectors for _, vectors in parts])
