"""The store that needs no server: one SQLite file, and in memory what is derived from it.

A `Generation` is one version of the index: a read transaction pinned at that version, and the vector
and word indexes of just its passages. Questions borrow the current one; `refresh` makes the next
from it and swaps one reference. The old one closes when its last question is answered.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.collection import Failure
from index.encoder import Vectors
from index.errors import DamagedIndex, EncoderMismatch, StoreError
from index.records import Counts, Document, DocumentSummary, Filter, IndexState, Passage, Ranked
from index.store.connection import damage
from index.store.database import Change, Database
from index.store.folder import current_database
from index.store.protocol import Identity, Known
from index.store.schema import check_encoder
from index.store.vectors import IDs, VectorIndex
from index.store.words import WordIndex, WordSearcher

_log = logging.getLogger(__name__)


class Generation:
    """One version of an index; see `index.store.protocol.Snapshot` for what its calls promise."""

    def __init__(self, database: Database, vectors: VectorIndex, words: WordSearcher) -> None:
        """Take over a database connection that is pinned at the version of `vectors` and `words`."""
        self._database = database
        self._vectors = vectors
        self._words = words
        self._state = database.state
        self._last_allowed: tuple[Filter, list[int]] = (Filter(), [])
        self._n_borrowers = 0
        self._is_retired = False
        self._turn = threading.Lock()

    @property
    def index_version(self) -> int:
        return self._state.index_version

    @property
    def state(self) -> IndexState:
        return self._state

    @property
    def vectors(self) -> VectorIndex:
        return self._vectors

    @property
    def words(self) -> WordSearcher:
        return self._words

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

    def doc_ids_of(self, digests: Collection[str]) -> dict[str, list[str]]:
        return self._database.doc_ids_of(digests)

    def summaries(self) -> list[DocumentSummary]:
        return self._database.summaries()

    def media_types(self) -> list[str]:
        return self._database.media_types()

    def known(self) -> list[Known]:
        return self._database.known()

    def failures(self) -> list[Failure]:
        return self._database.failures()

    def counts(self) -> Counts:
        return self._database.counts()

    def _allowed(self, restriction: Filter) -> list[int] | None:
        if not restriction:
            return None
        # Both rankings of a question ask for the same.
        asked, found = self._last_allowed
        if asked != restriction:
            found = self._database.passage_ids(restriction)
            self._last_allowed = (restriction, found)
        return found

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

    def __init__(self, folder: Path, *, like: Identity | None = None) -> None:
        """Open the index in a folder, and derive what is searched from it.

        Args:
            like: Of an index whose encoder has to have made this one too.

        Raises:
            NoIndex: There is none.
            EncoderMismatch: Another encoder made it than one that it was to be like.
            StoreError: It cannot be used; the kinds are those of `Database`.
        """
        self._folder = folder
        self._refreshing = threading.Lock()
        self._is_closed = False
        # Whether the generation reads from the database alone, so that the log can begin anew.
        self._is_settled = False
        self._path = current_database(folder)
        self._watcher = Database(self._path)
        self._derived: _Derived | None = None
        try:
            if like is not None:
                check_encoder(self.identity, name=like.encoder, fingerprint=like.fingerprint)
            self._generation = self._next_generation()
        except BaseException:
            self._watcher.close()
            raise

    @property
    def identity(self) -> Identity:
        return self._watcher.identity

    def close(self) -> None:
        with self._refreshing:
            self._is_closed = True
            self._generation.retire()
            self._watcher.close()

    @contextmanager
    def snapshot(self) -> Iterator[Generation]:
        while not (generation := self._generation).borrow():
            if self._is_closed:
                raise StoreError("the index was closed: open it again")
            # Otherwise it was replaced between the two steps, and the next one is there already.
        try:
            yield generation
        finally:
            generation.give_back()

    def refresh(self) -> bool:
        with self._refreshing:
            if self._is_closed:
                return False
            if current_database(self._folder) != self._path:
                self._reopen()
                return True
            state = self._watcher.state
            if state.index_version == self._generation.index_version:
                # An update that had nothing to change has noted when it looked.
                self._is_settled = self._is_settled and state == self._generation.state
                self._settle()
                return False
            self._swap(self._next_generation())
            self._is_settled = False
            return True

    def _next_generation(self) -> Generation:
        """Return the generation of the version that is committed now."""
        database = self._pinned()
        try:
            self._derived = self._caught_up(database)
            n_passages = database.counts().n_passages
            if {len(self._derived.vectors), len(self._derived.words.searcher())} != {n_passages}:
                raise DamagedIndex(damage(self._path, f"its log of changes does not lead to its {n_passages} passages"))
            return Generation(database, self._derived.vectors, self._derived.words.searcher())
        except BaseException:
            database.close()
            # The word index may have been added to; what it holds is not known any longer.
            self._derived = None
            raise

    def _caught_up(self, database: Database) -> _Derived:
        """Return what is derived from a version, if it can be by applying the changes to what there is."""
        if self._derived is None:
            return self._derive(database)
        changes = database.changes_since(self._generation.index_version)
        if changes is None:
            return self._derive(database)
        net = _net(changes)
        for first, last in net.added:
            database.check_between(first, last)
        removed = _within(net.removed, self._derived.vectors.ids)
        added, vectors = _vectors(database, net.added)
        self._derived.words.change(removed, added, read=database.passages)
        return _Derived(self._derived.vectors.changed(removed, added, vectors), self._derived.words)

    def _derive(self, database: Database) -> _Derived:
        """Return what is derived from all of a version, while it is checked beside that, which costs no time."""
        with closing(self._pinned()) as beside, ThreadPoolExecutor(max_workers=1) as checking:
            checked = checking.submit(beside.check)
            try:
                return _derive(database)
            finally:
                checked.result()  # damage explains every other error

    def _reopen(self) -> None:
        """Take up the database that a rebuild, a restore or a rollback has switched to.

        Raises:
            EncoderMismatch: Another encoder made it; the questions of this process are encoded otherwise.
        """
        try:
            fresh = EmbeddedStore(self._folder, like=self.identity)
        except EncoderMismatch as error:
            raise EncoderMismatch(
                f"{error}, or with `citespan rollback` go back to the one before; a running service has to be started "
                "anew to follow, and answers from the former index until then"
            ) from error
        self._watcher.close()
        self._path, self._watcher, self._derived = fresh._path, fresh._watcher, fresh._derived
        self._is_settled = False
        self._swap(fresh._generation)

    def _settle(self) -> None:
        """Let go of the write-ahead log when nothing has changed for a while.

        A reader that is pinned to the middle of the log keeps it from ever beginning anew. One that is
        pinned when all of the log is in the database does not.
        """
        if self._is_settled:
            return
        self._watcher.checkpoint()
        database = self._pinned()
        if database.index_version != self._generation.index_version:
            database.close()  # changed just now: the next refresh will see to it
            return
        self._swap(Generation(database, self._generation.vectors, self._generation.words))
        self._is_settled = True

    def _swap(self, generation: Generation) -> None:
        former, self._generation = self._generation, generation
        former.retire()
        _log.info("index version %d, %d passages", generation.index_version, len(generation.vectors))

    def _pinned(self) -> Database:
        database = Database(self._path)
        try:
            database.pin()
        except BaseException:
            database.close()
            raise
        return database


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
    vectors = VectorIndex.build(*database.vectors_between(1, last))
    # It keeps the database to itself while it is open, and who else may close it, if this fails, is another thread.
    with closing(database.passages_between(1, last)) as passages:
        return _Derived(vectors, WordIndex(passages, n_passages=database.counts().n_passages))


def _within(ranges: Sequence[tuple[int, int]], ids: IDs) -> IDs:
    """Return those of some ids that are in one of the closed ranges, which are in order and apart."""
    if not ranges:
        return ids[:0]
    first, last = np.array(ranges, dtype=np.int64).T
    nearest = np.searchsorted(first, ids, side="right") - 1
    within: IDs = ids[(nearest >= 0) & (ids <= last[nearest])]
    return within


def _vectors(database: Database, ranges: Sequence[tuple[int, int]]) -> tuple[IDs, Vectors]:
    parts = [database.vectors_between(first, last) for first, last in ranges]
    if not parts:
        return database.vectors_between(0, -1)
    return np.concatenate([ids for ids, _ in parts]), np.concatenate([vectors for _, vectors in parts])
