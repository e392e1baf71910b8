import random

import pytest

from training.notices import _STYLES, Author, Notice, read_said, write_table


@pytest.mark.parametrize("style", _STYLES)
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
    assert seen == {"prices", "facts", "hours", "people", "events", "limits"}
