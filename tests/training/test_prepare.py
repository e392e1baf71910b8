import random
from dataclasses import replace

from training.examples import Example, TrainingPassage
from training.prepare import WrongPassages, focused, thinned


def example(number, *, is_weak=False):
    text = f"The bridge over the river {number} opened in {1800 + number}. It was painted red a year later."
    start = text.index(" in ") + 4
    span = (0, text.index(".") + 1) if is_weak else (start, start + 4)
    return Example(f"When was bridge {number} opened?", (TrainingPassage(text, "", (span,)),), "wiki", is_weak)


KNOWN = [example(number) for number in range(40)]
WEAK = [example(number, is_weak=True) for number in range(40, 80)]


def made(**more):
    pool = WrongPassages(some.passages[0] for some in (*KNOWN, *WEAK))
    return focused([*KNOWN, *WEAK], [], [], pool, **{"seed": 1, **more})


def questions(examples):
    return {some.question for some in examples if some.passages[0].spans}


def test_the_same_seed_makes_the_same_examples_and_another_makes_others():
    assert made() == made()
    assert made() != made(seed=2)


def test_questions_whose_span_is_known_are_all_there_and_of_the_weak_ones_a_share():
    known, weak = questions(KNOWN), questions(WEAK)
    for share, least, most in ((0.0, 0, 0), (0.5, 10, 30), (1.0, 40, 40)):
        found = questions(made(weak_share=share))
        assert known <= found
        assert least <= len(found & weak) <= most


def test_what_people_made_unanswerable_is_there_three_times_and_what_they_could_answer_twice_more():
    unanswerable = replace(example(1), question="Who?", passages=(TrainingPassage("Nobody."),), source="people")
    answerable = replace(example(2), question="Which?", source="people")
    found = focused([], [unanswerable, answerable], [], WrongPassages([TrainingPassage("Nobody.")]), seed=1)
    assert sorted(some.question for some in found) == ["Which?"] * 2 + ["Who?"] * 3


def test_a_wrong_passage_does_not_hold_the_answer():
    for some in made():
        for wrong in some.passages[1:]:
            start, end = some.passages[0].spans[0]
            assert not wrong.spans
            assert some.passages[0].text[start:end] not in wrong.text


def test_sources_are_thinned_by_the_least_share_of_their_parts():
    examples = [replace(example(1), source=source) for source in ("wiki", "wiki/altered", "reddit/altered") * 200]
    found = [some.source for some in thinned(examples, {"altered": 0.5, "reddit": 0.1}, random.Random(1))]
    assert found.count("wiki") == 200
    assert 70 < found.count("wiki/altered") < 130
    assert 5 < found.count("reddit/altered") < 40
