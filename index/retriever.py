"""A question to hits: two rankings, by meaning and by words, fused into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from index.records import Filter, Hit, Ranked
from index.store.protocol import Snapshot

CANDIDATES = 200
"""Depth of each ranking that is fused. A passage below it in both is not found."""


class Retrieval(StrEnum):
    """Which rankings are made."""

    HYBRID = "hybrid"
    MEANING = "meaning"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Run:
    """One retriever's ranking, best first, and the score of a passage that is not in it."""

    ranking: Sequence[Ranked]
    floor: float = 0.0

    @classmethod
    def of(cls, ranking: Sequence[Ranked], *, depth: int) -> Run:
        """Return the run of a ranking that was cut at a depth.

        What is not in a full one has at most its last score. One that is not full holds all there is to be
        found: any other passage has none of the words, and a score of 0.
        """
        return cls(ranking, ranking[-1].score if len(ranking) >= depth else 0.0)


def fuse(runs: Sequence[Run]) -> list[Ranked]:
    """Return the passages of all runs with the mean of their standard scores, best first.

    A run's scores are measured in standard deviations from their mean over all these passages, so that cosines
    and BM25 can be added up, and a run that is sure of one passage moves it further than one that is not.

    Returns:
        Ties: the passage with the better best rank first, then the one that the earlier run ranks better.

    Source: Fox and Shaw 1994, "Combination of Multiple Searches" (CombSUM), on z-scores. Measured against
        reciprocal ranks in docs/retrieval.md.
    """
    runs = [run for run in runs if run.ranking]
    ranks = [{entry.passage_id: rank for rank, entry in enumerate(run.ranking)} for run in runs]
    ids = list(dict.fromkeys(entry.passage_id for run in runs for entry in run.ranking))
    total = np.zeros(len(ids))
    for run in runs:
        found = {entry.passage_id: entry.score for entry in run.ranking}
        scores = np.array([found.get(passage_id, run.floor) for passage_id in ids])
        deviation = scores.std()
        # A run that does not tell its passages apart says nothing.
        total += (scores - scores.mean()) / deviation if deviation else 0.0
    scored = [
        (float(score) / len(runs), [rank.get(passage_id, _UNRANKED) for rank in ranks], passage_id)
        for passage_id, score in zip(ids, total, strict=True)
    ]
    scored.sort(key=lambda item: (-item[0], min(item[1]), item[1]))
    return [Ranked(passage_id, score) for score, _, passage_id in scored]


_UNRANKED = 2**31


def retrieve(
    snapshot: Snapshot,
    query: str,
    vector: NDArray[np.float32] | None,
    *,
    k: int,
    restriction: Filter,
    retrieval: Retrieval = Retrieval.HYBRID,
) -> list[Hit]:
    """Return the k best passages for a query, best first; fewer only if no more are found.

    Args:
        query: For the words.
        vector: The query encoded, for the meaning; None where only words are asked for.
        restriction: Applied before the cut in both rankings.
    """
    depth = max(k, CANDIDATES)
    dense: list[Ranked] = []
    lexical: list[Ranked] = []
    if vector is not None and retrieval is not Retrieval.WORDS:
        dense = snapshot.dense(vector, depth, restriction)
    if retrieval is not Retrieval.MEANING:
        lexical = snapshot.lexical(query, depth, restriction)
    best = fuse([Run.of(dense, depth=depth), Run.of(lexical, depth=depth)])[:k]
    passages = snapshot.passages([entry.passage_id for entry in best])
    dense_ranks = {entry.passage_id: rank for rank, entry in enumerate(dense, start=1)}
    lexical_ranks = {entry.passage_id: rank for rank, entry in enumerate(lexical, start=1)}
    return [
        Hit(
            passages[entry.passage_id],
            rank,
            entry.score,
            dense_ranks.get(entry.passage_id),
            lexical_ranks.get(entry.passage_id),
        )
        for rank, entry in enumerate(best, start=1)
    ]
