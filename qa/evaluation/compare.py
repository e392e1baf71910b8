"""Is the second of two reports on the same questions better than the first, or worse, or is it chance?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from index.errors import InvalidEvaluationData
from qa.evaluation.bootstrap import Bootstrap, Estimate
from qa.evaluation.measures import Floats


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one measure.

    Attributes:
        before, after: Means over the questions.
        change: `after` minus `before`, with the interval of paired resamples.
        p_value: Probability of a change at least as large, either way, if the two were alike.
    """

    before: float
    after: float
    change: Estimate
    p_value: float

    @property
    def is_worse(self) -> bool:
        """Whether it fell, and not by chance: the whole interval lies below 0."""
        return self.change.high < 0

    @property
    def is_better(self) -> bool:
        """Whether it rose, and not by chance: the whole interval lies above 0."""
        return self.change.low > 0


def differ(before: Floats, after: Floats, bootstrap: Bootstrap) -> Difference:
    """Return how the values of the same questions changed.

    Source: the paired randomisation test, Smucker, Allan and Carterette 2007,
        https://doi.org/10.1145/1321440.1321528.
    """
    change = after - before
    if not change.any():
        p_value = 1.0
    else:
        test = stats.permutation_test(
            (change,),
            lambda some, axis: some.mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=9999,
            rng=np.random.default_rng(bootstrap.seed),
        )
        p_value = float(test.pvalue)
    return Difference(
        float(before.mean()),
        float(after.mean()),
        bootstrap.estimate(lambda some: float(some.mean()), change),
        p_value,
    )


def compare(before: Mapping[str, Any], after: Mapping[str, Any], bootstrap: Bootstrap) -> dict[str, Difference]:
    """Return the differences between two reports, as JSON has them, by the measures that both have.

    Raises:
        InvalidEvaluationData: They have no measure in common, or not the same questions.
    """
    try:
        found = {
            name: _difference(name, before["values"][name], after["values"][name], bootstrap)
            for name in before["values"]
            if name in after["values"]
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidEvaluationData(f"that is no report of `citespan eval --json`: {error!r}") from error
    if not found:
        raise InvalidEvaluationData("the two reports have no measure in common")
    return found


def _difference(name: str, before: Mapping[str, float], after: Mapping[str, float], bootstrap: Bootstrap) -> Difference:
    if before.keys() != after.keys():
        n_both = len(before.keys() & after.keys())
        raise InvalidEvaluationData(
            f"the reports are on different questions ({name}: {len(before)} and {len(after)}, {n_both} in both): "
            "ask the same file of both"
        )
    ids = sorted(before)
    return differ(
        np.array([before[one] for one in ids], dtype=np.float64),
        np.array([after[one] for one in ids], dtype=np.float64),
        bootstrap,
    )
