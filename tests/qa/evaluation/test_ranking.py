import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from index.records import Hit, Passage, Span
from qa.evaluation.ranking import DEPTH, documents_of, measure_rankings

DOCUMENTS = [f"d{number}" for number in range(30)]
GRADES = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(0, 3), min_size=1)


def test_the_measures_of_one_query_worked_out_by_hand():
    found = measure_rankings({"q": ["x", "a", "y", "b"]}, {"q": {"a": 2, "b": 1, "c": 1}})
    best = 2 + 1 / math.log2(3) + 1 / math.log2(4)
    assert found["nDCG@10"]["q"] == pytest.approx((2 / math.log2(3) + 1 / math.log2(5)) / best)
    assert found["R@5"]["q"] == found["R@100"]["q"] == pytest.approx(2 / 3)
    assert found["MRR@10"]["q"] == 1 / 2
    assert found["MAP"]["q"] == pytest.approx((1 / 2 + 2 / 4) / 3)


def test_a_query_without_a_ranking_counts_as_nothing_found():
    found = measure_rankings({}, {"q": {"a": 1}})
    assert {name: values["q"] for name, values in found.items()} == dict.fromkeys(found, 0.0)


@settings(max_examples=200)
@given(st.permutations(DOCUMENTS), GRADES.filter(lambda grades: any(grades.values())))
def test_ndcg_is_that_of_a_second_implementation(ranking, grades):
    """Scikit-learn's, which shares no code with trec_eval's."""
    truth = np.array([[grades.get(document, 0) for document in ranking]])
    scores = -np.arange(len(ranking), dtype=float)[None, :]
    found = measure_rankings({"q": ranking}, {"q": grades})["nDCG@10"]["q"]
    assert found == pytest.approx(ndcg_score(truth, scores, k=10, ignore_ties=True), abs=1e-6)


def test_a_document_stands_where_its_best_passage_does():
    passages = [Passage(number, f"d{number % 150}", "", "", Span(0, 1), "x", "") for number in range(400)]
    hits = [Hit(passage, rank, 0.0, None, None) for rank, passage in enumerate(passages, start=1)]
    assert documents_of(hits) == [f"d{number}" for number in range(DEPTH)]
