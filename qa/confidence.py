"""From a reader's score to a probability, and when to say nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a reader's margin (best span over "no answer") becomes a probability.

    Attributes:
        min_confidence: Below it the documents do not say. Chosen on data with the rest.

    Source: Platt 1999, "Probabilistic outputs for support vector machines".
    """

    slope: float
    intercept: float
    min_confidence: float

    def confidence(self, margin: float) -> float:
        """Return the probability that an answer with this margin is right, in (0, 1)."""
        logit = self.slope * margin + self.intercept
        # The form whose exponential cannot overflow.
        if logit >= 0:
            return 1 / (1 + math.exp(-logit))
        return math.exp(logit) / (1 + math.exp(logit))
