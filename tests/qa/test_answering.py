import math

import pytest

from index.records import Hit, Passage, Span
from qa.answering import MAX_ANSWERS, find_candidates
from qa.confidence import Calibration
from qa.reader import Reading, ScoredSpan

TEXT = "Paris, or paris! In 1890 the bridge opened; some say 1891. Rome."


class FixedReader:
    """A reader whose readings are given."""

    name = "fixed"
    calibration = Calibration({"answerability": 1.0}, 0.0, 0.5)

    def __init__(self, *readings):
        self.readings = list(readings)

    def read(self, question, passages):
        return self.readings


def hit(rank, doc_id="a.txt", start=0, text=TEXT, score=1.0):
    span = Span(start, start + len(text))
    return Hit(Passage(rank, doc_id, "", "", span, text, ""), rank, score, rank, None)


def reading(*spans, no_answer=0.0):
    """(words, score) each, the words as they first stand in `TEXT`."""
    found = [ScoredSpan(Span(TEXT.index(w), TEXT.index(w) + len(w)), score - 1.0, 1.0) for w, score in spans]
    total = math.log(sum(math.exp(score) for _, score in spans)) if spans else -math.inf
    return Reading(tuple(found), total, no_answer)


def texts(candidates):
    return [candidate.text for candidate in candidates]


def test_candidates_come_best_first_in_document_coordinates():
    hits = [hit(1), hit(2, start=1000)]
    found = find_candidates("q", hits, FixedReader(reading(("1890", 1.0)), reading(("1891", 2.0))))
    assert texts(found) == ["1891", "1890"]
    assert found[0].places[0].span == Span(TEXT.index("1891"), TEXT.index("1891") + 4).shifted(1000)


def test_shares_are_of_one_softmax_over_all_passages():
    found = find_candidates("q", [hit(1), hit(2, "b.txt")], FixedReader(reading(("1890", 1.0)), reading(("1891", 2.0))))
    whole = math.exp(1) + math.exp(2)
    assert [c.evidence.share for c in found] == pytest.approx([math.exp(2) / whole, math.exp(1) / whole])


def test_a_passage_that_retrieval_is_surer_of_weighs_more():
    hits = [hit(1, score=1.5), hit(2, "b.txt", score=0.5)]
    found = find_candidates("q", hits, FixedReader(reading(("1890", 1.0)), reading(("1891", 2.0))))
    assert texts(found) == ["1890", "1891"]
    whole = math.exp(1 + 1.5) + math.exp(2 + 0.5)
    assert found[1].evidence.share == pytest.approx(math.exp(2 + 0.5) / whole)


def test_the_best_confidence_is_the_calibrated_one_of_its_passage():
    found = find_candidates("q", [hit(1)], FixedReader(reading(("1890", 2.0), no_answer=0.5)))
    assert found[0].confidence == pytest.approx(1 / (1 + math.exp(-1.5)))


def test_another_answer_is_less_sure_by_its_share_and_by_what_the_best_leaves_room_for():
    found = find_candidates("q", [hit(1)], FixedReader(reading(("1890", 2.0), ("1891", 1.0), no_answer=2.0)))
    best, other = (candidate.confidence for candidate in found)
    assert other == pytest.approx(min(best / math.e, 1 - best))
    sure = find_candidates("q", [hit(1)], FixedReader(reading(("1890", 2.0), ("1891", 1.9), no_answer=-5.0)))
    assert sum(candidate.confidence for candidate in sure) == pytest.approx(1)


def test_the_same_words_at_several_places_are_one_answer_with_all_places_best_first():
    hits = [hit(1), hit(2, "b.txt"), hit(3, "c.txt")]
    readings = reading(("Paris", 1.0)), reading(("paris", 1.6), ("Rome", 2.0)), reading(("1890", 0.0))
    found = find_candidates("q", hits, FixedReader(*readings))
    assert texts(found) == ["paris", "Rome", "1890"]
    assert [(p.hit.passage.doc_id, p.text) for p in found[0].places] == [("b.txt", "paris"), ("a.txt", "Paris")]
    assert found[0].evidence.share == pytest.approx(sum(place.share for place in found[0].places))


def test_a_span_that_stands_in_two_passages_has_the_share_of_both():
    text = TEXT[TEXT.index("1890") :]
    hits = [hit(1), hit(2, start=TEXT.index("1890"), text=text)]
    second = Reading((ScoredSpan(Span(0, 4), 0.0, 0.5),), 0.5, 0.0)
    found = find_candidates("q", hits, FixedReader(reading(("1890", 1.0), ("Rome", 1.4)), second))
    whole = math.exp(1) + math.exp(1.4) + math.exp(0.5)
    assert texts(found) == ["1890", "Rome"]
    assert found[0].evidence.share == pytest.approx((math.exp(1) + math.exp(0.5)) / whole)
    assert [place.hit.rank for place in found[0].places] == [1]


def test_of_spans_of_a_document_that_overlap_the_best_is_taken():
    overlapping = [hit(1), hit(2), hit(3, "b.txt")]
    readings = reading(("1890 the bridge", 1.0)), reading(("the bridge opened", 2.0)), reading(("the bridge", 0.0))
    found = find_candidates("q", overlapping, FixedReader(*readings))
    assert texts(found) == ["the bridge opened", "the bridge"]


def test_marks_without_words_are_told_apart():
    text = "!! and ??"
    spans = (ScoredSpan(Span(0, 2), 1.0, 0.0), ScoredSpan(Span(7, 9), 0.5, 0.0))
    found = find_candidates("q", [hit(1, text=text)], FixedReader(Reading(spans, 2.0, 0.0)))
    assert texts(found) == ["!!", "??"]


def test_ties_keep_the_order_of_the_hits():
    found = find_candidates("q", [hit(1), hit(2, "b.txt")], FixedReader(reading(("1891", 1.0)), reading(("1890", 1.0))))
    assert texts(found) == ["1891", "1890"]


def test_there_are_at_most_so_many_candidates():
    words = ("Paris", "1890", "bridge", "1891", "Rome")
    assert len(find_candidates("q", [hit(1)], FixedReader(reading(*((w, 1.0) for w in words))))) == MAX_ANSWERS < 5


def test_no_hits_or_no_spans_no_candidates():
    assert find_candidates("q", [], FixedReader()) == []
    assert find_candidates("q", [hit(1)], FixedReader(reading())) == []


@pytest.mark.parametrize(("one", "other"), [("C++", "C#"), ("-5 °C", "5 °C"), ("$5", "5 %"), ("1.5", "15")])
def test_marks_that_mean_something_keep_answers_apart(one, other):
    text = f"{one} and {other}"
    spans = (
        ScoredSpan(Span(0, len(one)), 1.0, 0.0),
        ScoredSpan(Span(len(text) - len(other), len(text)), 0.5, 0.0),
    )
    assert texts(find_candidates("q", [hit(1, text=text)], FixedReader(Reading(spans, 2.0, 0.0)))) == [one, other]


def test_all_confidences_together_are_no_more_than_certainty():
    spans = (("1890", 2.0), ("1891", 1.9), ("Rome", 1.9))
    found = find_candidates("q", [hit(1)], FixedReader(reading(*spans, no_answer=2.8)))
    assert len(found) == 3
    assert sum(candidate.confidence for candidate in found) <= 1 + 1e-9
