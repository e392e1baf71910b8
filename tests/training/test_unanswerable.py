import random

import pytest

from training.unanswerable import altered_question, without_answer

PASSAGE = "In 1890 the Prince of Wales opened the Forth Bridge. In 1879 the Tay Bridge had fallen, said Thomas Bouch."


def alterations(question, answers=()):
    return {altered_question(question, PASSAGE, answers, random.Random(seed)) for seed in range(200)}


def test_a_name_is_changed_for_another_of_the_passage():
    found = alterations("Who opened the Forth Bridge?", ["the Prince of Wales"])
    assert "Who opened the Tay Bridge?" in found
    assert not any("Wales" in (question or "") for question in found)


def test_a_number_is_changed_for_another_of_the_passage():
    assert "What fell in 1890?" in alterations("What fell in 1879?")


def test_a_word_is_changed_for_its_opposite():
    assert "Who was the last to cross?" in alterations("Who was the first to cross?")


def test_some_questions_are_negated():
    assert "Who didn't open it?" in alterations("Who did open it?")


def test_a_question_with_nothing_to_change_is_left():
    assert altered_question("Why?", "Because.", [], random.Random(1)) is None


def test_every_alteration_differs_from_the_question():
    question = "Who opened the Forth Bridge in 1890 after the first storm?"
    assert question not in alterations(question)


def test_the_sentence_with_the_answer_is_taken_out():
    text = "It rained. The bridge opened in 1890. People came."
    start = text.index("1890")
    assert without_answer(text, [(start, start + 4)]) == "It rained. People came."


@pytest.mark.parametrize("text", ["It opened in 1890.", "It opened in 1890. In 1890 it rained. It is red."])
def test_a_text_that_answers_still_or_is_too_short_is_left(text):
    start = text.index("1890")
    assert without_answer(text, [(start, start + 4)]) is None
