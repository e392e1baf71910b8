import pytest

from training.everyday import _STYLES, Notice, everyday_examples, write_table

EXAMPLES = everyday_examples(600, seed=1)


def told(examples):
    return [[some.passages[0].text[start:end] for start, end in some.passages[0].spans] for some in examples]


def test_the_same_seed_makes_the_same_questions_and_another_makes_others():
    assert everyday_examples(50, seed=1) == everyday_examples(50, seed=1)
    assert everyday_examples(50, seed=1) != everyday_examples(50, seed=2)


def test_answers_are_values_and_nothing_of_the_table_around_them():
    answers = [answer for some in told(EXAMPLES) for answer in some]
    assert len(answers) > 300
    for answer in answers:
        assert answer == answer.strip(" |\t\n.,:;")
        assert "\n" not in answer


def test_some_questions_have_no_answer_and_some_stand_beside_another_notice():
    assert 0.1 < sum(not some for some in told(EXAMPLES)) / len(EXAMPLES) < 0.5
    assert 0.2 < sum(len(some.passages) == 2 for some in EXAMPLES) / len(EXAMPLES) < 0.5
    assert not any(some.passages[1].spans for some in EXAMPLES if len(some.passages) == 2)


def test_what_is_held_out_is_in_no_training():
    held_out = everyday_examples(600, seed=1, is_held_out=True)
    for word in ("Ferry", "Playhouse", "architect"):
        assert not any(word in f"{e.question} {e.passages[0].text}" for e in EXAMPLES), word
    assert any("Ferry" in e.passages[0].context for e in held_out)
    assert any("architect" in e.question for e in held_out)
    assert not any("A deposit of" in e.passages[0].text for e in held_out)


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
