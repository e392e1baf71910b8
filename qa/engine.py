"""Everything that a door needs behind it: ask, search, read a document, update."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from index.collection import Failure
from index.encoder import Encoder
from index.errors import Overloaded
from index.records import Counts, DocumentSummary, Hit
from index.retriever import retrieve
from index.store.database import Database
from index.store.protocol import Identity, PassageStore, Snapshot
from index.update import Progress, UpdateReport, update
from qa.answering import find_answers
from qa.citations import cite
from qa.reader import Reader
from qa.records import Answer, DocumentView, Response, SearchResponse
from qa.requests import Request

_MAX_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where an engine's documents and index are, and how its index is brought up to date."""

    documents: Path
    index: Path
    encoder_name: str
    max_file_bytes: int


@dataclass(frozen=True, slots=True)
class Status:
    """What the index holds.

    Attributes:
        root: The folder of documents.
    """

    index_version: int
    counts: Counts
    encoder: str
    root: str
    failures: tuple[Failure, ...]

    @classmethod
    def of(cls, snapshot: Snapshot | Database, identity: Identity) -> Status:
        """Return the status of one version of an index, or of the truth itself."""
        return cls(
            snapshot.index_version,
            snapshot.counts(),
            identity.encoder,
            identity.root,
            tuple(snapshot.failures()),
        )


@dataclass(slots=True)
class _Stopwatch:
    """Milliseconds by stage."""

    took_ms: dict[str, float] = field(default_factory=dict)
    _started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.took_ms[name] = _ms_since(started)

    def stopped(self) -> dict[str, float]:
        return {**self.took_ms, "total": _ms_since(self._started)}


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


class Engine:
    """An open index with the models that search and read it. Its calls may come from several threads."""

    def __init__(
        self,
        store: PassageStore,
        encoder: Encoder,
        reader: Reader,
        *,
        source: Source,
        min_confidence: float | None = None,
    ) -> None:
        """Take over the store; the encoder is the one that the store's index was made with."""
        self._store = store
        self._encoder = encoder
        self._reader = reader
        self._source = source
        self._min_confidence = min_confidence
        # The models use all cores by themselves: two questions at once would take longer for both.
        self._models = threading.Semaphore(1)

    @property
    def source(self) -> Source:
        return self._source

    @property
    def reader(self) -> Reader:
        return self._reader

    def close(self) -> None:
        self._store.close()

    def warm_up(self) -> None:
        """Load the models now, so that the first question need not wait for them."""
        with self._model_turn():
            self._encoder.encode_questions(["?"])

    def ask(self, request: Request) -> Response:
        """Return what the documents say to a question.

        Raises:
            Overloaded: Too many questions wait already.
        """
        watch = _Stopwatch()
        with self._store.snapshot() as snapshot:
            hits = self._retrieve(snapshot, request, watch)
            with watch.stage("read"), self._model_turn():
                found = find_answers(request.text, hits, self._reader, min_confidence=self._min_confidence)
            with watch.stage("cite"):
                documents = {doc_id: snapshot.document(doc_id) for doc_id in {c.hit.passage.doc_id for c in found}}
                citations = [
                    cite(documents[candidate.hit.passage.doc_id], candidate.span, passage=candidate.hit.passage)
                    for candidate in found
                ]
            answers = tuple(
                Answer(citation.quote, candidate.confidence, citation, candidate.hit)
                for candidate, citation in zip(found, citations, strict=True)
            )
            return Response(request.text, answers, tuple(hits), snapshot.index_version, watch.stopped())

    def search(self, request: Request) -> SearchResponse:
        """Return the passages that are nearest to a query.

        Raises:
            Overloaded: Too many questions wait already.
        """
        watch = _Stopwatch()
        with self._store.snapshot() as snapshot:
            hits = self._retrieve(snapshot, request, watch)
            return SearchResponse(request.text, tuple(hits), snapshot.index_version, watch.stopped())

    def document(self, doc_id: str) -> DocumentView:
        """Return a document whole.

        Raises:
            UnknownDocument: There is none of this id.
        """
        with self._store.snapshot() as snapshot:
            document = snapshot.document(doc_id)
            return DocumentView(document, snapshot.n_passages(doc_id), snapshot.index_version)

    def documents(self) -> list[DocumentSummary]:
        """Return a line per document, by id."""
        with self._store.snapshot() as snapshot:
            return snapshot.summaries()

    def media_types(self) -> list[str]:
        """Return the media types of the documents, in order."""
        with self._store.snapshot() as snapshot:
            return snapshot.media_types()

    def status(self) -> Status:
        """Return what the index holds and what it could not take in."""
        with self._store.snapshot() as snapshot:
            return Status.of(snapshot, self._store.identity)

    def update(self, on_progress: Callable[[Progress], None] = lambda _: None) -> UpdateReport:
        """Bring the index up to the folder; questions are answered meanwhile, and see the result after.

        Raises:
            CollectionError, StoreError: As `index.update.update`.
        """
        report = update(
            self._source.documents,
            self._source.index,
            encoder=self._encoder,
            encoder_name=self._source.encoder_name,
            max_file_bytes=self._source.max_file_bytes,
            on_progress=on_progress,
        )
        self._store.refresh()
        return report

    def refresh(self) -> bool:
        """Catch up with what other processes have written; return whether there was anything."""
        return self._store.refresh()

    def _retrieve(self, snapshot: Snapshot, request: Request, watch: _Stopwatch) -> list[Hit]:
        with watch.stage("encode"), self._model_turn():
            vector = self._encoder.encode_questions([request.text])[0]
        with watch.stage("retrieve"):
            return retrieve(snapshot, request.text, vector, k=request.k, restriction=request.restriction)

    @contextmanager
    def _model_turn(self) -> Iterator[None]:
        if not self._models.acquire(timeout=_MAX_WAIT_S):
            raise Overloaded("too many questions at once: try again in a few seconds")
        try:
            yield
        finally:
            self._models.release()
