import math

import numpy as np
import pytest

from index.records import Passage, Span
from qa.confidence import Calibration
from qa.reader import SentenceReader, SentenceWeights, answer_spans, open_sentence_reader, word_overlap
from tests.standins import HashingEncoder


def passage(text, heading="", title="T"):
    return Passage(1, "a.txt", title, "text/plain", Span(0, len(text)), text, heading)


@pytest.fixture
def reader():
    return SentenceReader(
        HashingEncoder(), weights=SentenceWeights(similarity=1, overlap=1), calibration=Calibration(1, 0, 0.5)
    )


def test_the_best_span_is_the_sentence_that_is_nearest_to_the_question(reader):
    text = "Iron is heavy. The bridge opened in 1890. Cats sleep."
    (reading,) = reader.read("When was the bridge opened?", [passage(text)])
    assert reading.spans[0].span.of(text) == "The bridge opened in 1890."
    assert [scored.score for scored in reading.spans] == sorted((s.score for s in reading.spans), reverse=True)


def test_there_is_a_reading_for_every_passage_in_their_order(reader):
    readings = reader.read("bridge?", [passage("The bridge."), passage("# H", heading="H"), passage("A cat. A dog.")])
    assert [len(reading.spans) for reading in readings] == [1, 0, 2]


def test_no_passages_no_readings(reader):
    assert reader.read("bridge?", []) == []


@pytest.mark.parametrize(
    "text",
    [
        "# The *Bridge*\n\nIt opened.",
        "The Bridge\n==========\n\nIt opened.",
        "## Size of it\n\nIt opened.",
        "---\ntitle: Night safety\nauthor: me\n---\n\nIt opened.",
        "|---|---|\n\nIt opened.",
        "* * *\n\nIt opened.",
    ],
)
def test_headings_marks_and_front_matter_are_no_answers(text):
    found = answer_spans(passage(text, heading="The Bridge › Size of it", title="Bridges"))
    assert [span.of(text) for span in found] == ["It opened."]


def test_word_overlap_is_the_rarity_weighted_share_of_content_words_worked_out_by_hand():
    sentences = ["the bridge opened", "cat opening", "the dog"]
    found = word_overlap("When was the bridge opened?", sentences, ["", "bridges", ""])
    rarity = {"bridge": math.log(1 + 3 / 2), "open": math.log(1 + 3 / 3)}
    whole = sum(rarity.values())
    assert found == pytest.approx([1.0, (rarity["open"] + rarity["bridge"] / 2) / whole, 0.0])


def test_an_irregular_past_is_the_verb():
    found = word_overlap("When did they meet and build it?", ["They met and built it.", "A meeting."], ["", ""])
    assert found[0] == 1
    assert 0 < found[1] < 1


def test_a_question_without_words_overlaps_with_nothing():
    assert np.array_equal(word_overlap("?!", ["a b", "c"], ["", ""]), [0.0, 0.0])


def test_sentences_that_were_read_before_are_not_encoded_again(reader):
    encoder = reader._encoder
    reader.read("bridge?", [passage("One bridge. Two bridges.")])
    encoder.encoded.clear()
    reader.read("bridges?", [passage("Two bridges. Three bridges.")])
    assert encoder.encoded == ["T\nThree bridges."]


def test_the_shipped_weights_were_fitted_and_say_how():
    reader = open_sentence_reader(HashingEncoder())
    assert 0 < reader.calibration.min_confidence < 1
    assert reader.calibration.slope > 0


def test_confidence_is_the_logistic_function_and_does_not_overflow():
    calibration = Calibration(slope=2, intercept=-1, min_confidence=0.5)
    assert calibration.confidence(0.5) == 0.5
    assert calibration.confidence(1.5) == pytest.approx(1 / (1 + math.exp(-2)))
    assert calibration.confidence(-1e9) == 0
    assert calibration.confidence(1e9) == 1
