from training.everyday import ONE_HOUSE, SEVERAL_HOUSES, everyday_examples
from training.notices import read_said

EXAMPLES, HELD_OUT = everyday_examples(1000, seed=1), everyday_examples(1000, seed=2, is_held_out=True)
SAID = read_said()


def of(source):
    return [some for some in EXAMPLES if some.source == source]


def told(examples):
    return [[some.passages[0].text[start:end] for start, end in some.passages[0].spans] for some in examples]


def all_text(examples):
    return "\n".join(text for some in examples for passage in some.passages for text in (passage.context, passage.text))


def house(passage):
    """Return a house's name from a passage's title, which has one of some forms."""
    title = passage.context.partition(" › ")[0]
    for around in (form.partition("{org}") for form in SAID["headings"]["titles"]):
        if (around[0] or around[2]) and title.startswith(around[0]) and title.endswith(around[2]):
            return title.removeprefix(around[0]).removesuffix(around[2]).casefold().removeprefix("the ")
    return title.casefold().removeprefix("the ")


def test_the_same_seed_makes_the_same_questions_and_another_makes_others():
    assert everyday_examples(50, seed=1) == everyday_examples(50, seed=1)
    assert everyday_examples(50, seed=1) != everyday_examples(50, seed=2)


def test_answers_are_values_and_nothing_of_the_table_around_them():
    answers = [answer for some in told(EXAMPLES) for answer in some]
    assert len(answers) > 500
    for answer in answers:
        assert answer == answer.strip(" |\t\n.,:;")
        assert "\n" not in answer


def test_some_questions_have_no_answer_and_the_first_passage_alone_has_one():
    for source in (ONE_HOUSE, SEVERAL_HOUSES):
        assert 0.1 < sum(not some for some in told(of(source))) / len(of(source)) < 0.5
    assert not any(passage.spans for some in EXAMPLES for passage in some.passages[1:])


def test_some_questions_on_one_house_stand_beside_another_of_its_notices():
    beside = [some for some in of(ONE_HOUSE) if len(some.passages) == 2]
    assert 0.2 < len(beside) / len(of(ONE_HOUSE)) < 0.5
    assert all(house(passage) == house(some.passages[0]) for some in beside for passage in some.passages)


def test_of_several_houses_the_question_names_the_one_whose_notice_is_first():
    assert len(of(SEVERAL_HOUSES)) > 100
    for some in of(SEVERAL_HOUSES):
        first, *others = map(house, some.passages)
        assert first in some.question.casefold()
        # Another notice of the house stands beside an answer; what has none is not said by the house.
        assert others.count(first) == bool(some.passages[0].spans)
        assert set(others) - {first}
        assert some.keeps_context


def test_what_is_held_out_is_in_no_training():
    trained, held_out = all_text(EXAMPLES), all_text(HELD_OUT)
    names: dict[bool, list[str]] = {True: [], False: []}
    for kind in SAID["kinds"].values():
        names[kind.get("is_held_out", False)] += kind["names"]
    assert all(name not in trained and name in held_out for name in names[True])
    assert not any(name in held_out for name in names[False])
    asked = {some.question for some in EXAMPLES}
    held_out_asks = [ask for fact in SAID["facts"] if fact.get("is_held_out") for asks in fact["asks"] for ask in asks]
    assert asked.isdisjoint(held_out_asks)
    assert {some.question for some in HELD_OUT} & set(held_out_asks)


def test_no_passage_of_the_held_out_ones_is_trained_on():
    texts, held_out = ({passage.text for some in found for passage in some.passages} for found in (EXAMPLES, HELD_OUT))
    assert texts.isdisjoint(held_out)
