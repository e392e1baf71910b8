import lzma

import click
import pytest

from training.examples import Example, TrainingPassage
from training.kept import KEPT, read_kept, with_verdicts, write_kept, written

PASSAGE = TrainingPassage('The bridge opened in 1890, "they" say.', "Bridges")
OTHER = TrainingPassage("Another text.")
SPANS = ((21, 25), (4, 10))


def judged(question, source, answered, *, spans=(), passage=PASSAGE):
    return Example(question, (TrainingPassage(passage.text, passage.context, spans, answered=answered),), source)


WRITTEN = [judged("When, exactly?", "squad1/written", 0.9, spans=SPANS), judged("Who, “Ünï”?", "squad1/trap", 0.1)]
ALTERED = judged("When did it not open?", "wiki/altered", 0.25)


@pytest.fixture
def kept(tmp_path):
    assert write_kept([*WRITTEN, ALTERED, Example("When?", (PASSAGE,), "wiki")], tmp_path / "kept") == 3
    return read_kept(tmp_path / "kept")


def test_written_questions_come_back_with_their_passages(kept):
    found = written([OTHER, PASSAGE], kept)
    assert sorted(found, key=lambda some: some.question) == WRITTEN
    assert written([OTHER], kept) == []


def test_verdicts_come_back_to_the_questions_that_they_are_on(kept):
    by_people = Example("When?", (PASSAGE,), "wiki")
    unknown = Example("When did it close?", (PASSAGE,), "wiki/altered")
    fresh = Example(ALTERED.question, (PASSAGE,), "wiki/altered")
    elsewhere = Example(ALTERED.question, (OTHER,), "wiki/altered")
    found = with_verdicts([by_people, fresh, unknown, elsewhere], kept)
    assert found == [by_people, ALTERED, unknown, elsewhere]


def test_texts_of_data_sets_are_not_kept(kept):
    assert not any(PASSAGE.text in value or ALTERED.question in value for row in kept for value in row.values())


@pytest.mark.parametrize("content", [b"no xz", lzma.compress(b"a,b\n1,2\n"), lzma.compress(b"source")[:-9]])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "kept").write_bytes(content)
    with pytest.raises(click.ClickException, match="kept"):
        read_kept(tmp_path / "kept")


def test_what_is_kept_in_the_repository_can_be_read():
    rows = read_kept(KEPT)
    assert len(rows) > 10_000
    assert all(0 <= float(row["answered"]) <= 1 for row in rows)
    assert {row["source"].rpartition("/")[2] for row in rows} == {"altered", "written", "trap"}
