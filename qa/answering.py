"""Hits to answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from index.records import Hit, Span
from qa.reader import Reader

MAX_ANSWERS = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer before it is cited. `span` is in the document's text."""

    hit: Hit
    span: Span
    confidence: float


def find_answers(
    question: str, hits: Sequence[Hit], reader: Reader, *, min_confidence: float | None = None
) -> list[Candidate]:
    """Return the answers that the reader finds in the hits, best first; none where it is not sure enough.

    The best answer's confidence is the calibrated one. Another answer, one that says something else,
    is as much less sure as one softmax over all spans makes it less likely, and no surer than the best
    leaves room for.

    Args:
        min_confidence: In [0, 1]; None for the reader's own, chosen on data.

    Returns:
        At most `MAX_ANSWERS`, no two of the same text or from overlapping spans of a document; ties in the
        order of hits.
    """
    threshold = reader.calibration.min_confidence if min_confidence is None else min_confidence
    readings = reader.read(question, [hit.passage for hit in hits])
    scored = [
        (span.score - reading.no_answer, hit, span.span)
        for hit, reading in zip(hits, readings, strict=True)
        for span in reading.spans
    ]
    scored.sort(key=lambda item: (-item[0], item[1].rank))
    distinct = list({span.of(hit.passage.text): (margin, hit, span) for margin, hit, span in reversed(scored)}.values())
    distinct.sort(key=lambda item: (-item[0], item[1].rank))
    if not distinct:
        return []
    best = distinct[0][0]
    sure = reader.calibration.confidence(best)
    answers: list[Candidate] = []
    for margin, hit, span in distinct:
        confidence = min(sure * exp(margin - best), 1 - sure) if answers else sure
        candidate = Candidate(hit, span.shifted(hit.passage.span.start), confidence)
        if confidence < threshold or len(answers) == MAX_ANSWERS:
            break
        if not any(_overlap(candidate, answer) for answer in answers):
            answers.append(candidate)
    return answers


def _overlap(one: Candidate, other: Candidate) -> bool:
    return (
        one.hit.passage.doc_id == other.hit.passage.doc_id
        and one.span.start < other.span.end
        and other.span.start < one.span.end
    )
