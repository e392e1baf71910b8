"""The language model's part, with one of a few thousand parameters that is trained for some steps."""

import random

import pytest
import torch
from click.testing import CliRunner

from training import writer
from training.examples import Example, TrainingPassage, read_examples, write_examples
from training.trees import Branch
from training.writer import completions, judged, lessons, load, verdicts, written_example

TEXT = "The bridge opened in 1890. It was painted red in 1891, and in 1890 green."
PASSAGE = TrainingPassage(TEXT, "Bridges", ((21, 25),))
BRANCHES = [Branch("Answer:", " 1890\nQuestion: When?"), Branch("Q: When?", " Yes", is_verdict=True)]


def test_continuations_are_those_of_the_likeliest_tokens(language_model, monkeypatch):
    model, maker = language_model
    monkeypatch.setattr(writer, "_TOP_K", 1)
    stems = [maker.stem("", TEXT[:20]), maker.stem("", TEXT[1:21])]
    found = list(completions(model, maker, stems, "Answer:", n=2, device="cpu"))
    assert [number for number, _ in found] == [0, 0, 1, 1]
    for number, said in found:
        ids = [*stems[number], *maker.ids("Answer:")]
        for _ in range(writer._MAX_WRITTEN_TOKENS):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == maker.end:
                break
        assert said == maker.text(ids[len(stems[number]) + len(maker.ids("Answer:")) :])


@pytest.mark.parametrize(
    ("said", "spans"),
    [
        (" 1890\nQuestion: When did it open?", ((21, 25), (62, 66))),
        (" 1892\nQuestion: When did it open?", None),
        (" 1890\nQuestion: It opened.", None),
        ("\nQuestion: When did it open?", None),
        (" 1890 When did it open?", None),
    ],
)
def test_what_is_written_is_kept_if_it_quotes_the_passage_and_asks(said, spans):
    found = written_example(said, PASSAGE, is_trap=False)
    assert (found and found.passages[0].spans) == spans
    trap = written_example(said, PASSAGE, is_trap=True)
    assert (trap and (trap.passages[0].spans, trap.passages[0].trap)) == (spans and (PASSAGE.spans, spans[0]))


def test_an_answer_inside_another_word_is_none():
    passage = TrainingPassage("Some 24,000 knew of it, no more.")
    assert written_example(" 4,000\nQuestion: How many?", passage, is_trap=False) is None
    found = written_example(" no\nQuestion: More?", passage, is_trap=False)
    assert found is not None
    assert found.passages[0].spans == ((24, 26),)


def test_lessons_are_what_people_asked_and_verdicts_on_it():
    other = TrainingPassage("Another text on Bridges.", "Bridges", ((0, 7),))
    asked = [Example("When?", (PASSAGE,), "wiki"), Example("Which?", (other,), "wiki")]
    (of_first, branches), _ = lessons(asked, random.Random(0))
    assert of_first == PASSAGE
    assert {(one.given, one.said) for one in branches} == {
        ("Answer:", " 1890\nQuestion: When?"),
        ("Question: When?\nDoes the text say it?\n", "Yes"),
        ("Question: Which?\nDoes the text say it?\n", "No"),
    }


def test_misleading_questions_are_lessons_twice():
    trap = TrainingPassage(TEXT, "Bridges", trap=(49, 53))
    asked = [Example("When?", (PASSAGE,), "squad2"), Example("When was it painted blue?", (trap,), "squad2")]
    found = lessons(asked, random.Random(0))
    assert len(found) == 2
    assert Branch("Trap:", " 1891\nQuestion: When was it painted blue?") in found[0][1]
    assert sum(one.said == "No" for one in found[0][1]) == 1


def test_verdicts_come_back_in_the_order_of_the_questions(language_model, monkeypatch):
    model, maker = language_model
    asked = [("", TEXT[: 20 + n % 3], f"When was the {n}th?") for n in range(40)]
    together = verdicts(model, maker, asked, "cpu")
    monkeypatch.setattr(writer, "_JUDGED_TOKENS", 1)
    assert together == pytest.approx([verdicts(model, maker, [some], "cpu")[0] for some in asked], abs=1e-5)


def test_machines_questions_are_judged_and_peoples_are_not(language_model, monkeypatch):
    model, maker = language_model
    by_people = Example("When?", (PASSAGE,), "squad2")
    sources = ("squad2/altered", "squad1/written", "squad1/trap")
    made = [Example("When?", (PASSAGE,), source) for source in sources]
    monkeypatch.setattr(writer, "verdicts", lambda model, maker, asked, device: [0.2, 0.8, 0.2])
    found = judged(model, maker, [made[0], by_people, *made[1:]], "cpu")
    assert found[1] == by_people
    # By Bayes: what it was meant to be speaks as loudly as the verdict.
    expected = [0.04 / 0.68, None, 0.64 / 0.68, 0.04 / 0.68]
    assert [some.passages[0].answered for some in found] == [
        some and pytest.approx(some, abs=1e-4) for some in expected
    ]
    assert [bool(some.passages[0].spans) for some in found] == [False, True, True, False]


def test_a_step_that_overflows_is_left_out(language_model_folder, monkeypatch):
    model, maker = load(language_model_folder, "cpu", torch.float32)
    trees = [maker.tree("", TEXT, BRANCHES)]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    monkeypatch.setattr(
        writer, "losses", lambda model, batch: (model.lm_head.weight.sum() * torch.inf, torch.zeros(()))
    )
    list(writer.learn(model, trees, epochs=1, rate=1e-3, device="cpu"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_whole_way(language_model_folder, tmp_path):
    asked = [
        Example(
            f"When did bridge {n} open?", (TrainingPassage(f"Bridge {n} opened in {1800 + n}.", "", ((19, 23),)),), "x"
        )
        for n in range(10, 20)
    ]
    write_examples(asked, tmp_path / "asked.jsonl")
    write_examples([Example("", (PASSAGE,), "squad1")] * 3, tmp_path / "passages.jsonl")
    dev = [Example("When?", (PASSAGE,), "squad2"), Example("Who?", (TrainingPassage(TEXT),), "squad2")]
    write_examples(dev, tmp_path / "dev.jsonl")

    def run(*arguments):
        result = CliRunner().invoke(writer.main, [*map(str, arguments), "--folder", str(tmp_path)])
        assert result.exit_code == 0, result.output
        return result.output

    assert "AUROC on dev articles" in run("learn", "--model", language_model_folder, "--epochs", 1)
    learnt = load(tmp_path / "writer", "cpu", torch.float32)[0].state_dict()
    before = load(language_model_folder, "cpu", torch.float32)[0].state_dict()
    assert not all(torch.equal(learnt[name], tensor) for name, tensor in before.items())
    run("write", "--questions", 2, "--passages", 2)
    assert list(read_examples(tmp_path / "written.jsonl")) == []  # a model of this size writes nonsense
    write_examples([Example("When?", (PASSAGE,), "squad1/written")], tmp_path / "written.jsonl")
    assert "squad1/written: 1 judged" in run("judge", "written")
    assert "1 questions" in run("keep", "written", "--output", tmp_path / "kept")
    (found,) = read_examples(tmp_path / "written.jsonl")
    assert found.passages[0].answered is not None
