from training.everyday import everyday_examples

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
