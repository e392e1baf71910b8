import json
import random
from dataclasses import replace

from training.examples import Example, TrainingPassage
from training.prepare import WrongPassages, all_examples, squad_examples, with_others


def example(number, *, is_weak=False):
    text = f"The bridge over the river {number} opened in {1800 + number}. It was painted red a year later."
    start = text.index(" in ") + 4
    span = (0, text.index(".") + 1) if is_weak else (start, start + 4)
    return Example(f"When was bridge {number} opened?", (TrainingPassage(text, "", (span,)),), "wiki", is_weak)


KNOWN = [example(number) for number in range(40)]
WEAK = [example(number, is_weak=True) for number in range(40, 80)]


def made(seed=1):
    pool = WrongPassages(some.passages[0] for some in (*KNOWN, *WEAK))
    return all_examples([*KNOWN, *WEAK], [], [], pool, random.Random(seed))


def questions(examples):
    return {some.question for some in examples if some.passages[0].spans}


def test_the_same_seed_makes_the_same_examples_and_another_makes_others():
    assert made() == made()
    assert made() != made(2)


def test_all_questions_are_there_and_beside_them_some_that_the_passage_does_not_answer():
    found = made()
    assert questions(found) == questions(KNOWN) | questions(WEAK)
    assert {some.source for some in found if not some.passages[0].spans} <= {"wiki/altered", "wiki/bereft"}
    assert sum(not some.passages[0].spans for some in found) == 80


def test_what_people_made_unanswerable_is_there_three_times_and_what_they_could_answer_twice_more():
    unanswerable = replace(example(1), question="Who?", passages=(TrainingPassage("Nobody."),), source="people")
    answerable = replace(example(2), question="Which?", source="people")
    pool = WrongPassages([TrainingPassage("Nobody.")])
    found = all_examples([], [unanswerable, answerable], [], pool, random.Random(1))
    assert sorted(some.question for some in found) == ["Which?"] * 2 + ["Who?"] * 3


def test_a_wrong_passage_does_not_hold_the_answer():
    for some in made():
        for wrong in some.passages[1:]:
            start, end = some.passages[0].spans[0]
            assert not wrong.spans
            assert some.passages[0].text[start:end] not in wrong.text


def test_half_of_what_has_an_answer_gets_another_passage_of_its_document_that_does_not_hold_it():
    texts = ["It opened in 1890.", "In 1890 it rained.", "It was red.", "It is green."]
    passages = [TrainingPassage(text, title) for title in ("A", "B") for text in texts]
    answered = [replace(some, spans=((13, 17),)) for some in passages[::4]]
    alone = TrainingPassage(texts[0], "C", ((13, 17),))
    examples = [Example("When?", (some,), "x") for some in (*answered * 200, passages[2], alone)]
    found = with_others(examples, passages, rng=random.Random(0))
    assert [some.passages[0] for some in found] == [some.passages[0] for some in examples]
    beside = [some.passages for some in found if len(some.passages) > 1]
    assert 160 < len(beside) < 240
    assert {(right.context, wrong.context, wrong.text) for right, wrong in beside} == {
        (title, title, text) for title in ("A", "B") for text in texts[2:]
    }
    assert found[-2:] == examples[-2:]
    assert with_others(examples, passages, rng=random.Random(0)) == found


def test_a_question_without_an_answer_has_what_looks_like_one(tmp_path):
    def qa(question, answers, **more):
        return {"question": question, "answers": [{"answer_start": s, "text": t} for s, t in answers], **more}

    plausible = [{"answer_start": 0, "text": "Nobody knows"}, {"answer_start": 0, "text": "Nobody"}]
    qas = [qa("Who? ", [(0, "Nobody")]), qa("Which?", [], plausible_answers=plausible)]
    stored = {"data": [{"title": "A_B", "paragraphs": [{"context": "Nobody knows.", "qas": qas}]}]}
    (tmp_path / "x.json").write_text(json.dumps(stored), encoding="utf-8")
    (_, first), (title, second) = squad_examples(tmp_path / "x.json", "squad2")
    assert title == "A_B"
    assert first == Example("Who?", (TrainingPassage("Nobody knows.", "A B", ((0, 6),)),), "squad2")
    assert second == Example("Which?", (TrainingPassage("Nobody knows.", "A B", trap=(0, 6)),), "squad2")
