"""The golden set of the sample documents, through the real encoder."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from index.records import Span
from qa.composition import open_engine, update_index
from qa.process import prepare_process
from qa.requests import check
from qa.settings import settings_from

pytestmark = pytest.mark.model

ROOT = Path(__file__).parent.parent
GOLDEN = json.loads((ROOT / "tests" / "golden" / "questions.json").read_text(encoding="utf-8"))
QUESTIONS = [
    (article["title"], paragraph["context"], qa)
    for article in GOLDEN["data"]
    for paragraph in article["paragraphs"]
    for qa in paragraph["qas"]
]
ANSWERABLE = [item for item in QUESTIONS if not item[2]["is_impossible"]]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    prepare_process("warning", hub=False)
    settings = settings_from({"documents": ROOT / "documents", "index": tmp_path_factory.mktemp("golden")})
    update_index(settings)
    with closing(open_engine(settings)) as engine:
        yield engine


@pytest.fixture(scope="module")
def responses(engine):
    return {qa["id"]: engine.ask(check(qa["question"], k=5)) for _, _, qa in QUESTIONS}


def gold_spans(engine, doc_id, context, qa):
    """The spans of the gold answers in the document's canonical text."""
    text = engine.document(doc_id).document.text
    assert text.count(context) == 1, f"the context of {qa['id']} is not in {doc_id} exactly once"
    start = text.index(context)
    return [Span(a["answer_start"], a["answer_start"] + len(a["text"])).shifted(start) for a in qa["answers"]]


def test_the_golden_set_is_large_enough():
    assert len(QUESTIONS) >= 60
    assert len(QUESTIONS) - len(ANSWERABLE) >= 10


def test_every_gold_answer_stands_in_the_canonical_text(engine):
    for doc_id, context, qa in ANSWERABLE:
        text = engine.document(doc_id).document.text
        spans = gold_spans(engine, doc_id, context, qa)
        assert [span.of(text) for span in spans] == [answer["text"] for answer in qa["answers"]]


def test_the_right_passage_is_among_the_first_five_for_at_least_95_of_100_questions(engine, responses):
    missed = []
    for doc_id, context, qa in ANSWERABLE:
        golds = gold_spans(engine, doc_id, context, qa)
        is_found = any(
            hit.passage.doc_id == doc_id and hit.passage.span.start <= gold.start and gold.end <= hit.passage.span.end
            for hit in responses[qa["id"]].hits
            for gold in golds
        )
        if not is_found:
            missed.append(qa["id"])
    assert 1 - len(missed) / len(ANSWERABLE) >= 0.95, missed


def test_every_cited_quote_is_exactly_in_its_document(engine, responses):
    n_cited = 0
    for response in responses.values():
        for answer in response.answers:
            assert answer.text == answer.citation.quote
            for place in answer.citations:
                assert place.quote == place.span.of(engine.document(place.doc_id).document.text)
                n_cited += 1
    assert n_cited > len(ANSWERABLE) / 2


def test_the_president_met_the_president_on_7_february(responses):
    first = responses["macron-when"].answers[0]
    assert first.citation.doc_id == "news/macron-in-moscow.md"
    assert first.text in ("7 February 2022", "Monday, 7 February 2022")
