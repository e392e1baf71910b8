import numpy as np
import pytest

from training.sentence_reader import (
    Outcomes,
    Question,
    Read,
    choose_articles,
    expected_calibration_error,
    fit_calibration,
    fit_weights,
    is_right_sentence,
    outcomes,
)


def read(features, right, answers=("x",)):
    return Read(Question("q", "", "", answers), np.array(features, float), np.array(right, bool))


def test_the_calibration_error_is_the_weighted_gap_worked_out_by_hand():
    confidence = np.array([0.95, 0.85, 0.85, 0.15])
    is_right = np.array([True, True, False, False])
    # Bins: one of 0.95 that is right, two of 0.85 of which half are, one of 0.15 that is wrong.
    expected = (1 * 0.05 + 2 * 0.35 + 1 * 0.15) / 4
    assert expected_calibration_error(confidence, is_right, np.ones(4)) == pytest.approx(expected)


def test_a_confidence_of_one_falls_into_the_last_bin():
    assert expected_calibration_error(np.array([1.0]), np.array([True]), np.ones(1)) == 0


def test_the_feature_that_tells_right_sentences_gets_the_weight():
    rng = np.random.default_rng(0)
    reads = []
    for _ in range(60):
        features = rng.normal(size=(8, 2))
        right = int(np.argmax(features[:, 1] + 0.3 * rng.normal(size=8)))
        reads.append(read(features, [n == right for n in range(8)]))
    weights = fit_weights(reads)
    assert weights.overlap > 2
    assert abs(weights.similarity) < weights.overlap / 4


def test_outcomes_are_those_of_the_best_sentence_and_both_kinds_weigh_the_same():
    reads = [
        read([[0, 1], [1, 0]], [False, True]),
        read([[0, 3], [1, 0]], [False, True]),
        read([[1, 1]], [False], answers=()),
    ]
    found = outcomes(reads, fit_weights(reads[:1]))
    assert found.is_answerable.tolist() == [True, True, False]
    assert found.weights == pytest.approx([0.25, 0.25, 0.5])


def test_accuracy_counts_right_sentences_and_right_silence():
    found = Outcomes(np.zeros(4), np.array([1, 0, 0, 0], bool), np.array([1, 1, 0, 0], bool), np.full(4, 0.25))
    assert found.accuracy(np.array([0.9, 0.9, 0.1, 0.9]), 0.5) == 0.5
    assert found.accuracy(np.array([0.9, 0.1, 0.1, 0.1]), 0.5) == 0.75


def test_the_threshold_parts_what_can_be_parted():
    scores = np.concatenate([np.linspace(2, 3, 50), np.linspace(0, 1, 50)])
    is_right = np.arange(100) < 50
    calibration = fit_calibration(Outcomes(scores, is_right, is_right, np.full(100, 0.01)))
    assert calibration.confidence(1.0) < calibration.min_confidence <= calibration.confidence(2.0)


def test_a_sentence_is_right_in_its_own_paragraph_only():
    question = Question("q", "", "The bridge opened in 1890. It is long.", ("1890",))
    assert is_right_sentence("The bridge opened in 1890.", question)
    assert not is_right_sentence("It is long.", question)
    assert not is_right_sentence("The tower opened in 1890.", question)


def test_articles_that_would_answer_are_not_among_the_others():
    articles = {"A": ["a1", "a2"], "B": ["b1"], "C": ["c1"], "D": ["d1"]}
    assert choose_articles(articles, wanted={"a1"}, unwanted={"b1"}, n_others=1) == {"A": ["a1", "a2"], "C": ["c1"]}
