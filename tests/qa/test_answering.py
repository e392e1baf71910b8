import math

import pytest

from index.errors import DamagedIndex
from index.records import Document, Heading, Hit, Passage, Span
from qa.answering import MAX_ANSWERS, find_answers
from qa.citations import cite
from qa.confidence import Calibration
from qa.reader import Reading, ScoredSpan

TEXT = "0123456789" * 5


class FixedReader:
    """A reader whose readings are given."""

    calibration = Calibration(slope=1, intercept=0, min_confidence=0.5)

    def __init__(self, *readings):
        self.readings = list(readings)

    def read(self, question, passages):
        return self.readings


def hit(rank, start, end, doc_id="a.txt"):
    return Hit(Passage(rank, doc_id, "", "", Span(start, end), TEXT[start:end], ""), rank, 1.0, rank, None)


def reading(*spans, no_answer=0.0):
    return Reading(tuple(ScoredSpan(Span(start, end), score) for start, end, score in spans), no_answer)


def test_answers_come_best_first_in_the_documents_coordinates():
    hits = [hit(1, 0, 10), hit(2, 20, 40)]
    found = find_answers("q", hits, FixedReader(reading((0, 4, 1.0)), reading((5, 8, 2.0))), min_confidence=0.1)
    assert [(answer.span, answer.hit.rank) for answer in found] == [(Span(25, 28), 2), (Span(0, 4), 1)]


def test_what_is_less_sure_than_the_threshold_is_not_said():
    reader = FixedReader(reading((0, 4, -0.1)))
    assert find_answers("q", [hit(1, 0, 10)], reader) == []
    assert len(find_answers("q", [hit(1, 0, 10)], reader, min_confidence=0.4)) == 1


def test_further_answers_are_less_sure_as_the_softmax_says_and_leave_room_for_the_best():
    reader = FixedReader(reading((0, 2, 0.5), (3, 5, 0.4), (6, 8, -1.5)))
    found = find_answers("q", [hit(1, 0, 10)], reader, min_confidence=0)
    best = 1 / (1 + math.exp(-0.5))
    assert best / math.exp(0.1) > 1 - best
    assert [answer.confidence for answer in found] == pytest.approx([best, 1 - best, best / math.exp(2)])


def test_the_margin_over_no_answer_counts_and_not_the_score_alone():
    assert find_answers("q", [hit(1, 0, 10)], FixedReader(reading((0, 4, 5.0), no_answer=6.0))) == []


def test_the_same_sentence_read_in_two_overlapping_passages_is_one_answer():
    hits = [hit(1, 0, 20), hit(2, 10, 30)]
    found = find_answers("q", hits, FixedReader(reading((12, 18, 1.0)), reading((2, 8, 1.0))))
    assert [(answer.span, answer.hit.rank) for answer in found] == [(Span(12, 18), 1)]


def test_overlapping_spans_of_different_documents_are_different_answers():
    reader = FixedReader(reading((0, 5, 1.0)), reading((0, 4, 1.0)))
    assert len(find_answers("q", [hit(1, 0, 20), hit(2, 0, 20, "b.txt")], reader, min_confidence=0)) == 2


def test_the_same_text_of_two_documents_is_one_answer_and_as_sure_as_one():
    alone = find_answers("q", [hit(1, 0, 20)], FixedReader(reading((0, 5, 1.0))))
    reader = FixedReader(reading((0, 5, 1.0)), reading((0, 5, 1.0)))
    assert find_answers("q", [hit(1, 0, 20), hit(2, 0, 20, "b.txt")], reader, min_confidence=0) == alone


def test_there_are_no_more_answers_than_a_person_looks_at():
    spans = [(n, n + 1, 1.0) for n in range(10)]
    assert len(find_answers("q", [hit(1, 0, 10)], FixedReader(reading(*spans)), min_confidence=0)) == MAX_ANSWERS


def test_nothing_read_is_nothing_said():
    assert find_answers("q", [], FixedReader()) == []


def test_a_citation_quotes_the_document_and_says_where():
    text = "Intro.\n\n# Size\n\nIt is big."
    document = Document("a.md", "A", text, "f" * 64, "text/markdown", (Heading(8, 1, "Size"),))
    span = Span(16, 26)
    citation = cite(document, span, passage=Passage(1, "a.md", "A", "", Span(8, 26), text[8:26], "Size"))
    assert (citation.quote, citation.heading, citation.line, citation.span) == ("It is big.", "Size", 5, span)


def test_a_passage_that_differs_from_its_document_is_never_cited():
    document = Document("a.md", "A", "It is small.", "", "")
    with pytest.raises(DamagedIndex, match="passage 1 differs"):
        cite(document, Span(0, 5), passage=Passage(1, "a.md", "A", "", Span(0, 10), "It was big", ""))
