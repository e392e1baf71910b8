import random
from dataclasses import replace

import pytest

from qa.pairs import PairMaker
from qa.readers import embedded_folder
from training.batches import batches, packed, tokenize
from training.examples import Example, TrainingPassage, read_examples, write_examples

TEXT = "The bridge opened in 1890. It was painted red in 1891."


@pytest.fixture(scope="module")
def maker():
    return PairMaker(embedded_folder(), max_tokens=128)


def span_of(text, words):
    start = text.index(words)
    return (start, start + len(words))


def example(*golds, text=TEXT, is_weak=False, wrong=()):
    right = TrainingPassage(text, "Bridges", tuple(span_of(text, gold) for gold in golds))
    return Example("When?", (right, *(TrainingPassage(some) for some in wrong)), "test", is_weak)


def decoded(row, text):
    return {row.pair.span(first, first + after).of(text) for first, after in row.gold}


def test_gold_characters_become_tokens_and_back(maker):
    group = tokenize(example("1890", "opened in 1890"), maker, random.Random(1))
    assert decoded(group.rows[0], TEXT) == {"1890", "opened in 1890"}


def test_a_weak_example_has_all_spans_inside_its_sentence(maker):
    group = tokenize(example("It was painted red in 1891.", is_weak=True), maker, random.Random(1))
    n = len("It was painted red in 1891 .".split())
    assert len(group.rows[0].gold) == n * (n + 1) // 2


def test_the_window_of_a_long_passage_is_one_that_holds_the_answer(maker):
    text = "nothing " * 300 + "but 1890 " + "nothing " * 300
    group = tokenize(example("1890", text=text), maker, random.Random(1))
    assert decoded(group.rows[0], text) == {"1890"}


def test_an_answer_too_long_to_be_learnt_still_counts_as_one(maker):
    text = "so " * 60
    group = tokenize(example(text.strip(), text=text), maker, random.Random(1))
    assert (len(group.rows[0].gold), group.rows[0].has_answer) == (0, True)


def test_a_wrong_passage_has_no_gold(maker):
    group = tokenize(example("1890", wrong=["Other text."]), maker, random.Random(1))
    assert [row.has_answer for row in group.rows] == [1.0, 0.0]


def test_what_a_model_judged_is_how_likely_a_passage_answers(maker):
    some = example("1890")
    judged = replace(some, passages=(replace(some.passages[0], answered=0.3),))
    (row,) = tokenize(judged, maker, random.Random(1)).rows
    assert row.has_answer == 0.3
    assert len(row.gold)


def test_passages_are_read_with_and_without_their_context_unless_it_alone_tells_them_apart(maker):
    def lengths(some):
        return {len(tokenize(some, maker, random.Random(seed)).rows[0].pair.ids) for seed in range(20)}

    without, with_context = sorted(lengths(example("1890")))
    assert without < with_context
    assert lengths(replace(example("1890"), keeps_context=True)) == {with_context}


def test_every_example_is_in_one_batch_and_none_is_too_large(maker):
    groups = [tokenize(example("1890", text="so " * n + TEXT), maker, random.Random(n)) for n in range(60)]
    lengths = [len(group.rows[0].pair.ids) for group in groups]
    made = batches(lengths, [1] * 60, max_tokens=400, seed=1)
    assert sorted(number for batch in made for number in batch) == list(range(60))
    assert all(len(batch) * max(lengths[i] for i in batch) <= 400 for batch in made)
    same, other = (batches(lengths, [1] * 60, max_tokens=400, seed=seed) for seed in (1, 2))
    assert made == same != other


def test_batches_in_a_given_order_hold_no_more_than_they_may():
    sizes = [5, 1, 9, 3, 3, 3]
    found = list(packed(sizes, [1, 3, 4, 5, 0, 2], max_tokens=9))
    assert found == [[1, 3, 4], [5], [0], [2]]


def test_batches_count_the_sequences_of_each():
    assert list(packed([4, 4, 4], [0, 1, 2], max_tokens=12, n_rows=[1, 2, 1])) == [[0, 1], [2]]


def test_examples_are_read_as_they_were_written(tmp_path):
    judged = Example("Who?", (TrainingPassage(TEXT, trap=(0, 3), answered=0.25),), "squad1/trap", keeps_context=True)
    examples = [example("1890", wrong=["Ünï 😀."]), example(is_weak=True), judged]
    write_examples(examples, tmp_path / "x.jsonl")
    assert list(read_examples(tmp_path / "x.jsonl")) == examples
