import numpy as np
import pytest

from qa.evaluation.bootstrap import Bootstrap
from qa.evaluation.measures import auroc


def mean(values):
    return float(values.mean())


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    values = np.random.default_rng(0).random(50)
    assert Bootstrap(200, seed=1).estimate(mean, values) == Bootstrap(200, seed=1).estimate(mean, values)
    assert Bootstrap(200, seed=1).estimate(mean, values) != Bootstrap(200, seed=2).estimate(mean, values)


def test_the_interval_holds_a_known_mean_about_95_times_of_100():
    random = np.random.default_rng(0)
    estimates = [Bootstrap(300).estimate(mean, random.random(60)) for _ in range(200)]
    n_covered = sum(some.low <= 0.5 <= some.high for some in estimates)
    # 190 are expected; three standard deviations of a binomial are 9.2.
    assert 180 <= n_covered <= 199


def test_the_interval_of_a_mean_is_about_that_of_the_normal_approximation():
    values = np.random.default_rng(0).normal(size=400)
    found = Bootstrap(2000).estimate(mean, values)
    half = 1.96 * values.std() / np.sqrt(400)
    assert found.value == values.mean()
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=half / 10)


def test_columns_are_resampled_together():
    confidence = np.linspace(0, 1, 40)
    found = Bootstrap(100).estimate(lambda one, other: float(np.abs(one - other).max()), confidence, confidence)
    assert (found.value, found.low, found.high, found.n) == (0, 0, 0, 40)


def test_resamples_in_which_a_measure_is_undefined_do_not_count():
    found = Bootstrap(200).estimate(auroc, np.array([0.2, 0.8]), np.array([False, True]))
    assert (found.value, found.low, found.high) == (1, 1, 1)
