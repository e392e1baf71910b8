"""The whole way from examples to a taught model, with a model of a few thousand parameters."""

import csv
import json
import shutil

import pytest
import torch
from click.testing import CliRunner

from qa.readers import embedded_folder
from tests.tiny import CONFIG, write_bert
from training import average, distil, finetune
from training.examples import Example, TrainingPassage, write_examples
from training.model import SpanModel

N_STEPS = 6


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
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(finetune, "_BATCH_TOKENS", 300)
    examples = [example(number, is_answerable=number % 3 > 0) for number in range(30)]
    for name in ("broad", "teacher", "student"):
        write_examples(examples, tmp_path / f"{name}.jsonl")
    write_examples(examples[:6], tmp_path / "dev.jsonl")
    return tmp_path


def run(command, *arguments):
    result = CliRunner().invoke(command.main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def train(stage, folder, encoder, *more):
    run(finetune, stage, "--steps", N_STEPS, "--folder", folder, "--encoder", encoder, "--rate", 1e-3, *more)
    return torch.load(folder / f"{stage}.pt", weights_only=True)


def rows_of(folder):
    with (folder / "log.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_training_that_is_cut_short_goes_on_to_the_same_weights(folder, encoder, tmp_path_factory, monkeypatch):
    other = tmp_path_factory.mktemp("whole")
    for path in folder.iterdir():
        shutil.copyfile(path, other / path.name)
    whole = train("broad", other, encoder)

    class CutShort(Exception):
        pass

    def step(self, batch, rate, *, go=finetune.Trainer.train):
        if self.step == 4:
            raise CutShort
        return go(self, batch, rate)

    with monkeypatch.context() as patched:
        patched.setattr(finetune, "_CHECKPOINT_EVERY_S", 0)
        patched.setattr(finetune.Trainer, "train", step)
        with pytest.raises(CutShort):
            train("broad", folder, encoder)
    resumed = train("broad", folder, encoder)
    assert resumed["step"] == whole["step"] == N_STEPS
    for name, tensor in whole["model"].items():
        assert torch.equal(tensor, resumed["model"][name]), name
    assert [row["step"] for row in rows_of(folder)] == ["1", "2", "3", "4", "6"]
    # Done already: nothing is trained, nothing is written.
    assert train("broad", folder, encoder)["step"] == N_STEPS
    assert len(rows_of(folder)) == 5


def test_frozen_layers_stay_as_they_are_and_the_others_do_not(folder, encoder):
    trained = train("teacher", folder, encoder, "--frozen", 1)["model"]
    start = SpanModel(encoder, dropout=0.0).state_dict()
    changed = {name for name, tensor in trained.items() if not torch.equal(tensor, start[name])}
    assert not any("embeddings" in name or "layer.0." in name for name in changed)
    assert any("layer.1." in name for name in changed)


def test_a_student_learns_from_a_teacher_on_from_the_mean_of_others(folder, encoder):
    train("broad", folder, encoder)
    run(average, folder / "broad.pt", "--output", folder / "average.pt")
    train("teacher", folder, encoder)
    run(distil, "--encoder", encoder, "--teacher", folder / "teacher.pt", "--folder", folder)
    assert train("student", folder, encoder)["step"] == N_STEPS
    assert {row["stage"] for row in rows_of(folder)} == {"broad", "teacher", "student"}
