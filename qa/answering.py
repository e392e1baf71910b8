"""Readings to answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp

import numpy as np

from index.records import Hit, Span
from qa.confidence import Evidence
from qa.reader import Reader, Reading, ScoredSpan

MAX_ANSWERS = 3
_MARKS = ".,;:!?\"'“”‘’«»()[] "
"""At the ends of an answer they are no part of what it says. Others are: "C++" is not "C"."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer stands, and what the reader says to it.

    Attributes:
        span: In the document's text.
        share: Of one softmax over the scores of all spans of all passages, in [0, 1]; where passages overlap, of
            all that hold it.
    """

    hit: Hit
    span: Span
    scored: ScoredSpan
    reading: Reading
    share: float

    @property
    def text(self) -> str:
        """The words that stand there."""
        return self.scored.span.of(self.hit.passage.text)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer before it is cited.

    Attributes:
        places: Best first, at least one; no two overlap.
        confidence: Probability that it is right, in [0, 1]; of the best, the calibrated one.
    """

    places: tuple[Place, ...]
    evidence: Evidence
    confidence: float

    @property
    def text(self) -> str:
        """The words, as they stand at the best place."""
        return self.places[0].text


def find_candidates(question: str, hits: Sequence[Hit], reader: Reader) -> list[Candidate]:
    """Return what the reader finds in the hits, best first, however unlikely.

    A span's score is the reader's plus its passage's fused score, which counts as a logit: docs/decisions/0014 has the
    measurements. Of spans of a document that overlap, the best is taken. The same words at several places are one
    answer, which has the share of them all. The best answer's confidence is the calibrated one. Another is as much
    less sure as its share is less, and no surer than the better ones leave room for.

    Returns:
        At most `MAX_ANSWERS`; ties in the order of hits.
    """
    places = _places(hits, reader.read(question, [hit.passage for hit in hits]))
    by_words: dict[str, list[Place]] = {}
    for place in places:
        by_words.setdefault(_words(place), []).append(place)
    # A stable sort: what stands first among equals is the better place.
    ranked = sorted(by_words.values(), key=lambda same: -sum(place.share for place in same))
    candidates: list[Candidate] = []
    room = 1.0
    for same in ranked[:MAX_ANSWERS]:
        hit = same[0].hit
        share = sum(place.share for place in same)
        evidence = Evidence(same[0].reading.answerability, share, hit.dense_rank, hit.lexical_rank)
        if candidates:
            best = candidates[0]
            relative = share / best.evidence.share if best.evidence.share else 0.0
            confidence = min(best.confidence * relative, room)
        else:
            confidence = reader.calibration.confidence(evidence)
        room -= confidence
        candidates.append(Candidate(tuple(same), evidence, confidence))
    return candidates


def _places(hits: Sequence[Hit], readings: Sequence[Reading]) -> list[Place]:
    """Return the spans of all readings, best first, no two from overlapping stretches of a document.

    A span that stands where two passages overlap was read twice: it has the share of both.
    """
    found = [(scored, hit, reading) for hit, reading in zip(hits, readings, strict=True) for scored in reading.spans]
    if not found:
        return []
    whole = float(np.logaddexp.reduce([reading.total + hit.score for hit, reading in zip(hits, readings, strict=True)]))
    found.sort(key=lambda item: (-item[0].score - item[1].score, item[1].rank, item[0].span))
    places: list[Place] = []
    for scored, hit, reading in found:
        share = exp(scored.score + hit.score - whole)
        place = Place(hit, scored.span.shifted(hit.passage.span.start), scored, reading, share)
        number = next((n for n, better in enumerate(places) if _overlap(better, place)), None)
        if number is None:
            places.append(place)
        elif places[number].span == place.span:
            places[number] = replace(places[number], share=places[number].share + place.share)
    return places


def _overlap(one: Place, other: Place) -> bool:
    return one.hit.passage.doc_id == other.hit.passage.doc_id and one.span.overlaps(other.span)


def _words(place: Place) -> str:
    text = " ".join(place.text.casefold().split())
    return text.strip(_MARKS) or text
