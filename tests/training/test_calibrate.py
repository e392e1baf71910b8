import numpy as np
import pytest

from qa.confidence import Evidence
from training.calibrate import Outcome, balance, fit, risks, threshold


def outcomes(*rows):
    """(answerability, is_right, is_answerable) each."""
    return [Outcome("open", "A", Evidence(a, 0.5, 1, 1), right, answerable) for a, right, answerable in rows]


def test_the_threshold_is_where_the_most_outcomes_are_right():
    some = outcomes((0, True, True), (0, True, True), (0, False, False), (0, False, False), (0, True, True))
    # Silence below 0.4 is right for both unanswerable ones, and gives all three right answers.
    assert threshold(np.array([0.9, 0.4, 0.39, 0.1, 0.8]), some) == 0.4


def test_of_thresholds_that_chance_cannot_tell_apart_the_middle_is_taken():
    # 100 right answers from 0.8 on and 100 questions without one below 0.2; one right answer at 0.3 makes it the best.
    some = outcomes(*[(0, True, True)] * 101, *[(0, False, False)] * 100)
    confidence = np.concatenate([np.full(100, 0.8), [0.305], np.full(100, 0.195)])
    assert threshold(confidence, some) == pytest.approx(0.25)
    # And with a few wrong ones everywhere those up to 0.8 are no worse than by a standard error.
    some += outcomes(*[(0, False, True)] * 20)
    confidence = np.concatenate([confidence, np.full(20, 0.9)])
    assert threshold(confidence, some) == pytest.approx(0.5)


def test_between_two_heights_of_which_either_is_the_best_no_threshold_is_taken():
    # 151 outcomes are right from 0.51 to 0.9, 150 up to 0.2, and 100 in between.
    some = outcomes(*[(0, True, True)] * 150, *[(0, False, False)] * 51)
    confidence = np.concatenate([np.full(100, 0.9), np.full(50, 0.2), np.full(51, 0.5)])
    assert 0.5 < threshold(confidence, some) <= 0.9


def test_a_risk_has_the_least_confidence_from_which_on_it_is_met():
    confidence = np.concatenate([np.full(100, 0.9), np.full(100, 0.6), np.full(100, 0.3)])
    right = np.ones(300, dtype=bool)
    right[:2] = False  # 2 of 100 from 0.9 on
    right[100:118] = False  # 20 of 200 from 0.6 on
    right[200:] = False
    found = {risk["max_risk"]: risk["min_confidence"] for risk in risks(confidence, right, np.ones(300))}
    assert found[0.02] == found[0.05] == pytest.approx(0.601)
    assert found[0.1] == found[0.3] == pytest.approx(0.301)


def test_a_risk_that_is_never_met_or_only_by_a_few_answers_is_not_promised():
    confidence, right = np.linspace(0.5, 1, 60), np.zeros(60, dtype=bool)
    right[-20:] = True
    assert risks(confidence, right, np.ones(60)) == []


def test_more_evidence_is_more_confidence_after_a_fit():
    rng = np.random.default_rng(1)
    rows = [(x, bool(rng.random() < 1 / (1 + np.exp(-x))), True) for x in rng.normal(size=400) * 3]
    weights, _ = fit(outcomes(*rows))
    assert weights["answerability"] == pytest.approx(1.0, abs=0.3)


def test_answerable_and_unanswerable_questions_weigh_the_same_in_all():
    assert balance(outcomes((0, True, True), (0, True, True), (0, False, True), (0, False, False))) == pytest.approx(
        [2 / 3, 2 / 3, 2 / 3, 2]
    )
    assert balance(outcomes((0, True, True), (0, False, True))) == pytest.approx([1, 1])
