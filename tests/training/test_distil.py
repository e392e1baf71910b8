import json
import random
from typing import cast

import click
import numpy as np
import pytest
import torch

from qa.pairs import PairMaker
from qa.readers import embedded_folder
from training import taught
from training.batches import Group, Row, tokenize
from training.corpus import Corpus, Scores
from training.distil import TeacherTokens, teach
from training.examples import Example, TrainingPassage
from training.model import SpanModel
from training.taught import is_scored, parts_of, with_taught, write_taught

TEXT = "The bridge opened in 1890. It was painted red in 1891."
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]


def example(question):
    return Example(question, (TrainingPassage(TEXT, "Bridges", ((21, 25),)), TrainingPassage(TEXT[:26])), "test")


@pytest.fixture(scope="module")
def corpus():
    maker = PairMaker(embedded_folder())
    questions = [f"When did it open for the {n}th time?" for n in range(5)]
    return Corpus.of([tokenize(example(some), maker, random.Random(n)) for n, some in enumerate(questions)])


def corpus_of(pairs):
    return Corpus.of([Group((Row(pair, np.zeros((0, 2), np.int32), 0.0),), is_weak=False) for pair in pairs])


def assert_same(found, expected):
    for name in ("ids", "types", "token_starts", "text"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist(), name


@pytest.fixture
def other_tokenizer(tmp_path):
    """The same words with other numbers, between other special tokens: as MPNet has them."""
    stored = json.loads((embedded_folder() / "tokenizer.json").read_bytes())
    words = [word for word in stored["model"]["vocab"] if word not in {"[PAD]", "[CLS]", "[SEP]", "[MASK]"}]
    stored["model"]["vocab"] = {word: number for number, word in enumerate([*SPECIALS, *words])}
    stored["added_tokens"] = [dict(stored["added_tokens"][0], id=i, content=word) for i, word in enumerate(SPECIALS)]

    def special(word):
        return {"SpecialToken": {"id": word, "type_id": 0}}

    text = [{"Sequence": {"id": part, "type_id": 0}} for part in "AB"]
    stored["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [special("<s>"), text[0], special("</s>")],
        "pair": [special("<s>"), text[0], special("</s>"), special("</s>"), text[1], special("</s>")],
        "special_tokens": {w: {"id": w, "ids": [i], "tokens": [w]} for i, w in enumerate(SPECIALS)},
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(stored), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("context", ["", "Bridges"])
def test_a_sequence_is_said_as_the_teachers_tokenizer_says_it(other_tokenizer, context):
    asked = [("Who said “éclair”, 漢字?", TEXT + " 🙂 [SEP] x"), ("When?", TEXT), ("", "So.")]
    ours, theirs = (
        corpus_of([pair for question, text in asked for pair in PairMaker(folder).pairs(question, context, text)])
        for folder in (embedded_folder(), other_tokenizer)
    )
    assert_same(TeacherTokens(embedded_folder(), other_tokenizer).corpus(ours), theirs)


def test_right_spans_are_the_same_words_there(other_tokenizer, corpus):
    found = TeacherTokens(embedded_folder(), other_tokenizer).corpus(corpus)
    assert (found.gold - found.text[::2, :1] * [1, 0] == corpus.gold - corpus.text[::2, :1] * [1, 0]).all()
    assert len(found.gold) == 5


def test_our_own_tokenizer_says_the_same(corpus):
    assert_same(TeacherTokens(embedded_folder(), embedded_folder()).corpus(corpus), corpus)


def test_a_teacher_with_other_words_is_refused(other_tokenizer):
    path = other_tokenizer / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"bridge"', '"brydge"'), encoding="utf-8")
    with pytest.raises(click.ClickException, match="it lacks"):
        TeacherTokens(embedded_folder(), other_tokenizer)


class Echo:
    """Scores each token by its id and its place, and a sequence by the sum of its ids."""

    def scores(self, batch):
        places = torch.arange(batch.ids.shape[1])
        return batch.ids + places / 1000, (places - batch.ids).float(), (batch.ids * batch.mask).sum(dim=1).float()


def test_each_row_has_the_scores_of_its_own_sequence(other_tokenizer):
    maker, rng = PairMaker(embedded_folder()), random.Random(0)
    texts = [TEXT * n for n in (3, 1, 4, 1, 5, 9, 2, 6)]
    corpus = Corpus.of(
        [
            tokenize(Example("When?", tuple(TrainingPassage(text) for text in pair), "test"), maker, rng)
            for pair in zip(texts, texts[::-1], strict=True)
        ]
    )
    tokens = TeacherTokens(embedded_folder(), other_tokenizer)
    found = teach(corpus, cast("SpanModel", Echo()), tokens=tokens, device="cpu")
    theirs = tokens.corpus(corpus)
    for row, ((first, after), (our_first, our_after)) in enumerate(zip(theirs.text, corpus.text, strict=True)):
        ids = theirs.ids[theirs.token_starts[row] : theirs.token_starts[row + 1]]
        places, begin = np.arange(len(ids)), corpus.token_starts[row]
        here = slice(begin + our_first, begin + our_after)
        assert found.start[here] == pytest.approx((ids + places / 1000)[first:after], rel=1e-5)
        assert found.end[here] == pytest.approx((places - ids)[first:after])
        assert found.null[row] == ids.sum()
    assert not found.start[~corpus.is_text].any()


def scores_of(part):
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(2, len(part.ids))).astype(np.float32)
    return Scores(start, end, rng.normal(size=len(part.text)).astype(np.float32))


def write_all(corpus, folder, teacher=b"one"):
    for path, part in parts_of(corpus, folder):
        write_taught(part, scores_of(part), path, teacher=teacher)


def test_what_a_teacher_thinks_comes_back_with_its_tokens(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(taught, "_FILE_QUESTIONS", 2)
    write_all(corpus, tmp_path)
    assert len(list((tmp_path / "taught").iterdir())) == 3
    found = with_taught(corpus, tmp_path).taught
    assert found is not None
    expected = [scores_of(part) for _, part in parts_of(corpus, tmp_path)]
    for name in ("start", "end"):
        ours = getattr(found, name)
        of_parts = np.concatenate([getattr(some, name) for some in expected])
        assert np.allclose(ours[corpus.is_text], of_parts[corpus.is_text], atol=2e-3)
        assert not ours[~corpus.is_text].any()
    assert np.allclose(found.null, np.concatenate([some.null for some in expected]))


def test_scores_of_other_examples_are_refused(corpus, tmp_path):
    write_all(corpus, tmp_path)
    with pytest.raises(click.ClickException, match="about other examples"):
        with_taught(corpus.part(1, 5), tmp_path)


def test_scores_of_two_teachers_are_refused(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(taught, "_FILE_QUESTIONS", 2)
    write_all(corpus, tmp_path)
    path, part = list(parts_of(corpus, tmp_path))[-1]
    write_taught(part, scores_of(part), path, teacher=b"two")
    with pytest.raises(click.ClickException, match="by another teacher"):
        with_taught(corpus, tmp_path)


def test_what_is_scored_by_this_teacher_is_known_by_its_examples_and_its_teacher(corpus, tmp_path):
    ((path, part),) = parts_of(corpus, tmp_path)
    assert not is_scored(path, part, b"one")
    write_all(corpus, tmp_path)
    assert is_scored(path, part, b"one")
    assert not is_scored(path, part, b"two")
    assert not is_scored(path, part.part(0, 2), b"one")


def test_scores_that_are_not_all_there_are_refused(corpus, tmp_path):
    write_all(corpus.part(0, 3), tmp_path)
    (tmp_path / "taught" / "00000.npz").unlink()
    with pytest.raises(click.ClickException, match="is missing"):
        with_taught(corpus, tmp_path)


@pytest.mark.parametrize("value", [np.nan, 1e6])
def test_scores_that_are_no_numbers_are_never_written(corpus, tmp_path, value):
    scores = scores_of(corpus)
    scores.end[corpus.text[0, 0]] = value
    with pytest.raises(click.ClickException, match="not finite"), np.errstate(over="ignore"):
        write_taught(corpus, scores, tmp_path / "taught" / "00000.npz", teacher=b"one")
    assert list(tmp_path.iterdir()) == []
