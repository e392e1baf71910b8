import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from index.errors import (
    CitespanError,
    InvalidParameter,
    InvalidText,
    QuestionTooLong,
    UnknownDocument,
    UnknownSpan,
)
from index.records import Span
from qa.feedback import MAX_QUOTE, MAX_TEXT, Judgement, Place, Quoted, Verdict, judge
from tests.standins import build_engine, write_files

TEXT = "# Bridge 😀\n\nThe bridge opened in 1890. It is long.\n"
ANSWER = "The bridge opened in 1890."
START = TEXT.index(ANSWER)
PLACE = Place("bridge.md", START, START + len(ANSWER))
RIGHT = Judgement("When did the bridge open?", Verdict.RIGHT, ANSWER, PLACE, None, "", 1)
WRONG = replace(RIGHT, verdict=Verdict.WRONG)
SILENCE = replace(RIGHT, question="Who painted the bridge?", answer=None, place=None)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    files = {"bridge.md": TEXT, "long.txt": "x" * (MAX_QUOTE + 1), "blank.txt": "a   b"}
    with closing(build_engine(tmp_path_factory.mktemp("feedback"), files)) as engine:
        yield engine


def test_the_quote_is_cut_from_the_document_and_the_entry_says_what_answered(engine):
    before = datetime.now(UTC).replace(microsecond=0)
    entry = judge(engine, RIGHT)
    sha256 = engine.document("bridge.md").document.sha256
    assert entry.place == Quoted("bridge.md", Span(PLACE.start, PLACE.end), ANSWER, sha256)
    assert (entry.reader, entry.encoder, entry.index_version) == ("overlap", "hashing", 1)
    assert before <= datetime.fromisoformat(entry.time) <= datetime.now(UTC)
    assert re.fullmatch(r"[0-9a-f]{16}", entry.entry_id)


def test_an_answer_that_does_not_stand_where_its_citation_says_is_refused(engine):
    with pytest.raises(UnknownSpan, match=r"has 'The bridge opened in 1890\.'.*not 'In 1900'"):
        judge(engine, replace(RIGHT, answer="In 1900"))


def test_an_answer_whose_document_was_changed_since_is_refused(tmp_path):
    with closing(build_engine(tmp_path, {"bridge.md": TEXT})) as engine:
        write_files(tmp_path / "documents", {"bridge.md": TEXT.replace("1890", "1990")})
        engine.update()
        with pytest.raises(UnknownSpan, match="ask again"):
            judge(engine, RIGHT)


def test_a_silence_keeps_the_passage_that_was_read(engine):
    entry = judge(engine, replace(SILENCE, place=PLACE))
    assert (entry.answer, entry.place) == (None, judge(engine, RIGHT).place)


def test_a_silence_without_its_passage_keeps_the_nearest(engine):
    entry = judge(engine, SILENCE)
    assert entry.answer is None
    assert entry.place is not None
    assert entry.place.doc_id == "bridge.md"
    assert entry.place.quote == entry.place.span.of(TEXT)


def test_a_silence_of_an_empty_collection_has_no_passage(tmp_path):
    with closing(build_engine(tmp_path, {})) as engine:
        assert judge(engine, replace(SILENCE, index_version=0)).place is None


def test_what_is_said_is_kept_stripped(engine):
    entry = judge(engine, replace(WRONG, question=" Q? ", corrected=" in 1891\n", comment="  see page 2 "))
    assert (entry.question, entry.corrected, entry.comment) == ("Q?", "in 1891", "see page 2")


def test_the_longest_texts_are_taken(engine):
    entry = judge(engine, replace(WRONG, corrected="é" * MAX_TEXT, comment="😀" * MAX_TEXT))
    assert (entry.corrected, entry.comment) == ("é" * MAX_TEXT, "😀" * MAX_TEXT)


@pytest.mark.parametrize(
    ("judgement", "error"),
    [
        (replace(RIGHT, question="x" * 1001), QuestionTooLong),
        (replace(RIGHT, question="a\0b"), InvalidText),
        (replace(RIGHT, answer="half \ud800"), InvalidText),
        (replace(RIGHT, answer=ANSWER + "\0"), InvalidText),
        (replace(RIGHT, place=None), InvalidParameter),
        (replace(RIGHT, corrected="in 1890"), InvalidParameter),
        (replace(RIGHT, corrected=""), InvalidParameter),
        (replace(RIGHT, comment="x" * (MAX_TEXT + 1)), InvalidParameter),
        (replace(RIGHT, comment="nul \0"), InvalidText),
        (replace(WRONG, corrected="x" * (MAX_TEXT + 1)), InvalidParameter),
        (replace(WRONG, corrected="half \udfff"), InvalidText),
        (replace(SILENCE, verdict=Verdict.WRONG, corrected=""), InvalidParameter),
        (replace(RIGHT, index_version=-1), InvalidParameter),
        (replace(RIGHT, index_version=10**30), InvalidParameter),
        (replace(RIGHT, place=Place("nowhere.md", 0, 1)), UnknownDocument),
        (replace(RIGHT, place=Place("../bridge.md", 0, 1)), UnknownDocument),
        (replace(RIGHT, place=Place("nul\0.md", 0, 1)), InvalidText),
        (replace(RIGHT, place=Place("half \ud800", 0, 1)), InvalidText),
        (replace(RIGHT, place=Place("bridge.md", 0, len(TEXT) + 1)), UnknownSpan),
        (replace(RIGHT, place=Place("bridge.md", 0, 10**30)), UnknownSpan),
        (replace(RIGHT, place=Place("bridge.md", -1, 5)), InvalidParameter),
        (replace(RIGHT, place=Place("bridge.md", 5, 5)), InvalidParameter),
        (replace(RIGHT, place=Place("bridge.md", 6, 5)), InvalidParameter),
        (replace(SILENCE, place=Place("long.txt", 0, MAX_QUOTE + 1)), InvalidParameter),
        (replace(SILENCE, place=Place("blank.txt", 1, 4)), InvalidParameter),
    ],
)
def test_what_cannot_be_true_or_is_too_long_is_refused(engine, judgement, error):
    with pytest.raises(CitespanError) as caught:
        judge(engine, judgement)
    assert type(caught.value) is error
