"""The whole way from examples to a taught model, with a model of a few thousand parameters."""

import csv
import json
import shutil
from dataclasses import replace

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from qa.readers import embedded_folder
from tests.tiny import CONFIG, write_bert
from training import average, devices, distil, export, finetune
from training.corpus import Feeder, Scores
from training.examples import Example, TrainingPassage, write_examples
from training.model import SpanModel

N_STEPS = 6
SMALL = ("--batch-tokens", 300)


def example(number, *, is_answerable=True):
    text = f"The bridge over stream {number} opened in {1800 + number}. It was painted red a year later."
    start = text.index(" in ") + 4
    passages = (TrainingPassage(text, "Bridges", ((start, start + 4),) if is_answerable else ()),)
    # Long, so that a batch holds few of them.
    question = f"When did the bridge over stream {number} open{', and to whom' * 12}?"
    return Example(question, passages, "squad2")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    vocabulary = json.loads((embedded_folder() / "config.json").read_bytes())["vocab_size"]
    write_bert(folder, config=CONFIG | {"vocab_size": vocabulary, "max_position_embeddings": 256})
    shutil.copyfile(embedded_folder() / "tokenizer.json", folder / "tokenizer.json")
    return folder


@pytest.fixture
def folder(tmp_path):
    examples = [example(number, is_answerable=number % 3 > 0) for number in range(30)]
    write_examples(examples[:20], tmp_path / "examples.jsonl")
    write_examples([replace(e, source="squad1/written") for e in examples[20:]], tmp_path / "written.jsonl")
    write_examples(examples[:6], tmp_path / "dev.jsonl")
    return tmp_path


