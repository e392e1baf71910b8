"""From what speaks for an answer to the probability that it is right, and when to say nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path

from index.errors import InvalidParameter, ReaderDamaged

_LEAST_SHARE = 1e-6


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an answer.

    Attributes:
        answerability: Log-odds, by the reader, that the best passage it stands in answers the question.
        share: Of one softmax over all spans of all passages, what falls to the answer, in [0, 1].
        dense_rank, lexical_rank: Of that passage, from 1; None where a retriever did not find it.
    """

    answerability: float
    share: float
    dense_rank: int | None
    lexical_rank: int | None

    def features(self) -> Mapping[str, float]:
        """Return the numbers that a calibration weighs, by name."""
        return {
            "answerability": self.answerability,
            "log_share": math.log(max(self.share, _LEAST_SHARE)),
            "dense": 1 / self.dense_rank if self.dense_rank else 0.0,
            "lexical": 1 / self.lexical_rank if self.lexical_rank else 0.0,
        }


@dataclass(frozen=True, slots=True)
class Risk:
    """A point of the risk-coverage curve.

    Giving the best answer from `min_confidence` on, at most `max_risk` of them were wrong, five passages read.
    """

    max_risk: float
    min_confidence: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a reader's evidence becomes a probability.

    Attributes:
        weights: Of the features of `Evidence`, by name; what is not named counts nothing.
        min_confidence: Below it the documents do not say. Chosen on data with the rest.
        risks: Ascending in `max_risk`, descending in `min_confidence`; empty for a reader that was
            never measured.

    Source: Platt 1999, "Probabilistic outputs for support vector machines", with several features.
    """

    weights: Mapping[str, float]
    intercept: float
    min_confidence: float
    risks: tuple[Risk, ...] = ()

    def confidence(self, evidence: Evidence) -> float:
        """Return the probability that an answer with this evidence is right, in [0, 1]."""
        features = evidence.features()
        return logistic(self.intercept + sum(weight * features[name] for name, weight in self.weights.items()))

    def threshold_for(self, max_risk: float) -> float:
        """Return the confidence from which on at most this share of answers is wrong, as it was measured.

        Raises:
            InvalidParameter: The reader was not measured, or never so seldom wrong.
        """
        if not self.risks:
            raise InvalidParameter(
                "max_risk needs a reader that was measured, and this one was not: use min_confidence"
            )
        kept = [risk for risk in self.risks if risk.max_risk <= max_risk]
        if not kept:
            least = self.risks[0].max_risk
            raise InvalidParameter(f"max_risk is {max_risk:g}, and the least that was measured is {least:g}: take that")
        return kept[-1].min_confidence


UNCALIBRATED = Calibration({"answerability": 1.0, "log_share": 1.0}, 0.0, 0.5)
"""For a reader that nobody measured: what it says of itself, taken at its word."""


def logistic(logit: float) -> float:
    """Return 1 / (1 + exp(-logit)), in the form whose exponential cannot overflow."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))


def whole_per_cent(probability: float) -> int:
    """Return a probability in per cent, never 0 or 100: no answer is certain."""
    return min(99, max(1, round(probability * 100)))


def load_calibration(path: Path) -> Calibration:
    """Return the calibration in a file.

    Raises:
        ReaderDamaged: The file is not one.
    """
    try:
        stored = json.loads(path.read_bytes())
        calibration = Calibration(
            {str(name): float(weight) for name, weight in stored["weights"].items()},
            float(stored["intercept"]),
            float(stored["min_confidence"]),
            tuple(Risk(float(risk["max_risk"]), float(risk["min_confidence"])) for risk in stored["risks"]),
        )
        calibration.confidence(Evidence(0.0, 1.0, 1, 1))
    except (OSError, ArithmeticError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReaderDamaged(f"{path} is no calibration of a reader ({error!r}): put the file back") from error
    shares = [calibration.min_confidence, *(share for risk in calibration.risks for share in astuple(risk))]
    # JSON has no NaN, but Python reads it.
    if not all(map(math.isfinite, (*calibration.weights.values(), calibration.intercept))) or not all(
        0 <= share <= 1 for share in shares
    ):
        raise ReaderDamaged(f"{path} holds numbers that are out of range: put the file back")
    if any(
        one.max_risk >= other.max_risk or one.min_confidence < other.min_confidence
        for one, other in pairwise(calibration.risks)
    ):
        raise ReaderDamaged(f"the risks in {path} are not in order: put the file back")
    return calibration
