"""Hits in a better order: what the reader takes for an answer comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from index.records import Hit
from qa.reader import Reader

_LOG_ODDS_WEIGHT = 0.5
"""Beside the fused score: chosen on SciFact's train queries and CISI (docs/decisions/0014-score-fusion.md)."""


def rerank(question: str, hits: Sequence[Hit], reader: Reader, *, depth: int) -> list[Hit]:
    """Return the hits with the first `depth` of them in the order of fused score and half the reader's log-odds.

    Ties keep their order; so do the hits below.
    """
    first, rest = hits[:depth], hits[depth:]
    read = [
        replace(hit, relevance=reading.answerability)
        for hit, reading in zip(first, reader.read(question, [hit.passage for hit in first]), strict=True)
    ]
    read.sort(key=lambda hit: -(hit.score + _LOG_ODDS_WEIGHT * (hit.relevance or 0.0)))
    return [replace(hit, rank=rank) for rank, hit in enumerate([*read, *rest], start=1)]
