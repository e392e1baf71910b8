"""Predictions and replies to a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qa.evaluation.bootstrap import Bootstrap, Estimate
from qa.evaluation.measures import (
    Bin,
    Booleans,
    Floats,
    RiskCoverage,
    aurc,
    auroc,
    best_over,
    best_threshold,
    exact_match,
    expected_calibration_error,
    f1,
    reliability,
    risk_coverage,
    with_silence,
)
from qa.evaluation.runs import DEPTH, Prediction, Reply

_CURVE_POINTS = 200


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed before anything is measured.

    Attributes:
        threshold: Answers that are less sure than this are held back.
        right_from: F1 from which on an answer counts as right; 1 asks for all its words and no others.
    """

    threshold: float
    right_from: float
    bootstrap: Bootstrap


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a question: EM and F1 with the answer held back where it was not sure enough."""

    prediction: Prediction
    is_answered: bool
    em: float
    f1: float
    is_right: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured, ready to be printed, written or drawn.

    Attributes:
        about: What was asked of what, and the counts; in the order to be shown.
        measures: By their names, in the order to be shown.
    """

    name: str
    about: Mapping[str, str | int | float]
    measures: Mapping[str, Estimate]
    reliability: tuple[Bin, ...]
    risk_coverage: RiskCoverage
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class _Columns:
    """A row per question. EM and F1 are those of the answer, were it given."""

    confidence: Floats
    em: Floats
    f1: Floats
    is_answerable: Booleans

    @classmethod
    def of(cls, predictions: Sequence[Prediction]) -> _Columns:
        return cls(
            np.array([some.confidence for some in predictions]),
            np.array([best_over(exact_match, some.answer, some.question.golds) for some in predictions]),
            np.array([best_over(f1, some.answer, some.question.golds) for some in predictions]),
            np.array([some.question.is_answerable for some in predictions]),
        )

    def is_right(self, right_from: float) -> Booleans:
        """Return which answers, were they given, are right: none to an unanswerable question is."""
        return self.is_answerable & (self.f1 >= right_from)


def reader_report(
    name: str, predictions: Sequence[Prediction], terms: Terms, *, about: Mapping[str, str | int]
) -> Report:
    """Return what predictions, at least one, are worth."""
    columns = _Columns.of(predictions)
    is_right = columns.is_right(terms.right_from)
    counts = {
        "n_questions": len(predictions),
        "n_answerable": int(np.count_nonzero(columns.is_answerable)),
        "threshold": terms.threshold,
        "best_EM_threshold": best_threshold(columns.em, columns.confidence, columns.is_answerable).threshold,
        "best_F1_threshold": best_threshold(columns.f1, columns.confidence, columns.is_answerable).threshold,
        "right_from": terms.right_from,
        "n_resamples": terms.bootstrap.n_resamples,
        "seed": terms.bootstrap.seed,
    }
    return Report(
        name,
        {**about, **counts},
        {**_answer_measures(columns, terms), **_confidence_measures(columns, is_right, terms)},
        tuple(reliability(columns.confidence, is_right)),
        risk_coverage(columns.confidence, is_right, n_points=_CURVE_POINTS),
        tuple(_verdicts(predictions, columns, terms)),
    )


def service_report(name: str, replies: Sequence[Reply], terms: Terms, *, about: Mapping[str, str | int]) -> Report:
    """Return what the whole service's replies, at least one, are worth."""
    report = reader_report(name, [reply.prediction for reply in replies], terms, about=about)
    quotes = {
        "n_quotes": sum(reply.n_quotes for reply in replies),
        "n_quotes_exact": sum(reply.n_exact for reply in replies),
    }
    of_service = {**_retrieval_measures(replies, terms.bootstrap), **_latency(replies, terms.bootstrap)}
    return replace(report, about={**report.about, **quotes}, measures={**report.measures, **of_service})


def _answer_measures(columns: _Columns, terms: Terms) -> dict[str, Estimate]:
    estimate = terms.bootstrap.estimate
    found: dict[str, Estimate] = {}
    is_answerable = columns.is_answerable
    for name, scores in (("EM", columns.em), ("F1", columns.f1)):
        given = with_silence(scores, columns.confidence, is_answerable, threshold=terms.threshold)
        found[name] = estimate(_mean, given)
        found[f"best_{name}"] = estimate(_best, scores, columns.confidence, is_answerable)
        if is_answerable.any():
            found[f"HasAns_{name}"] = estimate(_mean, given[is_answerable])
            found[f"HasAns_{name}_forced"] = estimate(_mean, scores[is_answerable])
    if not is_answerable.all():
        given = with_silence(columns.em, columns.confidence, is_answerable, threshold=terms.threshold)
        found["NoAns_accuracy"] = estimate(_mean, given[~is_answerable])
    return found


def _confidence_measures(columns: _Columns, is_right: Booleans, terms: Terms) -> dict[str, Estimate]:
    estimate = terms.bootstrap.estimate
    found = {"answered": estimate(_mean, columns.confidence >= terms.threshold)}
    if 0 < np.count_nonzero(columns.is_answerable) < len(is_right):
        found["AUROC"] = estimate(auroc, columns.confidence, columns.is_answerable)
    found["ECE"] = estimate(expected_calibration_error, columns.confidence, is_right)
    found["AURC"] = estimate(aurc, columns.confidence, is_right)
    return found


def _retrieval_measures(replies: Sequence[Reply], bootstrap: Bootstrap) -> dict[str, Estimate]:
    asked = [reply for reply in replies if reply.prediction.question.is_answerable]
    found: dict[str, Estimate] = {}
    for depth in (5, DEPTH) if asked else ():
        for name, ranks in (
            ("answer", [reply.answer_rank for reply in asked]),
            ("evidence", [reply.evidence_rank for reply in asked]),
        ):
            is_found = np.array([rank is not None and rank <= depth for rank in ranks])
            found[f"{name}_R@{depth}"] = bootstrap.estimate(_mean, is_found)
    return found


def _latency(replies: Sequence[Reply], bootstrap: Bootstrap) -> dict[str, Estimate]:
    took_ms = np.array([reply.took_ms for reply in replies])
    return {
        "latency_p50_ms": bootstrap.estimate(lambda some: float(np.percentile(some, 50)), took_ms),
        "latency_p95_ms": bootstrap.estimate(lambda some: float(np.percentile(some, 95)), took_ms),
    }


def _verdicts(predictions: Sequence[Prediction], columns: _Columns, terms: Terms) -> list[Verdict]:
    confidence, is_answerable = columns.confidence, columns.is_answerable
    em = with_silence(columns.em, confidence, is_answerable, threshold=terms.threshold)
    overlap = with_silence(columns.f1, confidence, is_answerable, threshold=terms.threshold)
    return [
        Verdict(
            prediction,
            prediction.confidence >= terms.threshold,
            float(em[n]),
            float(overlap[n]),
            bool(overlap[n] >= terms.right_from),
        )
        for n, prediction in enumerate(predictions)
    ]


def _mean(values: Floats | Booleans) -> float:
    return float(values.mean())


def _best(scores: Floats, confidence: Floats, is_answerable: Booleans) -> float:
    return best_threshold(scores, confidence, is_answerable).value
