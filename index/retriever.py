"""A question to hits: two rankings, by meaning and by words, fused into one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from index.records import Filter, Hit, Ranked
from index.store.protocol import Snapshot

CANDIDATES = 100
"""Depth of each ranking that is fused. A passage below it in both is not found."""

RRF_K = 60


def fuse(runs: Sequence[Sequence[int]], *, k: int = RRF_K) -> list[Ranked]:
    """Return passages with their reciprocal-rank score, best first.

    Args:
        runs: One ranking per retriever, passage ids, best first; a run may be empty.
        k: Damping of high ranks, at least 1.

    Returns:
        Passage id and the sum over runs of 1 / (k + rank), descending. Ties: the passage with the
        better best rank first, then the one that the earlier run ranks better.

    Source: Cormack, Clarke and Büttcher 2009, https://doi.org/10.1145/1571941.1572114.
    """
    ranks: dict[int, list[int]] = defaultdict(lambda: [_UNRANKED] * len(runs))
    for number, run in enumerate(runs):
        for rank, passage_id in enumerate(run, start=1):
            ranks[passage_id][number] = rank
    scored = [
        (sum(1 / (k + rank) for rank in sorted(found) if rank != _UNRANKED), found, passage_id)
        for passage_id, found in ranks.items()
    ]
    scored.sort(key=lambda item: (-item[0], min(item[1]), item[1]))
    return [Ranked(passage_id, score) for score, _, passage_id in scored]


_UNRANKED = 2**31


def retrieve(
    snapshot: Snapshot,
    query: str,
    vector: NDArray[np.float32],
    *,
    k: int,
    restriction: Filter,
    candidates: int = CANDIDATES,
) -> list[Hit]:
    """Return the k best passages for a query, best first; fewer only if no more are found.

    Args:
        query: For the words.
        vector: The query encoded, for the meaning.
        restriction: Applied before the cut in both rankings.
        candidates: Depth of each ranking; at least `k` is taken.
    """
    depth = max(k, candidates)
    dense = [entry.passage_id for entry in snapshot.dense(vector, depth, restriction)]
    lexical = [entry.passage_id for entry in snapshot.lexical(query, depth, restriction)]
    best = fuse([dense, lexical])[:k]
    passages = snapshot.passages([entry.passage_id for entry in best])
    dense_ranks = {passage_id: rank for rank, passage_id in enumerate(dense, start=1)}
    lexical_ranks = {passage_id: rank for rank, passage_id in enumerate(lexical, start=1)}
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
