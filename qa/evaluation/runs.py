"""Questions asked of a reader, and of the whole service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from index.records import Hit, Passage, Span
from qa.answering import find_answers
from qa.engine import Engine
from qa.evaluation.datasets import Question, locate, title_of
from qa.evaluation.measures import holds_answer
from qa.reader import Reader
from qa.records import Answer
from qa.requests import check

DEPTH = 20
"""Passages in which a gold answer is looked for."""


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
        n_quotes: Of all answers, the best and the others.
        n_exact: Quotes that are, character for character, what their document has at their span.
        answer_rank: Of the first passage that holds a gold answer word for word; None where none of `DEPTH` does.
        evidence_rank: Of the first passage that holds a gold answer in its own paragraph; likewise.
        took_ms: All that the service did for the answer.
    """

    prediction: Prediction
    n_quotes: int
    n_exact: int
    answer_rank: int | None
    evidence_rank: int | None
    took_ms: float


def ask_reader(reader: Reader, question: Question) -> Prediction:
    """Return what a reader answers when it is given the question's own paragraph."""
    text = question.paragraph
    passage = Passage(
        passage_id=1,
        doc_id=question.article,
        title=title_of(question.article),
        media_type="text/plain",
        span=Span(0, len(text)),
        text=text,
        heading="",
    )
    hit = Hit(passage, rank=1, score=1.0, dense_rank=1, lexical_rank=1)
    found = find_answers(question.text, [hit], reader, min_confidence=0)
    return _prediction(question, [(answer.span.of(text), answer.confidence) for answer in found])


def ask_engine(engine: Engine, question: Question, *, k: int) -> Reply:
    """Return what the whole service does with a question on one of its documents.

    Args:
        engine: Opened with a least confidence of 0, so that no answer is held back.
        k: Passages that are read.

    Raises:
        UnknownDocument, InvalidEvaluationData: The collection lacks the question's document or paragraph.
    """
    response = engine.ask(check(question.text, k=k))
    hits = engine.search(check(question.text, k=DEPTH)).hits
    golds = locate(question, engine.document(question.article).document.text)
    return Reply(
        _prediction(question, [(answer.text, answer.confidence) for answer in response.answers]),
        n_quotes=len(response.answers),
        n_exact=sum(is_exact(engine, answer) for answer in response.answers),
        answer_rank=_first(hit.rank for hit in hits if holds_answer(hit.passage.text, question.golds)),
        evidence_rank=_first(
            hit.rank for hit in hits if hit.passage.doc_id == question.article and _holds(hit.passage.span, golds)
        ),
        took_ms=response.took_ms["total"],
    )


def is_exact(engine: Engine, answer: Answer) -> bool:
    """Return whether an answer is a quote of what its document has at its citation's span."""
    text = engine.document(answer.citation.doc_id).document.text
    span = answer.citation.span
    return answer.text == answer.citation.quote == text[span.start : span.end]


def _prediction(question: Question, answers: Sequence[tuple[str, float]]) -> Prediction:
    return Prediction(question, *(answers[0] if answers else ("", 0.0)))


def _holds(passage: Span, golds: Iterable[Span]) -> bool:
    return any(passage.start <= gold.start and gold.end <= passage.end for gold in golds)


def _first(ranks: Iterable[int]) -> int | None:
    return next(iter(ranks), None)
