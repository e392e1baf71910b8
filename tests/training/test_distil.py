import json
import random
from typing import cast

import click
import numpy as np
import pytest
import torch

from qa.pairs import PairMaker
from qa.readers import embedded_folder
from qa.span_reader import TokenScores
from training import taught
from training.batches import collate, tokenize
from training.distil import TeacherTokens, teach
from training.examples import Example, TrainingPassage
from training.model import SpanModel
from training.taught import is_scored, parts_of, taught_groups, write_taught

TEXT = "The bridge opened in 1890. It was painted red in 1891."
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]


def example(question):
    return Example(question, (TrainingPassage(TEXT, "Bridges", ((21, 25),)), TrainingPassage(TEXT[:26])), "test")


@pytest.fixture(scope="module")
def groups():
    maker = PairMaker(embedded_folder())
    return [tokenize(example(f"When did it open for the {n}th time?"), maker, random.Random(n)) for n in range(5)]


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
    question, text = "Who said “éclair”, 漢字?", TEXT + " 🙂 [SEP] x"
    (ours,) = PairMaker(embedded_folder()).pairs(question, context, text)
    (theirs,) = PairMaker(other_tokenizer).pairs(question, context, text)
    found = TeacherTokens(embedded_folder(), other_tokenizer).pair(ours)
    assert (found.ids, found.type_ids, found.first) == (theirs.ids, theirs.type_ids, theirs.first)
    assert (found.offsets == theirs.offsets).all()


def test_our_own_tokenizer_says_the_same(groups):
    tokens = TeacherTokens(embedded_folder(), embedded_folder())
    for row in groups[0].rows:
        found = tokens.pair(row.pair)
        assert (found.ids, found.type_ids, found.first) == (row.pair.ids, row.pair.type_ids, row.pair.first)


def test_a_teacher_with_other_words_is_refused(other_tokenizer):
    path = other_tokenizer / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"bridge"', '"brydge"'), encoding="utf-8")
    with pytest.raises(click.ClickException, match="it lacks"):
        TeacherTokens(embedded_folder(), other_tokenizer)


class Echo(torch.nn.Module):
    """Scores each token by its id and its place, and a sequence by the sum of its ids."""

    def forward(self, ids, token_types, mask):
        del token_types
        places = torch.arange(ids.shape[1])
        return ids + places / 1000, places - ids, (ids * mask).sum(dim=1)


def test_each_row_has_the_scores_of_its_own_sequence(other_tokenizer):
    maker, rng = PairMaker(embedded_folder()), random.Random(0)
    texts = [TEXT * n for n in (3, 1, 4, 1, 5, 9, 2, 6)]
    groups = [
        tokenize(Example("When?", tuple(TrainingPassage(text) for text in pair), "test"), maker, rng)
        for pair in zip(texts, texts[::-1], strict=True)
    ]
    tokens = TeacherTokens(embedded_folder(), other_tokenizer)
    found = teach(groups, cast("SpanModel", Echo()), tokens, "cpu")
    for group, of_group in zip(groups, found, strict=True):
        for row, of_row in zip(group.rows, of_group, strict=True):
            pair = tokens.pair(row.pair)
            ids, places = np.array(pair.ids), np.arange(len(pair.ids))
            assert of_row.start == pytest.approx((ids + places / 1000)[pair.text], rel=1e-5)
            assert of_row.end == pytest.approx((places - ids)[pair.text])
            assert of_row.null == sum(pair.ids)


def scores_of(groups):
    rng = np.random.default_rng(0)

    def drawn(row):
        n = len(row.pair.offsets)
        return TokenScores(rng.normal(size=n).astype(np.float32), rng.normal(size=n).astype(np.float32), rng.normal())

    return [[drawn(row) for row in group.rows] for group in groups]


def written(groups, folder, teacher=b"one"):
    scores = scores_of(groups)
    begin = 0
    for path, part in parts_of(groups, folder):
        write_taught(part, scores[begin : begin + len(part)], path, teacher=teacher)
        begin += len(part)
    return scores


def test_what_a_teacher_thinks_comes_back_with_its_rows(groups, tmp_path, monkeypatch):
    monkeypatch.setattr(taught, "_FILE_QUESTIONS", 2)
    expected = written(groups, tmp_path)
    assert len(list((tmp_path / "taught").iterdir())) == 3
    found = list(taught_groups(groups, tmp_path))
    for group, scores in zip(found, expected, strict=True):
        for row, of_row in zip(group.rows, scores, strict=True):
            assert row.taught is not None
            assert np.allclose(row.taught.start, of_row.start, atol=2e-3)
            assert np.allclose(row.taught.end, of_row.end, atol=2e-3)
            assert row.taught.null == pytest.approx(of_row.null)


def test_a_batch_has_the_teachers_scores_where_its_text_is(groups, tmp_path):
    expected = written(groups, tmp_path)
    found = list(taught_groups(groups, tmp_path))[:2]
    scores = collate(found).taught
    assert scores is not None
    start, end, null = scores
    row = found[1].rows[0]
    assert np.allclose(start[2, row.pair.text], expected[1][0].start, atol=2e-3)
    assert np.allclose(end[2, row.pair.text], expected[1][0].end, atol=2e-3)
    assert float(null[2]) == pytest.approx(expected[1][0].null)
    assert collate(groups[:2]).taught is None


def test_scores_of_other_examples_are_refused(groups, tmp_path):
    written(groups, tmp_path)
    with pytest.raises(click.ClickException, match="about other examples"):
        list(taught_groups(groups[::-1], tmp_path))


def test_scores_of_two_teachers_are_refused(groups, tmp_path, monkeypatch):
    monkeypatch.setattr(taught, "_FILE_QUESTIONS", 2)
    written(groups, tmp_path, b"one")
    (tmp_path / "taught" / "00002.npz").unlink()
    kept = (tmp_path / "taught" / "00002.npz", groups[4:])
    write_taught(kept[1], scores_of(kept[1]), kept[0], teacher=b"two")
    with pytest.raises(click.ClickException, match="by another teacher"):
        list(taught_groups(groups, tmp_path))


def test_what_is_scored_by_this_teacher_is_known_by_its_examples_and_its_teacher(groups, tmp_path):
    (path, part) = parts_of(groups, tmp_path)[0]
    assert not is_scored(path, part, b"one")
    written(groups, tmp_path, b"one")
    assert is_scored(path, part, b"one")
    assert not is_scored(path, part, b"two")
    assert not is_scored(path, part[::-1], b"one")


def test_scores_that_are_not_all_there_are_refused(groups, tmp_path):
    written(groups[:3], tmp_path)
    (tmp_path / "taught" / "00000.npz").unlink()
    with pytest.raises(click.ClickException, match="is missing"):
        list(taught_groups(groups, tmp_path))
