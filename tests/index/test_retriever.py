import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.records import Filter, Passage, Ranked, Span
from index.retriever import fuse, retrieve

RUNS = st.lists(st.lists(st.integers(1, 12), unique=True, max_size=8), max_size=3)


class FixedSnapshot:
    """A snapshot whose rankings are given; it notes what it is asked for."""

    def __init__(self, dense, lexical):
        self.rankings = {"dense": dense, "lexical": lexical}
        self.asked = []

    def _ranking(self, name, k, restriction):
        self.asked.append((name, k, restriction))
        return [Ranked(i, 1.0) for i in self.rankings[name][:k]]

    def dense(self, vector, k, restriction):
        return self._ranking("dense", k, restriction)

    def lexical(self, query, k, restriction):
        return self._ranking("lexical", k, restriction)

    def passages(self, ids):
        return {i: Passage(i, f"{i}.txt", "", "", Span(0, 1), "x", "") for i in ids}


def test_the_score_is_the_sum_of_reciprocal_ranks_worked_out_by_hand():
    assert fuse([[7, 8], [8, 9]], k=60) == [
        Ranked(8, 1 / 62 + 1 / 61),
        Ranked(7, 1 / 61),
        Ranked(9, 1 / 62),
    ]


def test_ties_go_to_the_better_best_rank_and_then_to_the_first_run():
    assert [entry.passage_id for entry in fuse([[1, 2], [2, 1]])] == [1, 2]
    assert [entry.passage_id for entry in fuse([[5], [3]])] == [5, 3]


@given(RUNS)
def test_fusion_holds_every_passage_once_in_descending_order_of_score(runs):
    fused = fuse(runs)
    assert sorted(entry.passage_id for entry in fused) == sorted({i for run in runs for i in run})
    assert all(first.score >= second.score for first, second in itertools.pairwise(fused))


@given(st.permutations(range(1, 9)))
def test_fusing_does_not_depend_on_what_the_passages_ids_are(ids):
    runs = [[1, 2, 3, 4], [4, 5, 6], [7, 8, 2]]
    renamed = [[ids[i - 1] for i in run] for run in runs]
    assert [entry.passage_id for entry in fuse(renamed)] == [ids[entry.passage_id - 1] for entry in fuse(runs)]


@pytest.mark.parametrize("runs", [[], [[]], [[], []]])
def test_nothing_fused_is_nothing(runs):
    assert fuse(runs) == []


def test_hits_carry_both_ranks_and_none_where_a_ranking_has_not_found_them():
    snapshot: Any = FixedSnapshot([1, 2], [2, 3])
    hits = retrieve(snapshot, "q", np.zeros(2, np.float32), k=3, restriction=Filter())
    assert [(hit.rank, hit.passage.passage_id, hit.dense_rank, hit.lexical_rank) for hit in hits] == [
        (1, 2, 2, 1),
        (2, 1, 1, None),
        (3, 3, None, 2),
    ]


def test_both_rankings_are_asked_as_deep_as_the_candidates_with_the_filter():
    snapshot: Any = FixedSnapshot([], [])
    restriction = Filter(paths=("a",))
    assert retrieve(snapshot, "q", np.zeros(2, np.float32), k=3, restriction=restriction, candidates=40) == []
    assert snapshot.asked == [("dense", 40, restriction), ("lexical", 40, restriction)]
