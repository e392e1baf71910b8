"""How far a measure might be off because these questions were asked and not others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure's value over n questions, and the 95 % interval [low, high] of its resampled values."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The percentile bootstrap by question. The same seed gives the same interval, whatever else is estimated.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """

    n_resamples: int = 1000
    seed: int = 20261124

    # Columns of whatever type the measure takes.
    def estimate(self, measure: Callable[..., float], *columns: NDArray[Any]) -> Estimate:
        """Return a measure of columns that have one row per question, at least one.

        Resamples for which the measure is undefined (NaN) do not count.
        """
        n = len(columns[0])
        random = np.random.default_rng(self.seed)
        values = [
            measure(*(column[rows] for column in columns))
            for rows in (random.integers(n, size=n) for _ in range(self.n_resamples))
        ]
        low, high = np.nanquantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
        return Estimate(float(measure(*columns)), float(low), float(high), n)
