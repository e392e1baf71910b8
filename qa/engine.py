"""Everything that a door needs behind it: ask, search, read a document, update."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from index.collection import Failure
from index.encoder import Encoder
from index.errors import Overloaded, StaleIndex
from index.freshness import find_drift
from index.records import Counts, Document, Hit, IndexState
from index.retriever import Retrieval, retrieve
from index.store.database import Database
from index.store.protocol import Identity, PassageStore, Snapshot
from index.update import Progress, UpdateReport, update
from qa.answering import Candidate, find_candidates
from qa.citations import cite
from qa.confidence import Calibration
from qa.reader import Reader
from qa.records import Answer, DocumentList, DocumentView, Explanation, Response, SearchResponse
from qa.requests import Request, check_thresholds
from qa.reranking import rerank
from qa.saved_citations import SavedCitation
from qa.verification import Verification, verify

_MAX_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where an engine's documents and index are, and how its index is brought up to date."""

    documents: Path
    index: Path
    encoder_name: str
    max_file_bytes: int


@dataclass(frozen=True, slots=True)
class ReaderStatus:
    """What reads.

    Attributes:
        min_confidence: From which on answers are given where a request says nothing of it.
        risks: What a request may give as `max_risk`, ascending, and what lies between.
    """

    name: str
    min_confidence: float
    risks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """What the index holds.

    Attributes:
        root: The folder of documents.
        reader: None where nothing is opened to read.
    """

    state: IndexState
    counts: Counts
    encoder: str
    root: str
    failures: tuple[Failure, ...]
    reader: ReaderStatus | None = None

    @property
    def index_version(self) -> int:
        return self.state.index_version

    @classmethod
    def of(cls, snapshot: Snapshot | Database, identity: Identity, *, reader: ReaderStatus | None = None) -> Status:
        """Return the status of one version of an index, or of the truth itself."""
        return cls(
            snapshot.state,
            snapshot.counts(),
            identity.encoder,
            identity.root,
            tuple(snapshot.failures()),
            reader,
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
        max_risk: float | None = None,
        retrieval: Retrieval = Retrieval.HYBRID,
        rerank: int = 0,
    ) -> None:
        """Take over the store; the encoder is the one that the store's index was made with.

        Args:
            min_confidence, max_risk, retrieval, rerank: For requests that say nothing of it, as in `Request`.

        Raises:
            InvalidParameter: They are out of range, or the reader was never measured to be so seldom wrong.
        """
        check_thresholds(min_confidence, max_risk)
        self._store = store
        self._encoder = encoder
        self._reader = reader
        self._source = source
        self._retrieval = retrieval
        self._rerank = rerank
        self._threshold = settled_threshold(reader.calibration, min_confidence, max_risk)
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
            StaleIndex: The folder has changed, and the request is strict.
            Overloaded: Too many questions wait already.
        """
        watch = _Stopwatch()
        threshold = _threshold(self._reader.calibration, request.min_confidence, request.max_risk) or self._threshold
        with self._snapshot_for(request, watch) as snapshot:
            hits = self._retrieve(snapshot, request, watch)
            with watch.stage("read"), self._model_turn():
                candidates = find_candidates(request.text, hits, self._reader)
            given = [candidate for candidate in candidates if candidate.confidence >= threshold.min_confidence]
            if threshold.chosen_by == "max_risk":
                given = given[:1]  # how often the others are wrong was not measured
            with watch.stage("cite"):
                document = cache(snapshot.document)
                answers = tuple(_answer(candidate, document) for candidate in given)
            silence = None if answers else _silence(hits, candidates)
            explanation = Explanation(tuple(candidates), threshold.min_confidence, threshold.chosen_by, silence)
            return Response(request.text, answers, tuple(hits), explanation, snapshot.state, watch.stopped())

    def search(self, request: Request) -> SearchResponse:
        """Return the passages that are nearest to a query.

        Raises:
            StaleIndex: The folder has changed, and the request is strict.
            Overloaded: Too many questions wait already.
        """
        watch = _Stopwatch()
        with self._snapshot_for(request, watch) as snapshot:
            depth = self._rerank if request.rerank is None else request.rerank
            hits = self._retrieve(snapshot, replace(request, k=max(request.k, depth)), watch)
            if depth:
                with watch.stage("rerank"), self._model_turn():
                    hits = rerank(request.text, hits, self._reader, depth=depth)[: request.k]
            return SearchResponse(request.text, tuple(hits), snapshot.state, watch.stopped())

    def document(self, doc_id: str) -> DocumentView:
        """Return a document whole.

        Raises:
            UnknownDocument: There is none of this id.
        """
        with self._store.snapshot() as snapshot:
            document = snapshot.document(doc_id)
            return DocumentView(document, snapshot.n_passages(doc_id), snapshot.state)

    def verify(self, saved: Sequence[SavedCitation]) -> Verification:
        """Return what has become of citations that were given earlier."""
        with self._store.snapshot() as snapshot:
            return verify(snapshot, saved)

    def documents(self) -> DocumentList:
        """Return a line per document, by id."""
        with self._store.snapshot() as snapshot:
            return DocumentList(tuple(snapshot.summaries()), snapshot.state)

    def media_types(self) -> list[str]:
        """Return the media types of the documents, in order."""
        with self._store.snapshot() as snapshot:
            return snapshot.media_types()

    def status(self) -> Status:
        """Return what the index holds and what it could not take in."""
        with self._store.snapshot() as snapshot:
            risks = tuple(risk.max_risk for risk in self._reader.calibration.risks)
            reader = ReaderStatus(self._reader.name, self._threshold.min_confidence, risks)
            return Status.of(snapshot, self._store.identity, reader=reader)

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

    @contextmanager
    def _snapshot_for(self, request: Request, watch: _Stopwatch) -> Iterator[Snapshot]:
        if not request.is_strict:
            with self._store.snapshot() as snapshot:
                yield snapshot
            return
        self._store.refresh()
        with self._store.snapshot() as snapshot:
            with watch.stage("compare"):
                self._check_fresh(snapshot)
            yield snapshot

    def _check_fresh(self, snapshot: Snapshot) -> None:
        """Raise where the folder of documents differs from a version of the index.

        Raises:
            StaleIndex: It does.
            CollectionError: It cannot be read.
        """
        drift = find_drift(
            self._source.documents,
            self._source.index,
            known=snapshot.known(),
            failures=snapshot.failures(),
            reconciled_at=snapshot.state.reconciled_at,
            max_file_bytes=self._source.max_file_bytes,
        )
        if drift:
            raise StaleIndex(
                f"the folder is not what index version {snapshot.index_version} was made from (files added: "
                f"{drift.n_added:,}, changed: {drift.n_changed:,}, removed: {drift.n_removed:,}); bring the index up "
                "with `citespan index` or POST /api/v1/index/update, or ask without fresh",
                **asdict(drift),
            )

    def _retrieve(self, snapshot: Snapshot, request: Request, watch: _Stopwatch) -> list[Hit]:
        retrieval = request.retrieval or self._retrieval
        vector = None
        if retrieval is not Retrieval.WORDS:
            with watch.stage("encode"), self._model_turn():
                vector = self._encoder.encode_questions([request.text])[0]
        with watch.stage("retrieve"):
            return retrieve(
                snapshot,
                request.text,
                vector,
                k=request.k,
                restriction=request.restriction,
                retrieval=retrieval,
            )

    @contextmanager
    def _model_turn(self) -> Iterator[None]:
        if not self._models.acquire(timeout=_MAX_WAIT_S):
            raise Overloaded("too many questions at once: try again in a few seconds")
        try:
            yield
        finally:
            self._models.release()


def _answer(candidate: Candidate, document: Callable[[str], Document]) -> Answer:
    citations = tuple(
        cite(document(place.hit.passage.doc_id), place.span, passage=place.hit.passage) for place in candidate.places
    )
    return Answer(citations[0].quote, candidate.confidence, citations, candidate.places[0].hit)


def _silence(hits: Sequence[Hit], candidates: Sequence[Candidate]) -> str:
    if candidates:
        return "not_confident"
    return "nothing_to_cite" if hits else "nothing_found"


class Threshold(NamedTuple):
    """From which confidence on an answer is given, and what set it."""

    min_confidence: float
    chosen_by: str


def settled_threshold(calibration: Calibration, min_confidence: float | None, max_risk: float | None) -> Threshold:
    """Return the threshold of a service with these settings; without either it is the reader's own."""
    return _threshold(calibration, min_confidence, max_risk) or Threshold(calibration.min_confidence, "reader")


def _threshold(calibration: Calibration, min_confidence: float | None, max_risk: float | None) -> Threshold | None:
    if max_risk is not None:
        return Threshold(calibration.threshold_for(max_risk), "max_risk")
    return None if min_confidence is None else Threshold(min_confidence, "min_confidence")
