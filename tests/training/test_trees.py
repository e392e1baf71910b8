import torch

from training.trees import Branch, forest
from training.writer import said_scores

TEXT = "The bridge opened in 1890. It was painted red in 1891."
BRANCHES = [Branch("Answer:", " 1890\nQuestion: When?"), Branch("Q: When?", " Yes", is_verdict=True)]


def test_what_looks_like_a_special_token_is_text(language_model):
    _, maker = language_model
    text = "a <end> b"
    assert maker.end not in maker.ids(text)
    assert maker.all_ids([text, "c"]) == [list(maker.ids(text)), list(maker.ids("c"))]
    assert maker.texts(maker.all_ids([text])) == [text]


def test_a_stem_is_a_passage_under_its_title_and_no_longer_than_it_may_be(language_model):
    _, maker = language_model
    short, untitled, long = maker.stems([("Bridges", TEXT), ("", TEXT), ("Bridges", TEXT * 50)])
    assert maker.texts([short, untitled]) == [f"Bridges\n\n{TEXT}\n\n", f"{TEXT}\n\n"]
    assert len(long) == 512
    assert long[: len(short) - 2] == short[:-2]
    assert list(maker.tree("Bridges", TEXT, []).stem) == short
    assert maker.stems([]) == []


def test_each_branch_is_said_as_if_it_stood_alone(language_model):
    model, maker = language_model
    together = forest([maker.tree("Bridges", TEXT, BRANCHES), maker.tree("", TEXT[:30], BRANCHES[:1])])
    alone = [
        forest([maker.tree("Bridges", TEXT, BRANCHES[:1])]),
        forest([maker.tree("Bridges", TEXT, BRANCHES[1:])]),
        forest([maker.tree("", TEXT[:30], BRANCHES[:1])]),
    ]
    with torch.no_grad():
        expected = torch.cat([said_scores(model, some) for some in alone])
        assert torch.allclose(said_scores(model, together), expected, atol=1e-4)
        # And so does a model that is asked in the usual way, one token after the other.
        tree = maker.tree("Bridges", TEXT, BRANCHES[:1])
        given, said = tree.branches[0]
        usual = model(torch.tensor([[*tree.stem, *given, *said]])).logits[0, -len(said) - 1 : -1]
        assert torch.allclose(expected[: len(said)], usual, atol=1e-4)
    assert together.is_verdict.tolist() == [
        *[False] * len(said),
        True,
        *[False] * len(said),
    ]
