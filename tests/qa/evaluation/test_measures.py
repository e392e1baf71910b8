import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from qa.evaluation.measures import (
    aurc,
    auroc,
    best_over,
    best_threshold,
    exact_match,
    expected_calibration_error,
    f1,
    holds_answer,
    normalise,
    reliability,
    risk_coverage,
    with_silence,
)

# Few values, so that ties are common.
ROWS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.4, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("answer", "normalised"),
    [
        ("The  Forth Bridge, of 1890!", "forth bridge of 1890"),
        ("a an the", ""),
        ("Theatre", "theatre"),
        ("well-known", "wellknown"),
        ("U.S.", "us"),
        # Punctuation goes first: what it held apart is no article any more.
        ("A-1", "a1"),
        ("the.end", "theend"),
        ("a.", ""),
        # Only ASCII punctuation goes; a curly apostrophe is still the border of a word.
        ("an’t", "’t"),
        ("“The” end", "“ ” end"),
        ("$5 or £5, 5%", "5 or £5 5"),
        ("21\u00a0days\n\tlater", "21 days later"),
        ("ÉCOLE", "école"),
        ("東京", "東京"),
        ("", ""),
    ],
)
def test_answers_are_normalised_as_in_the_official_script(answer, normalised):
    assert normalise(answer) == normalised


@given(st.text())
def test_normalised_answers_have_single_spaces_and_no_ascii_punctuation(text):
    words = normalise(text).split()
    assert normalise(text) == " ".join(words)
    assert not set("".join(words)) & set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def test_an_exact_match_is_one_after_normalising_alone():
    assert exact_match("the bridge.", "Bridge") == 1
    assert exact_match("the bridges", "bridge") == 0
    assert exact_match("", "the") == 1


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        # red, bridge of three words each: precision 2/3, recall 2/3
        ("a red bridge opened", "the big red bridge", 2 / 3),
        # one of two, one of one: precision 1/2, recall 1. A word counts as often as both have it.
        ("red red", "red", 2 * (1 / 2) * 1 / (1 / 2 + 1)),
        ("red red", "red red", 1),
        ("bridge red", "red bridge", 1),
        ("tower", "bridge", 0),
        ("the", "", 1),
        ("", "bridge", 0),
        ("bridge", "", 0),
        ("bridge", "the", 0),
    ],
)
def test_f1_is_worked_out_over_words(answer, gold, expected):
    assert f1(answer, gold) == pytest.approx(expected)


WORDS = st.lists(st.sampled_from(["the", "a", "red", "Red", "big.", "1890", "-"]), max_size=5).map(" ".join)


@given(WORDS, WORDS)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(answer, gold):
    words, gold_words = normalise(answer).split(), normalise(gold).split()
    shared = sum((Counter(words) & Counter(gold_words)).values())
    if not words or not gold_words:
        expected = float(words == gold_words)
    elif not shared:
        expected = 0
    else:
        precision, recall = shared / len(words), shared / len(gold_words)
        expected = 2 * precision * recall / (precision + recall)
    assert f1(answer, gold) == pytest.approx(expected)
    assert f1(answer, gold) == f1(gold, answer)


def test_the_best_gold_answer_counts():
    assert best_over(f1, "red bridge", ["tower", "big red bridge", "bridge"]) == pytest.approx(2 * 2 / (2 + 3))
    assert best_over(exact_match, "red bridge", ["bridge", "the red bridge"]) == 1


def test_silence_is_the_gold_answer_where_there_is_none_with_words():
    assert best_over(exact_match, "", []) == 1
    assert best_over(exact_match, "bridge", []) == 0
    assert best_over(f1, "", ["the", "!"]) == 1
    # A gold answer without words is none: silence is wrong here.
    assert best_over(exact_match, "", ["the", "bridge"]) == 0


@pytest.mark.parametrize(
    ("passage", "golds", "expected"),
    [
        ("The bridge opened in 1890.", ["1890"], True),
        ("It is 18901 m long.", ["1890"], False),
        ("Of the 1890s.", ["1890"], False),
        ("A STEEL-built bridge", ["steel"], True),
        ("Open to $5 visitors", ["$5"], True),
        ("The Red-Bridge was big", ["red bridge"], False),
        ("The Red\nBridge was big", ["red bridge"], True),
        ("The cafe\u0301 is open", ["café"], True),
        ("The cafe\u0301 is open", ["cafe"], False),
        ("Anything", [""], False),
        ("Anything", [], False),
        ("1890", ["1889", "1890"], True),
    ],
)
def test_a_passage_holds_an_answer_token_for_token(passage, golds, expected):
    assert holds_answer(passage, golds) is expected


def columns(rows):
    return np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], bool)


def test_silence_is_right_for_unanswerable_questions_alone():
    scores, confidence = np.array([1.0, 0.5, 0.0, 0.0]), np.array([0.9, 0.1, 0.9, 0.1])
    is_answerable = np.array([True, True, False, False])
    given_ = with_silence(scores, confidence, is_answerable, threshold=0.5)
    assert given_.tolist() == [1.0, 0.0, 0.0, 1.0]


def test_an_answer_of_just_the_threshold_is_given():
    assert with_silence(np.ones(1), np.array([0.5]), np.array([True]), threshold=0.5) == [1.0]


