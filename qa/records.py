"""What the answering side hands out: frozen, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from index.records import Document, DocumentSummary, Hit, IndexState, Span
from qa.answering import Candidate


@dataclass(frozen=True, slots=True)
class Citation:
    """Where an answer stands, so that anybody can look.

    Attributes:
        span: In the document's canonical text, code points; `quote == span.of(document.text)`.
        line: Of the source file, from 1.
        sha256: Of the file's bytes when it was indexed.
        prefix, suffix: What stands right before and after the quote, by which it can be found again.
    """

    doc_id: str
    title: str
    span: Span
    quote: str
    heading: str
    line: int
    sha256: str
    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its evidence.

    Attributes:
        text: As it stands at the best place.
        confidence: Calibrated probability that the answer is right, in [0, 1].
        citations: Every place that was read where it stands, best first; at least one.
        hit: The passage of the best; `citation.span` lies within `hit.passage.span`.
    """

    text: str
    confidence: float
    citations: tuple[Citation, ...]
    hit: Hit

    @property
    def citation(self) -> Citation:
        """The best place."""
        return self.citations[0]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a question was answered so, or not at all.

    Attributes:
        candidates: What the reader found, best first, given as answers or not.
        min_confidence: From which confidence on an answer was given.
        chosen_by: What set that: "reader", "min_confidence" or "max_risk".
        silence: Why there is no answer: "nothing_found", "nothing_to_cite" or "not_confident"; None where
            there is one.
    """

    candidates: tuple[Candidate, ...]
    min_confidence: float
    chosen_by: str
    silence: str | None


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """What a search found in one version of the index.

    Attributes:
        took_ms: Stage to milliseconds; "total" is all of it.
    """

    query: str
    hits: tuple[Hit, ...]
    state: IndexState
    took_ms: Mapping[str, float]

    @property
    def index_version(self) -> int:
        return self.state.index_version


@dataclass(frozen=True, slots=True)
class Response:
    """What the documents say to a question, in one version of the index.

    Attributes:
        answers: Best first. Empty means: the documents do not say.
        hits: The passages that were read.
        took_ms: Stage to milliseconds; "total" is all of it.
    """

    question: str
    answers: tuple[Answer, ...]
    hits: tuple[Hit, ...]
    explanation: Explanation
    state: IndexState
    took_ms: Mapping[str, float]

    @property
    def index_version(self) -> int:
        return self.state.index_version


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document with what the index knows about it."""

    document: Document
    n_passages: int
    state: IndexState

    @property
    def index_version(self) -> int:
        return self.state.index_version


@dataclass(frozen=True, slots=True)
class DocumentList:
    """A line per document, by id, in one version of the index."""

    documents: tuple[DocumentSummary, ...]
    state: IndexState
