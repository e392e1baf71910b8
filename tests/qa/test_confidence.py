import json
import math

import pytest

from index.errors import InvalidParameter, ReaderDamaged
from qa.confidence import UNCALIBRATED, Calibration, Evidence, Risk, load_calibration, logistic

CALIBRATION = Calibration(
    {"answerability": 0.5, "log_share": 2.0, "dense": 1.0}, -0.25, 0.4, (Risk(0.05, 0.8), Risk(0.2, 0.5))
)


def test_confidence_is_worked_out_by_hand():
    evidence = Evidence(answerability=3.0, share=0.5, dense_rank=2, lexical_rank=None)
    logit = -0.25 + 0.5 * 3.0 + 2.0 * math.log(0.5) + 1.0 * 0.5
    assert CALIBRATION.confidence(evidence) == pytest.approx(1 / (1 + math.exp(-logit)))


def test_a_retriever_that_did_not_find_the_passage_counts_nothing():
    features = Evidence(0.0, 1.0, None, 4).features()
    assert (features["dense"], features["lexical"]) == (0.0, 0.25)


def test_a_share_of_nothing_is_small_and_not_infinite():
    assert math.isfinite(Evidence(0.0, 0.0, 1, 1).features()["log_share"])


@pytest.mark.parametrize(("logit", "probability"), [(0, 0.5), (2, 1 / (1 + math.exp(-2))), (-1e9, 0), (1e9, 1)])
def test_the_logistic_function_does_not_overflow(logit, probability):
    assert logistic(logit) == pytest.approx(probability)


@pytest.mark.parametrize(("max_risk", "threshold"), [(0.05, 0.8), (0.1, 0.8), (0.2, 0.5), (1.0, 0.5)])
def test_a_risk_is_met_by_the_threshold_of_the_next_smaller_measured_one(max_risk, threshold):
    assert CALIBRATION.threshold_for(max_risk) == threshold


def test_a_risk_below_the_least_measured_one_is_refused_and_not_rounded():
    with pytest.raises(InvalidParameter, match=r"0\.05"):
        CALIBRATION.threshold_for(0.01)


def test_a_reader_that_was_never_measured_promises_no_risk():
    with pytest.raises(InvalidParameter, match="min_confidence"):
        UNCALIBRATED.threshold_for(0.5)


def test_an_uncalibrated_reader_is_taken_at_its_word():
    assert UNCALIBRATED.confidence(Evidence(0.0, 1.0, None, None)) == 0.5


def stored(**changes):
    return {
        "weights": {"answerability": 1.0},
        "intercept": 0.0,
        "min_confidence": 0.5,
        "risks": [{"max_risk": 0.1, "min_confidence": 0.7}],
    } | changes


def test_what_is_stored_is_loaded(tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(stored()), encoding="utf-8")
    assert load_calibration(path) == Calibration({"answerability": 1.0}, 0.0, 0.5, (Risk(0.1, 0.7),))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        json.dumps({"weights": {}}),
        json.dumps(stored(weights={"shoe_size": 1.0})),
        json.dumps(stored(weights=[1.0])),
        json.dumps(stored(weights={"answerability": math.nan})),
        json.dumps(stored(intercept=math.inf)),
        json.dumps(stored(min_confidence=7)),
        json.dumps(stored(min_confidence=math.nan)),
        json.dumps(stored(intercept=10**400)),
        "[" * 100_000,
        json.dumps(stored(risks=[{"max_risk": math.nan, "min_confidence": 0.5}])),
        json.dumps(stored(risks=[{"max_risk": 0.1, "min_confidence": 0.5}, {"max_risk": 0.2, "min_confidence": 0.6}])),
        json.dumps(stored(risks=[{"max_risk": 0.1}])),
        json.dumps(stored(risks=[{"max_risk": 0.1, "min_confidence": 0.7}, {"max_risk": 0.05, "min_confidence": 0.8}])),
    ],
)
def test_a_file_that_is_no_calibration_is_a_named_error(tmp_path, content):
    path = tmp_path / "calibration.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ReaderDamaged, match="calibration"):
        load_calibration(path)


def test_a_missing_calibration_is_a_named_error(tmp_path):
    with pytest.raises(ReaderDamaged):
        load_calibration(tmp_path / "calibration.json")
