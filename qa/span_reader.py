"""The span reader: a model's start, end and null scores to readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from index.errors import ReaderDamaged
from index.passages import context_of
from index.records import Passage, Span
from qa.confidence import Calibration
from qa.pairs import Pair, PairMaker
from qa.reader import Reading, ScoredSpan
from qa.spans import Scores, best_spans, log_total

MAX_ANSWER_TOKENS = 30
SPANS_PER_PASSAGE = 5
"""More than answers are shown, since the same answer may stand in a passage several times."""


@dataclass(frozen=True, slots=True)
class TokenScores:
    """What a model says to one sequence.

    Attributes:
        start, end: (n,), for each of the text's tokens.
        null: Score of "not in this text".
    """

    start: Scores
    end: Scores
    null: float


class SpanModel(Protocol):
    """What scores the tokens of sequences.

    Attributes:
        max_tokens: Of a sequence.
    """

    @property
    def max_tokens(self) -> int: ...

    def scores(self, pairs: Sequence[Pair]) -> list[TokenScores]:
        """Return the scores of each sequence, in their order."""
        ...


class SpanReader:
    """Cuts out the span that a model finds likeliest, by one softmax over all passages of a question.

    Source: Clark and Gardner 2018, https://arxiv.org/abs/1710.10723; Wang et al. 2019,
        https://arxiv.org/abs/1908.08167.
    """

    def __init__(
        self,
        name: str,
        model: SpanModel,
        maker: PairMaker,
        *,
        calibration: Calibration,
        max_answer_tokens: int = MAX_ANSWER_TOKENS,
    ) -> None:
        self._name = name
        self._model = model
        self.maker = maker
        self._calibration = calibration
        self._max_answer_tokens = max_answer_tokens

    @property
    def name(self) -> str:
        return self._name

    @property
    def calibration(self) -> Calibration:
        return self._calibration

    def read(self, question: str, passages: Sequence[Passage]) -> list[Reading]:
        """Return a reading per passage, in the order of the passages.

        Raises:
            ReaderDamaged: The model gives scores that are no numbers.
        """
        windows = [
            self.maker.pairs(question, context_of(some.doc_id, some.title, some.heading), some.text, before=some.before)
            for some in passages
        ]
        scores = iter(self._model.scores([pair for pairs in windows for pair in pairs]))
        return [
            _merged([self._reading(passage.text, pair, next(scores)) for pair in pairs])
            for passage, pairs in zip(passages, windows, strict=True)
        ]

    def _reading(self, text: str, pair: Pair, scores: TokenScores) -> Reading:
        if not (np.isfinite(scores.start).all() and np.isfinite(scores.end).all() and np.isfinite(scores.null)):
            raise ReaderDamaged(f"the reader {self._name!r} gives scores that are no numbers: name another")
        # Nothing can be cited of a name that is shown before a cell.
        start, end = (np.where(pair.is_name, -np.inf, some).astype(np.float32) for some in (scores.start, scores.end))
        best = best_spans(start, end, max_tokens=self._max_answer_tokens, n=SPANS_PER_PASSAGE)
        spans = [(_trimmed(pair.span(some.first, some.last), text), some) for some in best]
        return Reading(
            tuple(ScoredSpan(span, some.start_score, some.end_score) for span, some in spans if len(span)),
            log_total(start, end, max_tokens=self._max_answer_tokens),
            scores.null,
        )


def _trimmed(span: Span, text: str) -> Span:
    """Return the span without white space at its ends, which some tokenizers count to the word after it."""
    quote = span.of(text)
    start = span.start + len(quote) - len(quote.lstrip())
    return Span(start, max(start, span.start + len(quote.rstrip())))


def _merged(windows: Sequence[Reading]) -> Reading:
    """Return the readings of a passage's windows as one: it answers as surely as its surest window."""
    if len(windows) == 1:
        return windows[0]
    surest = max(windows, key=lambda reading: reading.answerability)
    spans: list[ScoredSpan] = []
    for one in sorted((one for window in windows for one in window.spans), key=lambda one: (-one.score, one.span)):
        if not any(one.span.overlaps(other.span) for other in spans):
            spans.append(one)
    # What stands where windows overlap counts twice; of our own passages only those with tables have several.
    total = float(np.logaddexp.reduce([window.total for window in windows]))
    no_answer = total - surest.answerability if total > -np.inf else surest.no_answer
    return Reading(tuple(spans[:SPANS_PER_PASSAGE]), total, no_answer)
