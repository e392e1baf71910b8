"""Examples to sequences of token ids, and which of them are a batch together."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa.pairs import Pair, PairMaker
from qa.span_reader import MAX_ANSWER_TOKENS
from training.examples import Example

_BUCKET = 50
"""Batches whose examples are sorted by length together."""


@dataclass(frozen=True, slots=True)
class Row:
    """One passage of a question as a sequence.

    Attributes:
        gold: (n, 2), first token in the text and tokens after it of each right span.
        has_answer: How likely the passage answers the question, be it by a span too long to be learnt.
    """

    pair: Pair
    gold: NDArray[np.int32]
    has_answer: float


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of a question."""

    rows: tuple[Row, ...]
    is_weak: bool


def tokenize(example: Example, maker: PairMaker, rng: random.Random) -> Group:
    """Return the rows of an example.

    Of a passage that is too long, the window is taken that holds the most right spans, one of those at random.
    Half of the examples are read without the context, since documents may have none, but for those that need it.
    """
    has_context = rng.random() < 0.5 or example.keeps_context
    gold_of = _inner_spans if example.is_weak else _token_spans
    rows = []
    for passage in example.passages:
        windows = maker.pairs(example.question, passage.context if has_context else "", passage.text)
        rng.shuffle(windows)
        pair, gold = max(((pair, gold_of(pair, passage.spans)) for pair in windows), key=lambda found: len(found[1]))
        # An answer that is longer than any span is no reason to say that there is none.
        rows.append(Row(pair, gold, float(bool(passage.spans)) if passage.answered is None else passage.answered))
    return Group(tuple(rows), example.is_weak)


def _covered(pair: Pair, start: int, end: int) -> tuple[int, int] | None:
    """Return first and last token of the characters; None where they are not all in the window."""
    if not len(pair.offsets) or start < pair.offsets[0, 0] or end > pair.offsets[-1, 1]:
        return None
    first = int(np.searchsorted(pair.offsets[:, 1], start, side="right"))
    last = int(np.searchsorted(pair.offsets[:, 0], end, side="left")) - 1
    return (first, last) if first <= last else None


def _token_spans(pair: Pair, spans: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    found = {_covered(pair, start, end) for start, end in spans} - {None}
    gold = sorted((span[0], span[1] - span[0]) for span in found if span and span[1] - span[0] < MAX_ANSWER_TOKENS)
    return np.array(gold, dtype=np.int32).reshape(-1, 2)


def _inner_spans(pair: Pair, spans: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    """Return all spans inside the given ones."""
    gold = [
        (first, after)
        for start, end in spans
        if (covered := _covered(pair, start, end))
        for first in range(covered[0], covered[1] + 1)
        for after in range(min(covered[1] - first + 1, MAX_ANSWER_TOKENS))
    ]
    return np.array(gold, dtype=np.int32).reshape(-1, 2)


def batches(lengths: Sequence[int], n_rows: Sequence[int], *, max_tokens: int, seed: int) -> list[list[int]]:
    """Return the numbers of the groups of each batch, in a random order that the seed gives.

    Args:
        lengths: Of each group's longest row, in tokens.
        n_rows: Of each group.
        max_tokens: Of a batch, padding included.
    """
    rng = random.Random(seed)
    order = list(range(len(lengths)))
    rng.shuffle(order)
    made: list[list[int]] = []
    # About as many groups as a bucket of batches holds, were they all of the mean length.
    mean = sum(length * n for length, n in zip(lengths, n_rows, strict=True)) / max(len(order), 1)
    size = max(int(_BUCKET * max_tokens / max(mean, 1)), 1)
    for begin in range(0, len(order), size):
        bucket = sorted(order[begin : begin + size], key=lambda number: lengths[number])
        made += packed(lengths, bucket, max_tokens=max_tokens, n_rows=n_rows)
    rng.shuffle(made)
    return made


def packed(
    lengths: Sequence[int], order: Sequence[int], *, max_tokens: int, n_rows: Sequence[int] | None = None
) -> Iterator[list[int]]:
    """Yield the numbers of each batch, in that order, of at most so many tokens with what pads them.

    Args:
        lengths: Of each, in tokens.
        n_rows: Sequences of that length that each has; one unless given.
    """
    batch: list[int] = []
    longest = rows = 0
    for number in order:
        more = 1 if n_rows is None else n_rows[number]
        longest = max(longest, lengths[number])
        if batch and (rows + more) * longest > max_tokens:
            yield batch
            batch, longest, rows = [], lengths[number], 0
        batch.append(number)
        rows += more
    if batch:
        yield batch
