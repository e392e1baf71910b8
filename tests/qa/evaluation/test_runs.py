import math
from contextlib import closing
from dataclasses import replace

import pytest

from index.errors import UnknownDocument
from index.passages import context_of
from index.records import Span
from qa.confidence import Calibration
from qa.evaluation.datasets import on_documents, read_squad
from qa.evaluation.runs import ask_engine, ask_reader, is_exact
from qa.reader import Reading, ScoredSpan
from qa.requests import check
from tests.qa.evaluation.squad import BRIDGE, TOWER, articles, write_squad
from tests.standins import build_engine


class FixedReader:
    """A reader that finds the same spans in every passage, and keeps what it was given."""

    name = "fixed"
    calibration = Calibration({"answerability": 1.0}, 0.0, 0.9)

    def __init__(self, *spans):
        self.spans = tuple(ScoredSpan(Span(start, end), score, 0.0) for start, end, score in spans)
        self.seen = []

    def read(self, question, passages):
        self.seen += passages
        total = max((span.score for span in self.spans), default=-math.inf)
        return [Reading(self.spans, total, no_answer=0.0) for _ in passages]


@pytest.fixture
def questions(tmp_path):
    return {q.question_id: q for q in on_documents(read_squad(write_squad(tmp_path / "q.json", articles())))}


@pytest.fixture
def engine(tmp_path):
    documents = {
        "Big_Bridge.md": "# Big Bridge\n\n" + BRIDGE.replace("\n", "\n\n"),
        "Tower.md": f"# Tower\n\n{TOWER}",
        "other.md": "# Other\n\nIn 1890 it rained. The rain was of steel.",
    }
    with closing(build_engine(tmp_path / "collection", documents)) as engine:
        yield engine


def test_the_reader_is_given_the_questions_own_paragraph_and_nothing_over_it(questions):
    reader = FixedReader((21, 25, 0.0))
    ask_reader(reader, replace(questions["when"], article="Big_Bridge"))
    (passage,) = reader.seen
    assert (passage.text, passage.span) == (BRIDGE, Span(0, len(BRIDGE)))
    assert context_of(passage.doc_id, passage.title, passage.heading) == ""


def test_the_best_answer_counts_however_unsure(questions):
    found = ask_reader(FixedReader((0, 3, -2.0), (21, 25, -1.0)), questions["when"])
    assert found.answer == "1890"
    assert 0 < found.confidence < FixedReader.calibration.min_confidence


def test_where_nothing_is_found_the_answer_is_empty_and_its_confidence_zero(questions):
    found = ask_reader(FixedReader(), questions["when"])
    assert (found.answer, found.confidence) == ("", 0)


def test_the_first_passage_with_a_gold_answers_words_and_the_first_with_the_answer_itself_are_told_apart(
    engine, questions
):
    reply = ask_engine(engine, replace(questions["when"], text="rain of other 1890"), k=5)
    hits = engine.search(check("rain of other 1890", k=20)).hits
    assert hits[0].passage.doc_id == "other.md"
    assert reply.answer_rank == 1
    (own,) = (hit.rank for hit in hits if hit.passage.doc_id == "Big_Bridge.md")
    assert reply.evidence_rank == own > 1


def test_an_unanswerable_question_has_no_passage_that_would_be_right(engine, questions):
    reply = ask_engine(engine, questions["who"], k=5)
    assert (reply.answer_rank, reply.evidence_rank) == (None, None)


def test_every_quote_is_counted_and_compared_with_its_document(engine, questions):
    reply = ask_engine(engine, questions["when"], k=5)
    assert reply.n_quotes == reply.n_exact > 0
    assert reply.prediction.answer == "The bridge opened in 1890."
    assert reply.took_ms > 0


def test_a_quote_that_differs_from_its_document_is_not_exact(engine, questions):
    citation = engine.ask(check(questions["when"].text, k=5)).answers[0].citation
    assert is_exact(engine, citation)
    assert not is_exact(engine, replace(citation, span=citation.span.shifted(1)))
    assert not is_exact(engine, replace(citation, span=Span(10_000, 10_026)))


def test_a_question_on_a_document_that_is_not_there_is_an_error(engine, questions):
    with pytest.raises(UnknownDocument):
        ask_engine(engine, replace(questions["when"], article="castle.md"), k=5)
