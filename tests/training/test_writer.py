"""The language model's part, with one of a few thousand parameters that is trained for some steps."""

import json
import random
from dataclasses import replace

import click
import pytest
import torch
from click.testing import CliRunner

from training import writer
from training.devices import best_dtype
from training.examples import Example, TrainingPassage, read_examples, write_examples
from training.trees import Branch
from training.writer import judged, lessons, load, verdicts, written_example, written_on

TEXT = "The bridge opened in 1890. It was painted red in 1891, and in 1890 green."
PASSAGE = TrainingPassage(TEXT, "Bridges", ((21, 25),))
BRANCHES = [Branch("Answer:", " 1890\nQuestion: When?"), Branch("Q: When?", " Yes", is_verdict=True)]


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
    together = verdicts(model, maker, asked)
    monkeypatch.setattr(writer, "_JUDGED_TOKENS", 1)
    assert together == pytest.approx([verdicts(model, maker, [some])[0] for some in asked], abs=1e-5)
    assert len({round(some, 5) for some in together}) > 3


def test_what_is_written_on_each_passage_is_judged_by_it(language_model, monkeypatch):
    model, maker = language_model
    passages = [TrainingPassage(f"Bridge {n} opened{' so' * n} late in 1890.") for n in range(5)]
    said = {False: " 1890\nQuestion: When?", True: " late\nQuestion: How late?"}

    def texts(ids):
        return [said[branch >= 2] if len(ids) == 5 else "" for branch, _ in enumerate(ids)]

    monkeypatch.setattr(maker, "texts", texts)
    found = list(written_on(model, maker, passages, n_answered=2, n_traps=3, at_once=100))
    assert sorted(n for n, _ in found) == [1, 2, 2]
    assert sum(len(some) for _, some in found) == 10  # the same question is not kept twice
    examples = {(e.passages[0].text, e.source): e for _, some in found for e in some}
    assert len(examples) == 10
    asked = [(some.context, some.text, "When?") for some in passages]
    for passage, likely in zip(passages, verdicts(model, maker, asked), strict=True):
        answered = examples[passage.text, "squad1/written"].passages[0].answered
        assert answered == pytest.approx(likely * 0.8 / (likely * 0.8 + (1 - likely) * 0.2), abs=1e-3)


def test_machines_questions_are_judged_and_peoples_are_not(language_model, monkeypatch):
    model, maker = language_model
    by_people = Example("When?", (PASSAGE,), "squad2")
    sources = ("squad2/altered", "squad1/written", "squad1/trap")
    made = [Example("When?", (PASSAGE,), source) for source in sources]
    monkeypatch.setattr(writer, "verdicts", lambda model, maker, asked: [0.2, 0.8, 0.2])
    found = judged(model, maker, [made[0], by_people, *made[1:]])
    assert found[1] == by_people
    # By Bayes: what it was meant to be speaks as loudly as the verdict.
    expected = [0.04 / 0.68, None, 0.64 / 0.68, 0.04 / 0.68]
    assert [some.passages[0].answered for some in found] == [
        some and pytest.approx(some, abs=1e-4) for some in expected
    ]
    assert [bool(some.passages[0].spans) for some in found] == [False, True, True, False]


def test_a_wrong_passage_beside_the_right_one_is_not_judged(language_model):
    model, maker = language_model
    both = Example("When?", (PASSAGE, TrainingPassage("Other.")), "squad1/written")
    (found,) = judged(model, maker, [both])
    assert found.passages[0].answered is not None
    assert found.passages[1] == both.passages[1]


def test_of_traps_that_are_answered_a_third_is_worth_learning():
    def example(source, answered):
        return Example("When?", (replace(PASSAGE, answered=answered),), source)

    traps = [example("squad1/trap", 0.9) for _ in range(900)]
    others = [example("squad1/trap", 0.1), example("squad1/written", 0.9), example("squad1/written", 0.1)]
    found = writer.worth_learning([*others, *traps], random.Random(0))
    assert found[:3] == others
    assert 250 < len(found) - 3 < 350


@pytest.mark.parametrize("setting", [{"model_type": "qwen3"}, {"use_sliding_window": True}])
def test_a_model_of_another_kind_is_refused(language_model_folder, tmp_path, setting):
    stored = json.loads((language_model_folder / "config.json").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(stored | setting), encoding="utf-8")
    with pytest.raises(click.ClickException, match="take one of llama, qwen2"):
        load(tmp_path, "cpu", torch.float32)


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
    before = load(language_model_folder, "cpu", torch.float32)[0].to(best_dtype("cpu")).state_dict()
    assert not all(torch.equal(learnt[name], tensor.float()) for name, tensor in before.items())
    run("write", "--answered", 2, "--traps", 1, "--passages", 2)
    assert list(read_examples(tmp_path / "written.jsonl")) == []  # a model of this size writes nonsense
    write_examples([Example("When?", (PASSAGE,), "squad1/written")], tmp_path / "written.jsonl")
    assert "squad1/written: 1 judged" in run("judge", "written")
    assert "1 questions" in run("keep", "written", "--output", tmp_path / "kept")
    (found,) = read_examples(tmp_path / "written.jsonl")
    assert found.passages[0].answered is not None
