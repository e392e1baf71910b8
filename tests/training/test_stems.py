import pytest
import torch

from training import stems
from training.stems import Stems

TEXTS = ("The bridge opened in 1890.", "It was painted red.", "So.")
STARTS = ("Answer:", "Trap:", "Answer:")


def greedy(model, ids, *, end, n):
    said: list[int] = []
    while len(said) < n and end not in said:
        said.append(int(model(torch.tensor([[*ids, *said]])).logits[0, -1].argmax()))
    return said


def test_each_branch_goes_on_from_its_stem_as_if_it_stood_alone(language_model, monkeypatch):
    model, maker = language_model
    monkeypatch.setattr(stems, "_TOP_K", 1)
    monkeypatch.setattr(stems, "_READ_TOKENS", 40)
    some, starts = [maker.ids(text) for text in TEXTS], [maker.ids(start) for start in STARTS]
    found = Stems(model, some).said(starts, end=maker.end, max_tokens=6)
    assert found.shape[:2] == (3, 3)
    for row, stem in enumerate(some):
        for branch, start in enumerate(starts):
            expected = greedy(model, [*stem, *start], end=maker.end, n=6)
            said = found[row, branch, len(start) - 1 :][: len(expected)].tolist()
            assert said == expected
            assert (found[row, branch, : len(start) - 1] == maker.end).all()


def test_a_branch_that_is_over_says_no_more(language_model, monkeypatch):
    model, maker = language_model
    monkeypatch.setattr(stems, "_TOP_K", 1)
    (stem,) = [maker.ids(TEXTS[0])]
    first = greedy(model, [*stem, *maker.ids("A")], end=-1, n=3)
    found = Stems(model, [stem]).said([maker.ids("A")], end=first[1], max_tokens=30)
    assert found[0, 0, 0] == first[0]
    assert (found[0, 0, 1:] == first[1]).all()
    assert found.shape[2] < 10


def test_what_is_asked_of_each_stem_is_answered_as_if_it_stood_alone(language_model, monkeypatch):
    model, maker = language_model
    monkeypatch.setattr(stems, "_READ_TOKENS", 60)
    some = [maker.ids(text) for text in TEXTS]
    asked = [[maker.ids("When?"), maker.ids("Which bridge?")], [], [maker.ids("Why?")]]
    yes, no = maker.ids("Y")[0], maker.ids("N")[0]
    read = Stems(model, some)
    read.said([maker.ids("A")], end=maker.end, max_tokens=3)
    for _ in range(2):
        found = read.preferred(asked, one=yes, other=no)
        assert [len(of_stem) for of_stem in found] == [2, 0, 1]
        for stem, branches, shares in zip(some, asked, found, strict=True):
            for branch, share in zip(branches, shares, strict=True):
                logits = model(torch.tensor([[*stem, *branch]])).logits[0, -1].detach()
                assert share == pytest.approx(float((logits[yes] - logits[no]).sigmoid()), abs=1e-4)


def test_words_are_drawn_from_the_likeliest():
    torch.manual_seed(0)
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.2, 0.05, *[1e-9] * 60], [1.0, *[1e-9] * 63]])).repeat(500, 1)
    found = stems._drawn(logits).view(500, 2)
    assert set(found[:, 0].tolist()) == {0, 1, 2}
    assert set(found[:, 1].tolist()) == {0}
