import math

import numpy as np
import pytest

from index.records import Passage, Span
from qa.confidence import UNCALIBRATED
from qa.pairs import PairMaker
from qa.readers import embedded_folder
from qa.span_reader import SPANS_PER_PASSAGE, SpanReader, TokenScores


class WordModel:
    """Scores a token by its id: +5 at both ends for chosen words, 0 otherwise."""

    max_tokens = 128

    def __init__(self, maker, *words, null=1.0):
        self.wanted = {maker._plain.token_to_id(word) for word in words}
        self.null = null

    def scores(self, pairs):
        found = []
        for pair in pairs:
            marks = np.array([5.0 * (token in self.wanted) for token in pair.ids[pair.text]], dtype=np.float32)
            found.append(TokenScores(marks, marks, self.null))
        return found


@pytest.fixture(scope="module")
def maker():
    return PairMaker(embedded_folder(), max_tokens=128)


def reader(maker, *words, **options):
    return SpanReader("words", WordModel(maker, *words), maker, calibration=UNCALIBRATED, **options)


def passage(text, number=1, heading=""):
    return Passage(number, f"{number}.txt", f"{number}", "text/plain", Span(0, len(text)), text, heading)


def test_spans_are_characters_of_the_passage(maker):
    text = "  The bridge, opened in 1890, is red."
    (reading,) = reader(maker, "1890").read("When?", [passage(text, heading="Bridges of 1890")])
    assert reading.spans[0].span.of(text) == "1890"
    assert (reading.spans[0].start_score, reading.spans[0].end_score, reading.spans[0].score) == (5.0, 5.0, 10.0)


def test_there_is_a_reading_for_each_passage_in_their_order(maker):
    readings = reader(maker, "red", "blue").read("What?", [passage("It is red."), passage("", 2), passage("Blue.", 3)])
    assert [len(some.spans) > 0 for some in readings] == [True, False, True]
    assert readings[1].total == -math.inf


def test_no_passages_no_readings(maker):
    assert reader(maker, "red").read("What?", []) == []


def test_the_total_counts_every_span_of_the_passage(maker):
    (reading,) = reader(maker, "red").read("What?", [passage("so red it is")])
    # Spans of 4 tokens, of which the second has 5 at both ends.
    scores = [5 * (i == 1) + 5 * (j == 1) for i in range(4) for j in range(i, 4)]
    assert reading.total == pytest.approx(math.log(sum(map(math.exp, scores))))
    assert reading.answerability == pytest.approx(reading.total - 1.0)


def test_no_span_is_longer_than_it_may_be(maker):
    text = "red and so very many other words until blue"
    (reading,) = reader(maker, "red", "blue", max_answer_tokens=3).read("What?", [passage(text)])
    assert {some.span.of(text) for some in reading.spans[:2]} == {"red", "blue"}
    assert all(len(some.span.of(text).split()) <= 3 for some in reading.spans)


def test_an_answer_at_the_end_of_a_long_passage_is_found(maker):
    text = " ".join(["nothing"] * 400) + " but red"
    (reading,) = reader(maker, "red").read("What?", [passage(text)])
    assert reading.spans[0].span == Span(len(text) - 3, len(text))
    assert len(reading.spans) == SPANS_PER_PASSAGE


def test_spans_of_windows_that_overlap_are_given_once(maker):
    text = " ".join(["so"] * 70 + ["red"] + ["so"] * 70)
    (reading,) = reader(maker, "red").read("What?", [passage(text)])
    assert [some.span.of(text) for some in reading.spans].count("red") == 1
    spans = [some.span for some in reading.spans]
    assert not any(a.overlaps(b) for n, a in enumerate(spans) for b in spans[:n])


def test_a_long_passage_answers_as_surely_as_its_surest_window(maker):
    short = "it is red"
    (alone,) = reader(maker, "red").read("What?", [passage(short)])
    (long,) = reader(maker, "red").read("What?", [passage(" ".join(["nothing"] * 400) + " " + short)])
    assert long.answerability > alone.answerability  # the window has further spans besides
    assert long.answerability - alone.answerability < 1.0


def test_what_is_shown_before_a_tables_cell_is_no_answer():
    maker = PairMaker(embedded_folder(), names_cells=True)
    text = "| Boat | Hour | Deposit |\n|---|---|---|\n| Canoe | £14 | £40 |"
    (reading,) = reader(maker, "deposit").read("What?", [passage(text)])
    assert reading.spans[0].span == Span(text.index("Deposit"), text.index("Deposit") + len("Deposit"))
    assert all(len(some.span) for some in reading.spans)
    # In a window that begins with a name, too.
    row = "| A name of some forty characters, no less | 1 | 2 |\n"
    (long,) = reader(maker, "deposit").read("What?", [passage(text[: text.index("| Canoe")] + row * 20)])
    assert long.spans[0].span == reading.spans[0].span
    assert math.isfinite(long.total)
