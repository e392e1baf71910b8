import random

import pytest

from training.notices import Author, read_said
from training.tables import STYLES, Notice, write_table


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("head", [("What", "Price", "Time"), ("", "", "")])
def test_a_table_knows_where_its_cells_stand(style, head):
    rows = [("Piano, one hour", "£5.20", "four days"), ("X", "GBP 3", "2 hours")]
    notice = Notice("prices", "Prices", "Before.\n")
    places = write_table(notice, head, rows, style)
    assert [[notice.text[start:end] for start, end in cells] for cells in places] == [list(row[1:]) for row in rows]
    assert ("Time" in notice.text) == any(head)


def test_a_notice_that_takes_in_another_answers_its_questions():
    one, other = Notice("a", "A", unanswered=["Who?"]), Notice("b", "B")
    one.write("First.")
    other.asked.append(("What?", other.write("Second")))
    one.take_in(other)
    ((question, (start, end)),) = one.asked
    assert (question, one.text[start:end], one.unanswered) == ("What?", "Second", [])


def test_a_house_has_three_notices_of_different_kinds():
    said, rng, seen = read_said(), random.Random(1), set()
    for _ in range(100):
        author = Author(said, rng, is_held_out=False)
        kinds = {notice.kind for notice in author.notices()}
        assert len(kinds) == 3
        seen |= kinds
        assert Author(said, rng, is_held_out=False, like=author).kind == author.kind
    assert seen == {"prices", "facts", "hours", "people", "events", "limits", "reach"}


def written(kind, n=300):
    """Return notices of a kind, of as many houses."""
    said, rng = read_said(), random.Random(2)
    return [Author(said, rng, is_held_out=number % 4 == 0).notice(kind) for number in range(n)]


def answers(notice):
    return [(question, notice.text[start:end]) for question, (start, end) in notice.asked]


@pytest.mark.parametrize("kind", ["prices", "facts", "hours", "people", "events", "limits", "reach"])
def test_what_is_asked_is_not_said_to_be_unanswered_nor_asked_twice(kind):
    for notice in written(kind):
        asked = [question for question, _ in notice.asked]
        assert not {*asked} & {*notice.unanswered}
        assert len(asked) == len({*asked})


def test_a_number_without_a_unit_is_asked_for_under_a_head_alone():
    said = read_said()["cells"]
    heads = {name: said[name]["heads"] for name in ("code", "pieces")}
    for notice in written("prices"):
        for question, _ in answers(notice):
            for name, asks in ((name, said[name]["asks"]) for name in heads):
                if any(question.startswith(form.partition("{")[0]) for form in asks):
                    assert any(head in notice.text or head.lower() in notice.text for head in heads[name])


def test_a_closed_day_is_told_by_its_name_and_its_hours_by_that_word():
    closed = [notice for notice in written("hours") if "closed" in notice.text]
    assert len(closed) > 30
    for notice in closed:
        found = {answer for _, answer in answers(notice)}
        assert "closed" in found
        assert any(answer in notice.text.partition("closed")[0].splitlines()[-1] for answer in found - {"closed"})
