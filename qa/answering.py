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

    The best answer's confidence is the calibrated one. The others share what one softmax over all
    spans leaves them: what is e times less likely to be the answer is that much less sure.

    Args:
        min_confidence: In [0, 1]; None for the reader's own, chosen on data.

    Returns:
        At most `MAX_ANSWERS`, no two from overlapping spans of a document; ties in the order of hits.
    """
    threshold = reader.calibration.min_confidence if min_confidence is None else min_confidence
    readings = reader.read(question, [hit.passage for hit in hits])
    scored = [
        (span.score - reading.no_answer, hit, span.span)
        for hit, reading in zip(hits, readings, strict=True)
        for span in reading.spans
    ]
    scored.sort(key=lambda item: (-item[0], item[1].rank))
    answers: list[Candidate] = []
    for margin, hit, span in scored:
        best = scored[0][0]
        confidence = reader.calibration.confidence(best) * exp(margin - best)
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
