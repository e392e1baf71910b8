"""Predictions and replies to a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from qa.evaluation.ranking import Values, measure_rankings
from qa.evaluation.runs import DEPTH, Prediction, Reply

TOOK_MS = "took_ms"
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
        verdicts: On the questions whose answers are known.
        values: What a measure is the mean of, where it is one, and milliseconds: by measure, of each question by
            its id.
        queries: Texts of judged queries by their ids.
    """

    name: str
    about: Mapping[str, str | int | float]
    measures: Mapping[str, Estimate]
    reliability: tuple[Bin, ...] = ()
    risk_coverage: RiskCoverage = field(default_factory=lambda: RiskCoverage((), ()))
    verdicts: tuple[Verdict, ...] = ()
    values: Values = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict)


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
    verdicts = tuple(_verdicts(predictions, columns, terms))
    return Report(
        name,
        {**about, **counts},
        {**_answer_measures(columns, terms), **_confidence_measures(columns, is_right, terms)},
        tuple(reliability(columns.confidence, is_right)),
        risk_coverage(columns.confidence, is_right, n_points=_CURVE_POINTS),
        verdicts,
        {
            "EM": {verdict.prediction.question.question_id: verdict.em for verdict in verdicts},
            "F1": {verdict.prediction.question.question_id: verdict.f1 for verdict in verdicts},
        },
    )


def service_report(name: str, replies: Sequence[Reply], terms: Terms, *, about: Mapping[str, str | int]) -> Report:
    """Return what the whole service's replies, at least one, are worth."""
    graded = [reply.prediction for reply in replies if reply.prediction.question.is_graded]
    report = (
        reader_report(name, graded, terms, about=about)
        if graded
        else Report(name, {**about, "n_questions": len(replies)}, {})
    )
    quotes = {
        "n_quotes": sum(reply.n_quotes for reply in replies),
        "n_quotes_exact": sum(reply.n_exact for reply in replies),
    }
    found = _retrieval_values(replies)
    measures = {
        **report.measures,
        **{measure: mean_of(of_questions, terms.bootstrap) for measure, of_questions in found.items()},
        **latency([reply.took_ms for reply in replies], terms.bootstrap),
    }
    took_ms = {reply.prediction.question.question_id: reply.took_ms for reply in replies}
    return replace(
        report,
        about={**report.about, **quotes},
        measures=measures,
        values={**report.values, **found, TOOK_MS: took_ms},
    )


def mean_of(of_questions: Mapping[str, float], bootstrap: Bootstrap) -> Estimate:
    """Return the mean of a measure's values by question."""
    return bootstrap.estimate(_mean, np.array(list(of_questions.values()), dtype=np.float64))


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


def _retrieval_values(replies: Sequence[Reply]) -> Values:
    """Return for each measure of retrieval its values by question, of those it can be measured on."""
    by_id = {reply.prediction.question.question_id: reply for reply in replies}
    ranks = {
        "answer": {one: reply.answer_rank for one, reply in by_id.items() if reply.prediction.question.is_answerable},
        "evidence": {one: reply.evidence_rank for one, reply in by_id.items() if reply.prediction.question.answers},
    }
    found: dict[str, Mapping[str, float]] = {
        f"{name}_R@{depth}": {one: float(rank is not None and rank <= depth) for one, rank in of_questions.items()}
        for depth in (5, DEPTH)
        for name, of_questions in ranks.items()
        if of_questions
    }
    # An unanswerable question's document is only that it was asked of.
    wanted = {
        one: reply.prediction.question.article
        for one, reply in by_id.items()
        if reply.prediction.question.article
        and (reply.prediction.question.is_answerable or not reply.prediction.question.is_graded)
    }
    if wanted:
        rankings = {one: by_id[one].documents for one in wanted}
        found |= measure_rankings(rankings, {one: {document: 1} for one, document in wanted.items()})
    return found


def latency(took_ms: Sequence[float], bootstrap: Bootstrap) -> dict[str, Estimate]:
    """Return percentiles of how long questions took."""
    values = np.array(took_ms)
    return {
        f"latency_p{q}_ms": bootstrap.estimate(lambda some, q=q: float(np.percentile(some, q)), values)
        for q in (50, 95, 99)
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
