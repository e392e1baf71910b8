"""Scores of tokens to spans, in pure numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Scores: TypeAlias = NDArray[np.float32]
"""(n,) or (n, max_tokens), logits; -inf for what is no answer."""


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """The tokens from `first` to `last`, inclusive, and what speaks for them: score = start + end."""

    first: int
    last: int
    start_score: float
    end_score: float

    @property
    def score(self) -> float:
        return self.start_score + self.end_score


def span_scores(start: Scores, end: Scores, *, max_tokens: int) -> Scores:
    """Return start + end score of each span, (n, max_tokens), by first token and tokens after it.

    Args:
        start: (n,), how much speaks for a span that begins with each token.
        end: (n,), for one that ends with it.
        max_tokens: Of a span, at least 1.

    Returns:
        -inf where a span would run past the last token. A new array.
    """
    padded = np.concatenate([end, np.full(max_tokens, -np.inf, dtype=end.dtype)])
    ends: Scores = sliding_window_view(padded, max_tokens)[: len(end)]
    return start[:, None] + ends


def best_spans(start: Scores, end: Scores, *, max_tokens: int, n: int) -> list[TokenSpan]:
    """Return at most n spans of which no two overlap, best first; ties: the earlier, then the shorter one.

    Each is the best of all spans that overlap none before it in the list.

    Args:
        start, end, max_tokens: As in `span_scores`.
    """
    scores = span_scores(start, end, max_tokens=max_tokens)
    after = np.arange(max_tokens)
    found: list[TokenSpan] = []
    while len(found) < n and scores.size:
        first, length = divmod(int(np.argmax(scores)), max_tokens)
        if scores[first, length] == -np.inf:
            break
        last = first + length
        found.append(TokenSpan(first, last, float(start[first]), float(end[last])))
        # What begins before its end and ends after its start overlaps it.
        begins = np.arange(max(first - max_tokens + 1, 0), last + 1)
        scores[begins[0] : last + 1][begins[:, None] + after >= first] = -np.inf
    return found


def log_total(start: Scores, end: Scores, *, max_tokens: int) -> float:
    """Return the log-sum-exp of the scores of all spans; -inf where there is none."""
    scores = span_scores(start.astype(np.float64), end.astype(np.float64), max_tokens=max_tokens)
    peak = scores.max(initial=-np.inf)
    if peak == -np.inf:
        return -np.inf
    return float(peak + np.log(np.exp(scores - peak).sum()))
