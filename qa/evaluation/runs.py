"""Questions asked of a reader, and of the whole service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from index.records import Filter, Hit, Passage, Span
from index.retriever import Retrieval
from qa.answering import find_candidates
from qa.engine import Engine
from qa.evaluation.datasets import Question, locate
from qa.evaluation.judged import Judged
from qa.evaluation.measures import holds_answer
from qa.evaluation.ranking import documents_of
from qa.reader import Reader
from qa.records import Citation
from qa.requests import Request, check

DEPTH = 20
"""Passages in which a gold answer is looked for."""
_PASSAGES = 300
"""Passages that are found for the ranking of documents, several of one document among them."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The best answer to a question, however unsure.

    Attributes:
        answer: "" where nothing was found that could be one.
        confidence: 0 where there is no answer.
    """

    question: Question
    answer: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What the whole service did with a question.

    Attributes:
        n_quotes: Of all answers, the best and the others, at every place that is cited.
        n_exact: Quotes that are, character for character, what their document has at their span.
        answer_rank: Of the first passage that holds a gold answer word for word; None where none of `DEPTH` does.
        evidence_rank: Of the first passage that holds a gold answer in its own paragraph; likewise.
        documents: In the order in which their best passages are found.
        took_ms: All that the service did for the answer.
    """

    prediction: Prediction
    n_quotes: int
    n_exact: int
    answer_rank: int | None
    evidence_rank: int | None
    documents: tuple[str, ...]
    took_ms: float


def own_paragraph(question: Question) -> Hit:
    """Return a question's own paragraph as if it had been found, first in both rankings."""
    text = question.paragraph
    passage = Passage(
        passage_id=1,
        doc_id=question.article,
        title=question.article,  # which, being the file's name, is not read: the paragraph is all that is given
        media_type="text/plain",
        span=Span(0, len(text)),
        text=text,
        heading="",
    )
    return Hit(passage, rank=1, score=1.0, dense_rank=1, lexical_rank=1)


def ask_reader(reader: Reader, question: Question) -> Prediction:
    """Return what a reader answers when it is given the question's own paragraph."""
    found = find_candidates(question.text, [own_paragraph(question)], reader)
    return _prediction(question, [(candidate.text, candidate.confidence) for candidate in found])


def ask_engine(engine: Engine, question: Question, *, k: int) -> Reply:
    """Return what the whole service does with a question on one of its documents.

    Args:
        engine: Opened with a least confidence of 0, so that no answer is held back.
        k: Passages that are read.

    Raises:
        UnknownDocument, InvalidEvaluationData: The collection lacks the question's document or paragraph.
        InputError: The question is none that the service takes.
    """
    response = engine.ask(check(question.text, k=k))
    citations = [citation for answer in response.answers for citation in answer.citations]
    hits = engine.search(replace(check(question.text), k=_PASSAGES)).hits
    text = engine.document(question.article).document.text if question.article else ""
    return Reply(
        _prediction(question, [(answer.text, answer.confidence) for answer in response.answers]),
        n_quotes=len(citations),
        n_exact=sum(is_exact(engine, citation) for citation in citations),
        answer_rank=_first(hit.rank for hit in hits[:DEPTH] if holds_answer(hit.passage.text, question.golds)),
        evidence_rank=evidence_rank(hits[:DEPTH], question, text),
        documents=tuple(documents_of(hits)),
        took_ms=response.took_ms["total"],
    )


@dataclass(frozen=True, slots=True)
class Search:
    """A way to search that is measured beside others.

    Attributes:
        rerank: Passages that the reader puts in order, 0 for none.
    """

    name: str
    retrieval: Retrieval
    rerank: int = 0


def search_judged(
    engine: Engine, judged: Judged, search: Search, *, watch: Callable[[Sequence[str]], Iterable[str]] = iter
) -> dict[str, list[str]]:
    """Return by query the ranking of documents that a search gives; queries may be longer than a person's.

    Args:
        watch: Hands on the queries' ids one by one, and may tell how far it is.
    """
    rankings = {}
    for query_id in watch(list(judged.queries)):
        query = judged.queries[query_id]
        request = Request(query, _PASSAGES, Filter(), rerank=search.rerank, retrieval=search.retrieval)
        rankings[query_id] = documents_of(engine.search(request).hits)
    return rankings


def time_search(engine: Engine, queries: Mapping[str, str], *, k: int) -> dict[str, float]:
    """Return how many milliseconds the service takes to search for each query, as it is set."""
    return {one: engine.search(Request(query, k, Filter())).took_ms["total"] for one, query in queries.items()}


def evidence_rank(hits: Sequence[Hit], question: Question, text: str) -> int | None:
    """Return the rank of the first passage that holds a gold answer in its own paragraph; None where none does.

    Args:
        text: Of the document that the question was asked of.

    Raises:
        InvalidEvaluationData: The document lacks the question's paragraph.
    """
    golds = locate(question, text)
    return _first(
        hit.rank for hit in hits if hit.passage.doc_id == question.article and _holds(hit.passage.span, golds)
    )


def is_exact(engine: Engine, citation: Citation) -> bool:
    """Return whether a citation quotes what its document has at its span."""
    text = engine.document(citation.doc_id).document.text
    return citation.quote == text[citation.span.start : citation.span.end]


def _prediction(question: Question, answers: Sequence[tuple[str, float]]) -> Prediction:
    return Prediction(question, *(answers[0] if answers else ("", 0.0)))


def _holds(passage: Span, golds: Iterable[Span]) -> bool:
    return any(passage.start <= gold.start and gold.end <= passage.end for gold in golds)


def _first(ranks: Iterable[int]) -> int | None:
    return next(iter(ranks), None)