def test_the_best_threshold_is_worked_out_by_hand():
    scores, confidence = np.array([1.0, 0.5, 0.0, 0.4]), np.array([0.9, 0.8, 0.6, 0.5])
    best = best_threshold(scores, confidence, np.array([True, True, False, True]))
    # Nothing: 1/4. From 0.9: 2/4. From 0.8: 2.5/4. From 0.6 the unanswerable one is lost: 1.5/4. From 0.5: 1.9/4.
    assert (best.value, best.threshold) == (2.5 / 4, 0.8)


def test_of_thresholds_that_reach_the_same_the_highest_is_taken():
    best = best_threshold(np.array([1.0, 0.0]), np.array([0.9, 0.8]), np.array([True, True]))
    assert (best.value, best.threshold) == (0.5, 0.9)


def test_where_silence_is_best_the_threshold_is_above_every_confidence():
    best = best_threshold(np.zeros(2), np.array([0.3, 1.0]), np.array([False, False]))
    assert best.value == 1
    assert best.threshold > 1


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.booleans(), st.sampled_from([0.0, 0.5, 1.0])), min_size=1)
)
def test_the_best_threshold_is_the_one_that_trying_all_of_them_finds(rows):
    confidence, is_answerable = columns(rows)
    scores = np.array([row[2] for row in rows]) * is_answerable
    best = best_threshold(scores, confidence, is_answerable)
    tried = {t: with_silence(scores, confidence, is_answerable, threshold=t).mean() for t in [*confidence, 2.0]}
    assert best.value == pytest.approx(max(tried.values()))
    reached = with_silence(scores, confidence, is_answerable, threshold=best.threshold).mean()
    assert reached == pytest.approx(best.value)


def test_auroc_is_worked_out_by_hand():
    # Pairs of positive and negative: 0.9 > 0.5, 0.9 > 0.2, 0.5 = 0.5 (a half), 0.5 > 0.2
    scores, is_positive = np.array([0.9, 0.5, 0.5, 0.2]), np.array([True, True, False, False])
    assert auroc(scores, is_positive) == (1 + 1 + 0.5 + 1) / 4


@given(ROWS)
def test_auroc_is_that_of_scikit_learn(rows):
    scores, is_positive = columns(rows)
    if is_positive.all() or not is_positive.any():
        assert math.isnan(auroc(scores, is_positive))
    else:
        assert auroc(scores, is_positive) == pytest.approx(roc_auc_score(is_positive, scores))


def test_the_calibration_error_is_the_weighted_gap_worked_out_by_hand():
    confidence = np.array([0.95, 0.85, 0.85, 0.15])
    is_right = np.array([True, True, False, False])
    # Bins: one of 0.95 that is right, two of 0.85 of which half are, one of 0.15 that is wrong.
    expected = (1 * 0.05 + 2 * 0.35 + 1 * 0.15) / 4
    assert expected_calibration_error(confidence, is_right) == pytest.approx(expected)


def test_bins_are_of_equal_width_and_the_empty_ones_are_left_out():
    bins = reliability(np.array([0.0, 0.05, 0.1, 0.99, 1.0]), np.array([False, True, True, True, False]))
    assert [(some.low, some.high, some.n, some.accuracy) for some in bins] == [
        (0.0, 0.1, 2, 0.5),
        (0.1, 0.2, 1, 1.0),
        (0.9, 1.0, 2, 0.5),
    ]
    assert [some.confidence for some in bins] == pytest.approx([0.025, 0.1, 0.995])


def test_a_confidence_of_one_falls_into_the_last_bin():
    assert expected_calibration_error(np.array([1.0]), np.array([True])) == 0


@given(ROWS)
def test_every_question_is_in_one_bin(rows):
    assert sum(some.n for some in reliability(*columns(rows))) == len(rows)


def test_risk_and_coverage_are_worked_out_by_hand():
    confidence = np.array([0.6, 0.9, 0.6, 0.3])
    is_right = np.array([False, True, True, False])
    curve = risk_coverage(confidence, is_right)
    # From 0.9 on: one, none wrong. From 0.6 on: three, one wrong. From 0.3 on: four, two wrong.
    assert curve.coverage == (1 / 4, 3 / 4, 1.0)
    assert curve.risk == pytest.approx((0, 1 / 3, 2 / 4))
    assert aurc(confidence, is_right) == pytest.approx((0 + 1 / 3 + 1 / 3 + 2 / 4) / 4)


def test_a_long_curve_is_thinned_and_keeps_both_its_ends():
    confidence = np.linspace(0, 1, 1000)
    whole = risk_coverage(confidence, confidence > 0.5)
    thinned = risk_coverage(confidence, confidence > 0.5, n_points=50)
    assert len(thinned.coverage) == len(thinned.risk) == 50
    assert (thinned.coverage[0], thinned.coverage[-1]) == (0.001, 1.0)
    assert set(zip(thinned.coverage, thinned.risk, strict=True)) <= set(zip(whole.coverage, whole.risk, strict=True))


@given(ROWS)
def test_the_area_is_the_mean_risk_of_answering_what_is_at_least_as_sure(rows):
    confidence, is_right = columns(rows)
    expected = np.mean([(~is_right[confidence >= some]).mean() for some in confidence])
    assert aurc(confidence, is_right) == pytest.approx(expected)
