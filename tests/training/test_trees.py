import torch

from training.trees import Branch, forest
from training.writer import said_scores

TEXT = "The bridge opened in 1890. It was painted red in 1891."
BRANCHES = [Branch("Answer:", " 1890\nQuestion: When?"), Branch("Q: When?", " Yes", is_verdict=True)]


def test_what_looks_like_a_special_token_is_text(language_model):
    _, maker = language_model
    assert maker.end not in maker.ids("a <end> b")
    assert maker.text(maker.ids("a <end> b")) == "a <end> b"


def test_stems_are_filled_up_in_front(language_model):
    _, maker = language_model
    stem = maker.stem("Bridges", TEXT)
    assert len(stem) % 16 == 0
    assert maker.text(stem) == f"Bridges\n\n{TEXT}\n\n"


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
