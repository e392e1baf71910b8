import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.records import Filter, Passage, Ranked, Span
from index.retriever import CANDIDATES, Retrieval, Run, fuse, retrieve


def run(*entries, floor=0.0):
    return Run([Ranked(passage_id, score) for passage_id, score in entries], floor)


SCORES = st.floats(-10, 10, allow_subnormal=False)
RUNS = st.lists(
    st.lists(st.tuples(st.integers(1, 12), SCORES), unique_by=lambda entry: entry[0], max_size=8).map(
        lambda entries: run(*sorted(entries, key=lambda entry: -entry[1]), floor=-10.0)
    ),
    max_size=3,
)


class FixedSnapshot:
    """A snapshot whose rankings are given; it notes what it is asked for."""

    def __init__(self, dense, lexical):
        self.rankings = {"dense": dense, "lexical": lexical}
        self.asked = []

    def _ranking(self, name, k, restriction):
        self.asked.append((name, k, restriction))
        ids = self.rankings[name][:k]
        return [Ranked(i, float(len(ids) - place)) for place, i in enumerate(ids)]

    def dense(self, vector, k, restriction):
        return self._ranking("dense", k, restriction)

    def lexical(self, query, k, restriction):
        return self._ranking("lexical", k, restriction)

    def passages(self, ids):
        return {i: Passage(i, f"{i}.txt", "", "", Span(0, 1), "x", "") for i in ids}


def test_the_score_is_the_mean_of_standard_scores_worked_out_by_hand():
    # Over passages 7, 8 and 9 the first run scores 4, 1 and 1, the second 0, 6 and 3.
    # Means 2 and 3, deviations sqrt(2) and sqrt(6).
    fused = fuse([run((7, 4.0), (8, 1.0), floor=1.0), run((8, 6.0), (9, 3.0))])
    assert [entry.passage_id for entry in fused] == [8, 7, 9]
    assert [entry.score for entry in fused] == pytest.approx(
        [
            (-1 / math.sqrt(2) + 3 / math.sqrt(6)) / 2,
            (2 / math.sqrt(2) - 3 / math.sqrt(6)) / 2,
            -1 / math.sqrt(2) / 2,
        ]
    )


def test_a_run_that_is_sure_of_one_passage_moves_it_past_one_that_is_not():
    unsure = [(number, 0.5 - number / 1000) for number in range(1, 50)]
    assert fuse([run(*unsure, floor=0.45), run((30, 9.0), (1, 0.5))])[0].passage_id == 30


def test_ties_go_to_the_better_best_rank_and_then_to_the_first_run():
    assert [entry.passage_id for entry in fuse([run((1, 2.0), (2, 1.0)), run((2, 2.0), (1, 1.0))])] == [1, 2]
    assert [entry.passage_id for entry in fuse([run((5, 1.0)), run((3, 1.0))])] == [5, 3]
    assert [entry.passage_id for entry in fuse([run((5, 1.0), (4, 1.0), (3, 1.0))])] == [5, 4, 3]


def test_what_a_full_run_lacks_has_its_last_score_and_what_a_short_one_lacks_has_none():
    ranking = [Ranked(1, 5.0), Ranked(2, 3.0)]
    assert Run.of(ranking, depth=2).floor == 3.0
    assert Run.of(ranking, depth=3).floor == 0.0
    assert Run.of([], depth=3).floor == 0.0


@given(RUNS)
def test_fusion_holds_every_passage_once_in_descending_order_of_score(runs):
    fused = fuse(runs)
    assert sorted(entry.passage_id for entry in fused) == sorted(
        {entry.passage_id for some in runs for entry in some.ranking}
    )
    assert all(first.score >= second.score for first, second in itertools.pairwise(fused))


@given(RUNS, st.permutations(range(1, 13)))
def test_fusing_does_not_depend_on_what_the_passages_ids_are(runs, ids):
    renamed = [run(*((ids[entry.passage_id - 1], entry.score) for entry in some.ranking), floor=-10.0) for some in runs]
    assert [entry.passage_id for entry in fuse(renamed)] == [ids[entry.passage_id - 1] for entry in fuse(runs)]


@pytest.mark.parametrize("runs", [[], [run()], [run(), run()]])
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
    assert retrieve(snapshot, "q", np.zeros(2, np.float32), k=3, restriction=restriction) == []
    assert snapshot.asked == [("dense", CANDIDATES, restriction), ("lexical", CANDIDATES, restriction)]


def test_more_passages_than_candidates_are_found_if_they_are_asked_for():
    snapshot: Any = FixedSnapshot(range(1, 1000), [])
    found = retrieve(snapshot, "q", np.zeros(2, np.float32), k=CANDIDATES + 50, restriction=Filter())
    assert [hit.passage.passage_id for hit in found] == list(range(1, CANDIDATES + 51))


@pytest.mark.parametrize(
    ("retrieval", "vector", "asked"),
    [
        (Retrieval.WORDS, None, ["lexical"]),
        (Retrieval.WORDS, np.zeros(2, np.float32), ["lexical"]),
        (Retrieval.MEANING, np.zeros(2, np.float32), ["dense"]),
    ],
)
def test_a_ranking_that_is_switched_off_is_not_asked(retrieval, vector, asked):
    snapshot: Any = FixedSnapshot([1, 2], [2, 3])
    hits = retrieve(snapshot, "q", vector, k=3, restriction=Filter(), retrieval=retrieval)
    assert [name for name, _, _ in snapshot.asked] == asked
    assert [hit.passage.passage_id for hit in hits] == list(snapshot.rankings[asked[0]])
