import itertools
import random
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch

from qa.pairs import PairMaker
from qa.readers import embedded_folder
from training.batches import tokenize
from training.corpus import Corpus, Feeder, Scores, scored
from training.examples import Example, TrainingPassage
from training.model import SpanModel

TEXT = "The bridge opened in 1890. It was painted red in 1891."


@pytest.fixture(scope="module")
def maker():
    return PairMaker(embedded_folder(), max_tokens=128)


@pytest.fixture(scope="module")
def groups(maker):
    made = []
    for number, words in enumerate(["1890", "red", "", "The bridge opened", "1891"]):
        start = TEXT.index(words)
        right = TrainingPassage(TEXT, "Bridges" * (number % 2), ((start, start + len(words)),) if words else ())
        wrong = [TrainingPassage("Other text. " * number)] if number % 2 else []
        example = Example(f"Which of {'all ' * number}these?", (right, *wrong), "test", is_weak=number == 3)
        made.append(tokenize(example, maker, random.Random(number)))
    return made


@pytest.fixture(scope="module")
def corpus(groups):
    return Corpus.of(groups)


def drawn(corpus):
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(2, len(corpus.ids))).astype(np.float16)
    return Scores(start, end, rng.normal(size=len(corpus.text)).astype(np.float32))


@pytest.mark.parametrize("numbers", [[0], [2], [3, 1], [4, 0, 2]])
def test_a_batch_is_its_groups_row_by_row(maker, groups, corpus, numbers):
    batch = Feeder(corpus, "cpu").batch(numbers)
    rows = [(question, row) for question, number in enumerate(numbers) for row in groups[number].rows]
    assert batch.question.tolist() == [question for question, _ in rows]
    assert batch.has_answer.tolist() == [row.has_answer for _, row in rows]
    assert batch.is_weak.tolist() == [number == 3 for number in numbers]
    assert batch.n_questions == len(numbers)
    assert batch.ids.shape[1] % 8 == 0
    for index, (_, row) in enumerate(rows):
        n = len(row.pair.ids)
        assert batch.ids[index].tolist() == [*row.pair.ids, *[0] * (batch.ids.shape[1] - n)]
        assert batch.token_types[index, :n].tolist() == list(row.pair.type_ids)
        assert batch.mask[index].sum() == n == batch.mask[index, :n].sum()
        text = torch.zeros(batch.ids.shape[1], dtype=torch.bool)
        text[row.pair.text] = True
        assert torch.equal(batch.is_text[index], text)
    expected = [
        (index, row.pair.first + first, after, question)
        for index, (question, row) in enumerate(rows)
        for first, after in row.gold.tolist()
    ]
    assert sorted(map(tuple, batch.gold.tolist())) == sorted(expected)
    assert batch.taught is None


def test_a_batch_points_at_the_gold_tokens_of_each_question(maker, corpus):
    batch = Feeder(corpus, "cpu").batch([0, 1])
    for row, first, after, question in batch.gold.tolist():
        tokens = [maker._plain.id_to_token(int(token)) for token in batch.ids[row, first : first + after + 1]]
        assert tokens == [["1890"], ["red"]][question]
        assert bool(batch.is_text[row, first])


def test_a_batch_has_a_teachers_scores_of_its_tokens(corpus):
    taught = drawn(corpus)
    batch = Feeder(replace(corpus, taught=taught), "cpu").batch([3, 0])
    assert batch.taught is not None
    start, end, null = (some.numpy() for some in batch.taught)
    for index, row in enumerate([corpus.row_starts[3], corpus.row_starts[3] + 1, 0]):
        tokens = slice(corpus.token_starts[row], corpus.token_starts[row + 1])
        n = tokens.stop - tokens.start
        assert np.allclose(start[index, :n], taught.start[tokens])
        assert np.allclose(end[index, :n], taught.end[tokens])
        assert not start[index, n:].any()
        assert null[index] == taught.null[row]


def arrays(corpus):
    return {name: getattr(corpus, name).tolist() for name in corpus.__slots__ if name != "taught"}


def test_parts_are_what_their_groups_would_be_alone_and_come_together_again(groups, corpus):
    parts = [corpus.part(0, 2), corpus.part(2, 9)]
    assert [arrays(part) for part in parts] == [arrays(Corpus.of(groups[:2])), arrays(Corpus.of(groups[2:]))]
    assert arrays(Corpus.joined(parts)) == arrays(corpus)


def test_corpora_are_told_apart_by_their_tokens(corpus):
    assert corpus.digest == corpus.part(0, 5).digest != corpus.part(0, 4).digest


def test_scores_are_put_where_their_tokens_are(corpus, monkeypatch):
    monkeypatch.setattr("training.corpus._SCORED_TOKENS", 60)

    class Echo:
        def scores(self, batch):
            return batch.ids.float(), -batch.ids.float(), (batch.ids * batch.mask).sum(dim=1).float()

    for some in (corpus, Corpus.of([])):
        found = scored(some, cast("SpanModel", Echo()), device="cpu")
        assert (found.start == some.ids).all()
        assert (found.end == -some.ids).all()
        assert found.null.tolist() == [
            some.ids[begin:end].sum() for begin, end in itertools.pairwise(some.token_starts)
        ]
