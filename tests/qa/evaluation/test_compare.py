import numpy as np
import pytest

from index.errors import InvalidEvaluationData
from qa.evaluation.bootstrap import Bootstrap
from qa.evaluation.compare import compare, differ

BOOTSTRAP = Bootstrap(200)


def test_a_change_is_told_with_both_means_its_interval_and_its_chance():
    before = np.linspace(0, 0.8, 100)
    found = differ(before, before + 0.1, BOOTSTRAP)
    assert (found.before, found.after) == pytest.approx((0.4, 0.5))
    assert (found.change.value, found.change.low, found.change.high) == pytest.approx((0.1, 0.1, 0.1))
    assert found.p_value < 0.001
    assert (found.is_worse, found.is_better) == (False, True)
    found = differ(before + 0.1, before, BOOTSTRAP)
    assert (found.is_worse, found.is_better) == (True, False)


def test_what_chance_may_explain_is_not_worse():
    random = np.random.default_rng(3)
    before = random.random(50)
    after = before + random.permutation(np.repeat([0.2, -0.2], 25)) - 0.001
    found = differ(before, after, BOOTSTRAP)
    assert found.change.value < 0
    assert found.p_value > 0.5
    assert (found.is_worse, found.is_better) == (False, False)


def test_the_same_twice_is_no_change():
    same = np.array([0.0, 1.0, 1.0])
    found = differ(same, same, BOOTSTRAP)
    assert (found.change.value, found.p_value, found.is_worse) == (0, 1, False)


def test_all_sign_flips_of_few_questions_are_counted():
    # Of the 2 ** 4 ways to swap before and after, two have a mean change as large as 1.
    assert differ(np.zeros(4), np.ones(4), BOOTSTRAP).p_value == pytest.approx(2 / 2**4)


def test_reports_are_compared_by_question_whatever_their_order():
    before = {"values": {"F1": {"a": 1.0, "b": 0.0}, "EM": {"a": 1.0, "b": 0.0}}}
    after = {"values": {"F1": {"b": 0.5, "a": 1.0}}}
    (name,) = found = compare(before, after, BOOTSTRAP)
    assert name == "F1"
    assert found["F1"].change.value == 0.25


@pytest.mark.parametrize(
    "after",
    [{}, {"values": {"MAP": {"a": 1.0}}}, {"values": {"F1": {"b": 1.0}}}, {"values": []}, {"values": {"F1": 1}}],
)
def test_reports_that_cannot_be_compared_are_refused(after):
    with pytest.raises(InvalidEvaluationData):
        compare({"values": {"F1": {"a": 1.0}}}, after, BOOTSTRAP)
