import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qa.spans import best_spans, log_total

# Few values, so that there are ties.
scores = st.integers(1, 24).flatmap(
    lambda n: st.tuples(*(arrays(np.float32, n, elements=st.sampled_from([-3, -1, 0, 0.5, 2])) for _ in range(2)))
)


def enumerated(start, end, max_tokens):
    """All spans by O(n²) enumeration, best first; ties: the earlier, then the shorter."""
    n = len(start)
    spans = [(i, j, float(start[i]) + float(end[j])) for i in range(n) for j in range(i, min(i + max_tokens, n))]
    return sorted(spans, key=lambda span: (-span[2], span[0], span[1]))


def without_overlaps(spans, n):
    kept: list[tuple[int, int, float]] = []
    for first, last, score in spans:
        if len(kept) < n and not any(first <= other[1] and other[0] <= last for other in kept):
            kept.append((first, last, score))
    return kept


@settings(max_examples=300)
@given(scores, st.integers(1, 30))
def test_the_best_span_is_that_of_an_enumeration(both, max_tokens):
    start, end = both
    (found,) = best_spans(start, end, max_tokens=max_tokens, n=1)
    assert (found.first, found.last, found.score) == enumerated(start, end, max_tokens)[0]


@settings(max_examples=300)
@given(scores, st.integers(1, 30), st.integers(1, 6))
def test_further_spans_are_the_best_of_those_that_overlap_none_before(both, max_tokens, n):
    start, end = both
    found = best_spans(start, end, max_tokens=max_tokens, n=n)
    assert [(span.first, span.last, span.score) for span in found] == without_overlaps(
        enumerated(start, end, max_tokens), n
    )


@settings(max_examples=200)
@given(scores, st.integers(1, 30))
def test_the_total_is_the_log_sum_exp_of_an_enumeration(both, max_tokens):
    start, end = both
    total = math.log(sum(math.exp(score) for _, _, score in enumerated(start, end, max_tokens)))
    assert log_total(start, end, max_tokens=max_tokens) == pytest.approx(total)


def test_on_long_texts_too_the_spans_are_those_of_an_enumeration():
    rng = np.random.default_rng(7)
    start, end = rng.normal(size=(2, 300)).astype(np.float32)
    found = best_spans(start, end, max_tokens=30, n=5)
    expected = without_overlaps(enumerated(start, end, 30), 5)
    assert [(span.first, span.last) for span in found] == [span[:2] for span in expected]


def test_start_and_end_keep_their_own_scores():
    (found,) = best_spans(np.array([0, 3, 0], np.float32), np.array([0, 0, 1.5], np.float32), max_tokens=3, n=1)
    assert (found.first, found.last, found.start_score, found.end_score) == (1, 2, 3.0, 1.5)


def test_a_text_without_tokens_has_no_spans_and_no_total():
    none = np.empty(0, dtype=np.float32)
    assert best_spans(none, none, max_tokens=30, n=5) == []
    assert log_total(none, none, max_tokens=30) == -math.inf


def test_what_is_no_answer_begins_and_ends_none():
    start, end = np.array([[0, -np.inf, 1], [0, -np.inf, 1]], dtype=np.float32)
    assert [(span.first, span.last) for span in best_spans(start, end, max_tokens=3, n=5)] == [(2, 2), (0, 0)]
    assert log_total(start, end, max_tokens=3) == pytest.approx(math.log(1 + math.e + math.e**2))
    nothing = np.full(3, -np.inf, dtype=np.float32)
    assert best_spans(nothing, nothing, max_tokens=3, n=5) == []
    assert log_total(nothing, nothing, max_tokens=3) == -math.inf
