"""The Reader protocol: what finds the answer's span in passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from index.records import Passage, Span
from qa.confidence import Calibration


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A span of a passage's text that may hold the answer.

    Attributes:
        start_score, end_score: What speaks for a span that begins, and ends, where this one does.
    """

    span: Span
    start_score: float
    end_score: float

    @property
    def score(self) -> float:
        """The logit in one softmax over the spans of all passages of a question."""
        return self.start_score + self.end_score


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in one passage.

    Attributes:
        spans: Best first, no two overlapping; empty where there is nothing to choose from.
        total: Log-sum-exp of the scores of all spans of the passage, those left out included.
        no_answer: The score of "not in this passage", on the same scale.
    """

    spans: tuple[ScoredSpan, ...]
    total: float
    no_answer: float

    @property
    def answerability(self) -> float:
        """Log-odds that the passage answers the question."""
        return self.total - self.no_answer


class Reader(Protocol):
    """What finds the answer's span. Scores of all passages of one call are on one scale."""

    @property
    def name(self) -> str:
        """What it was opened by."""
        ...

    @property
    def calibration(self) -> Calibration:
        """How its evidence becomes a probability."""
        ...

    def read(self, question: str, passages: Sequence[Passage]) -> list[Reading]:
        """Return a reading per passage, in the order of the passages."""
        ...
