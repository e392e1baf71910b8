import json

import pytest

from index.records import Span
from qa.evaluation.bootstrap import Bootstrap
from qa.evaluation.datasets import Question
from qa.evaluation.report import report_json
from qa.evaluation.runs import Prediction, Reply
from qa.evaluation.summary import Terms, reader_report, service_report

TERMS = Terms(threshold=0.5, right_from=1.0, bootstrap=Bootstrap(50))


def asked(gold, answer, confidence):
    """A prediction for a question whose paragraph is its gold answer."""
    spans = (Span(0, len(gold)),) if gold else ()
    return Prediction(Question(f"{gold}-{answer}-{confidence}", "?", "a", gold, spans), answer, confidence)


PREDICTIONS = [
    asked("in 1890", "In 1890.", 0.9),
    asked("the red bridge", "red tower", 0.8),
    asked("steel", "steel", 0.2),
    asked("", "iron", 0.6),
    asked("", "iron", 0.1),
]


def values(report):
    return {name: estimate.value for name, estimate in report.measures.items()}


def test_every_measure_is_worked_out_by_hand():
    found = values(reader_report("reader", PREDICTIONS, TERMS, about={}))
    # EM: right, wrong, held back, answered where silence was right, silent where it was right.
    # F1 of "red tower" and "red bridge" (its article goes): 1/2.
    expected = {
        "EM": (1 + 0 + 0 + 0 + 1) / 5,
        "best_EM": 3 / 5,  # from 0.9 on: 1, and both silences
        "HasAns_EM": 1 / 3,
        "HasAns_EM_forced": 2 / 3,
        "F1": (1 + 0.5 + 0 + 0 + 1) / 5,
        "best_F1": 3.5 / 5,  # from 0.8 on: 1 + 0.5, and both silences
        "HasAns_F1": 1.5 / 3,
        "HasAns_F1_forced": 2.5 / 3,
        "NoAns_accuracy": 1 / 2,
        "answered": 3 / 5,
        "AUROC": (2 + 2 + 1) / 6,  # 0.9, 0.8 and 0.2 each against 0.6 and 0.1
        # Each in a bin of its own: right ones at 0.9 and 0.2 alone.
        "ECE": (0.1 + 0.8 + 0.8 + 0.6 + 0.1) / 5,
        "AURC": (0 + 1 / 2 + 2 / 3 + 2 / 4 + 3 / 5) / 5,
    }
    assert found == pytest.approx(expected)


def test_the_counts_and_the_best_thresholds_are_told():
    about = reader_report("reader", PREDICTIONS, TERMS, about={"questions": "q.json"}).about
    assert next(iter(about)) == "questions"
    assert (about["n_questions"], about["n_answerable"], about["threshold"]) == (5, 3, 0.5)
    assert (about["best_EM_threshold"], about["best_F1_threshold"]) == (0.9, 0.8)


def test_an_answer_may_count_as_right_from_a_lower_f1_on():
    report = reader_report("reader", PREDICTIONS, Terms(0.5, 0.5, Bootstrap(50)), about={})
    assert [verdict.is_right for verdict in report.verdicts] == [True, True, False, False, True]
    strict = reader_report("reader", PREDICTIONS, TERMS, about={})
    assert [verdict.is_right for verdict in strict.verdicts] == [True, False, False, False, True]


def test_silence_where_nothing_was_found_is_never_a_right_answer():
    report = reader_report("reader", [asked("", "", 0.0)], TERMS, about={})
    assert values(report)["AURC"] == 1
    assert values(report)["NoAns_accuracy"] == 1


def test_measures_of_questions_that_there_are_none_of_are_left_out():
    of_answerable = values(reader_report("reader", PREDICTIONS[:3], TERMS, about={}))
    assert not {"NoAns_accuracy", "AUROC"} & of_answerable.keys()
    of_unanswerable = values(reader_report("reader", PREDICTIONS[3:], TERMS, about={}))
    assert not {"HasAns_EM", "HasAns_F1_forced", "AUROC"} & of_unanswerable.keys()


def test_recall_is_over_answerable_questions_and_latency_over_all():
    replies = [
        Reply(
            prediction, n_quotes=2, n_exact=n_exact, answer_rank=rank, evidence_rank=evidence, documents=(), took_ms=ms
        )
        for prediction, n_exact, rank, evidence, ms in zip(
            PREDICTIONS,
            (2, 2, 1, 2, 2),
            (1, 6, 5, None, None),
            (1, 21, None, None, None),
            (10.0, 20.0, 30.0, 40.0, 50.0),
            strict=True,
        )
    ]
    report = service_report("open", replies, TERMS, about={})
    found = values(report)
    assert found["answer_R@5"] == pytest.approx(2 / 3)
    assert found["answer_R@20"] == 1
    assert found["evidence_R@5"] == found["evidence_R@20"] == pytest.approx(1 / 3)
    # Percentiles between two questions are interpolated: 0.95 of the way over four gaps of 10 ms is 38.
    assert (found["latency_p50_ms"], found["latency_p95_ms"]) == pytest.approx((30, 10 + 38))
    assert (report.about["n_quotes"], report.about["n_quotes_exact"]) == (10, 9)
    assert report.measures["answer_R@5"].n == 3
    assert report.measures["latency_p50_ms"].n == 5


def test_the_json_has_every_question_and_is_json():
    report = reader_report("reader", PREDICTIONS, TERMS, about={"questions": "q.json"})
    body = json.loads(json.dumps(report_json(report), allow_nan=False))
    assert list(body) == ["name", "about", "measures", "reliability", "risk_coverage", "questions", "values"]
    assert list(body["measures"]["EM"]) == ["value", "low", "high", "n"]
    assert body["questions"][1] == {
        "id": "the red bridge-red tower-0.8",
        "question": "?",
        "golds": ["the red bridge"],
        "answer": "red tower",
        "confidence": 0.8,
        "is_answered": True,
        "em": 0.0,
        "f1": 0.5,
        "is_right": False,
    }