def run(command, *arguments):
    result = CliRunner().invoke(command.main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def train(stage, folder, encoder, *more):
    run(finetune, stage, "--steps", N_STEPS, "--folder", folder, "--encoder", encoder, "--rate", 1e-3, *SMALL, *more)
    return torch.load(folder / f"{stage}.pt", weights_only=True)


def rows_of(folder):
    with (folder / "log.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_training_that_is_cut_short_goes_on_to_the_same_weights(
    folder, encoder, tmp_path_factory, monkeypatch, dtype
):
    monkeypatch.setattr(devices, "best_dtype", lambda device: dtype)
    other = tmp_path_factory.mktemp("whole")
    for path in folder.iterdir():
        shutil.copyfile(path, other / path.name)
    whole = train("first", other, encoder)

    class CutShort(Exception):
        pass

    def step(self, batch, rate, *, kept=None, go=finetune.Trainer.train):
        if self.step == 4:
            raise CutShort
        return go(self, batch, rate, kept=kept)

    with monkeypatch.context() as patched:
        patched.setattr(finetune, "_CHECKPOINT_EVERY_S", 0)
        patched.setattr(finetune.Trainer, "train", step)
        with pytest.raises(CutShort):
            train("first", folder, encoder)
    resumed = train("first", folder, encoder)
    assert resumed["step"] == whole["step"] == N_STEPS
    for name, tensor in whole["model"].items():
        assert torch.equal(tensor, resumed["model"][name]), name
    assert [row["step"] for row in rows_of(folder)] == ["1", "2", "3", "4", "6"]
    # Done already: nothing is trained, nothing is written.
    assert train("first", folder, encoder)["step"] == N_STEPS
    assert len(rows_of(folder)) == 5


@pytest.fixture
def with_everyday(folder, encoder):
    """A folder with a mean to go on from, and with new examples to learn."""
    train("first", folder, encoder)
    run(average, folder / "first.pt", "--output", folder / "average.pt")
    for name, numbers in (("everyday", range(40, 50)), ("lookups", range(50, 60))):
        write_examples([replace(example(number), source=name) for number in numbers], folder / f"{name}.jsonl")
    return folder


def test_everyday_goes_on_from_a_mean_and_is_taught_what_it_knew_by_it_alone(with_everyday, encoder, monkeypatch):
    mean = torch.load(with_everyday / "average.pt", weights_only=True)["model"]
    taught = []

    def step(self, batch, rate, *, kept, go=finetune.Trainer.train):
        before = SpanModel(encoder).eval()
        before.load_state_dict(mean)
        with torch.no_grad():
            taught.append(all(map(torch.equal, kept.taught, before.scores(kept))))
        assert kept.trust == 1
        assert not kept.is_weak.any()
        assert batch.taught is None
        return go(self, batch, rate, kept=kept)

    monkeypatch.setattr(devices, "best_dtype", lambda device: torch.float32)
    monkeypatch.setattr(finetune.Trainer, "train", step)
    found = train("everyday", with_everyday, encoder)
    assert taught == [True] * N_STEPS
    assert found["step"] == N_STEPS
    assert any(not torch.equal(tensor, mean[name]) for name, tensor in found["model"].items())


def test_what_is_kept_counts_in_a_step(with_everyday, encoder):
    def trained(kept):
        trainer = finetune.Trainer(SpanModel(encoder), "cpu")
        trainer.set_out(with_everyday, "everyday")
        trainer.train(feeder.batch([0]), 1e-3, kept=kept)
        return trainer.model.state_dict()

    corpus = finetune.tokenize_all(finetune.read_all(with_everyday, ("everyday",)), encoder, 1)
    feeder = Feeder(corpus, "cpu")
    alone, beside = trained(None), trained(feeder.batch([1]))
    assert any(not torch.equal(tensor, beside[name]) for name, tensor in alone.items())


def test_a_name_before_a_cell_is_no_answer_of_dev(encoder, monkeypatch):
    text = "| Boat | Hour | Deposit |\n|---|---|---|\n| Canoe | £14 | £40 |"
    examples = [
        Example("How much?", (TrainingPassage(text, "", ((text.index("£40"), text.index("£40") + 3),)),), "some")
    ]

    def found(corpus, model, *, device):
        start, end = np.zeros((2, len(corpus.ids)), np.float32)
        first, after = corpus.gold[0]
        start[first], end[first + after] = 5, 5
        start[first - 3], end[first - 2] = 9, 9
        return Scores(start, end, np.zeros(1, np.float32))

    monkeypatch.setattr(finetune, "scored", found)
    trainer = finetune.Trainer(SpanModel(encoder), "cpu")
    assert finetune.dev_scores(trainer, examples, encoder) == {"some_f1": 1.0, "some_em": 1.0}


@pytest.mark.parametrize(("score_elsewhere", "f1"), [(1, 1.0), (9, 0.0)])
def test_an_answer_of_dev_is_the_best_span_of_all_its_passages(encoder, monkeypatch, score_elsewhere, f1):
    text = "The bridge was opened in 1890."
    passages = (TrainingPassage(text, "", ((25, 29),)), TrainingPassage("The tower is red."))
    examples = [Example("When?", passages, "some"), Example("Who?", passages[1:], "some")]

    def found(corpus, model, *, device):
        start, end = np.zeros((2, len(corpus.ids)), np.float32)
        start[corpus.token_starts[0] + corpus.gold[0, 0]] = 5
        start[corpus.token_starts[1] + corpus.text[1, 0]] = score_elsewhere
        return Scores(start, end, np.zeros(len(corpus.text), np.float32))

    monkeypatch.setattr(finetune, "scored", found)
    trainer = finetune.Trainer(SpanModel(encoder), "cpu")
    assert finetune.dev_scores(trainer, examples, encoder) == {"some_f1": f1, "some_em": f1, "some_auroc": 1.0}


def test_word_embeddings_stay_as_they_are_and_the_rest_does_not(folder, encoder):
    trained = train("first", folder, encoder)["model"]
    start = SpanModel(encoder).state_dict()
    changed = {name for name, tensor in trained.items() if not torch.equal(tensor, start[name])}
    assert "bert.embeddings.word_embeddings.weight" not in changed
    assert any("layer.0." in name for name in changed)
    assert any("layer.1." in name for name in changed)


def test_a_row_goes_under_the_columns_of_the_log(tmp_path):
    finetune._append(tmp_path / "log.csv", {"step": 1, "f1": 0.5, "auroc": 0.6})
    finetune._append(tmp_path / "log.csv", {"f1": 0.7, "step": 2})
    assert rows_of(tmp_path) == [{"step": "1", "f1": "0.5", "auroc": "0.6"}, {"step": "2", "f1": "0.7", "auroc": ""}]


def test_a_student_learns_from_a_teacher_and_its_mean_with_another_is_exported(folder, encoder, tmp_path_factory):
    train("first", folder, encoder)
    train("teacher", folder, encoder)
    run(distil, "--encoder", encoder, "--teacher", folder / "teacher.pt", "--folder", folder)
    assert train("student", folder, encoder)["step"] == N_STEPS
    run(average, folder / "student.pt", folder / "first.pt", "--output", folder / "average.pt")
    output = tmp_path_factory.mktemp("reader")
    run(export, "--checkpoint", folder / "average.pt", "--output", output)
    mean = torch.load(folder / "average.pt", weights_only=True)["model"]
    assert load_file(output / "model.safetensors").keys() == mean.keys()
    assert [row["stage"] for row in rows_of(folder)] == ["first", "teacher", "student"]


def test_examples_are_tokenized_alike_whether_by_one_process_or_by_several(encoder):
    examples = [example(number) for number in range(2100)]
    corpus = finetune.tokenize_all(examples, encoder, 1)
    assert len(corpus) == 2100
    first = finetune.tokenize_all(examples[:2000], encoder, 1)
    rest = finetune._tokenized(examples[2000:], encoder, 2001)
    assert [corpus.part(0, 2000).digest, corpus.part(2000, 2100).digest] == [first.digest, rest.digest]


def test_no_examples_are_an_error_with_a_remedy(tmp_path):
    (tmp_path / "examples.jsonl").touch()
    with pytest.raises(click.ClickException, match=r"training\.prepare"):
        finetune.read_all(tmp_path, ("examples",))


def test_a_stage_whose_start_is_missing_is_an_error_with_a_remedy(folder, encoder):
    with pytest.raises(click.ClickException, match=r"average\.pt is missing.*README"):
        finetune.Trainer(SpanModel(encoder), "cpu").set_out(folder, "everyday")
