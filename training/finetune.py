"""Train the span reader, and its teacher, on what `training.prepare` and `training.writer` made, in stages.

    python -m training.finetune first --encoder FOLDER --steps 300 --rate 5e-5
    python -m training.finetune teacher --encoder FOLDER --steps 1940 --rate 5e-5
    python -m training.finetune student --steps 3982 --rate 3.5e-4 --batch-tokens 32768
    python -m training.finetune everyday --steps 2000 --rate 4e-5 --batch-tokens 1536

`first` trains a larger model, at a learning rate that rises and stays; `teacher` goes on from it, on written
questions, too, while the rate falls to nothing. What `training.distil` then has of it teaches `student`, the reader.
`everyday` goes on from what `training.average` made of that, on made-up notices and tables, and is held to what it
knows.
A checkpoint is written every ten minutes and at the end, and a stage that is started again goes on from its own.
Losses and dev scores are in `log.csv`.
"""

from __future__ import annotations

import csv
import os
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
import torch
from rich.progress import Progress

from index.model_files import embedded_folder
from qa.evaluation.measures import auroc, best_over, exact_match, f1
from qa.pairs import MAX_TOKENS, PairMaker
from qa.span_reader import MAX_ANSWER_TOKENS
from qa.spans import best_spans, log_total
from training.batches import batches, tokenize
from training.corpus import Corpus, Feeder, scored
from training.devices import best_device, folder_option, to_best
from training.everyday import ONE_HOUSE, SEVERAL_HOUSES
from training.examples import Example, read_examples
from training.lookups import LOOKUP
from training.model import Batch, SpanModel, losses, trained_model
from training.optimizer import Optimizer
from training.taught import with_taught

SEED = 20261124
_SHORT_TOKENS, _LONG_TOKENS = 160, 256
"""Of a sequence. Away from Wikipedia a window around the answer will do, for speed."""
_SHORT, _WHOLE = ("reddit", "amazon", "policyqa"), (ONE_HOUSE, SEVERAL_HOUSES, LOOKUP)
"""Sources of sequences that are short, and of those that are as long as a reader's, for tables with names are."""
_CHECKPOINT_EVERY_S = 600


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training.

    Attributes:
        examples: The files that it learns from.
        n_rise: Steps in which the learning rate rises.
        falls: And it falls from there to nothing.
        before: The checkpoint that it goes on from; none to begin with the encoder.
        is_taught: It learns from a teacher's scores, too.
        kept: Files of examples beside these, whose teacher is what it goes on from: it is not to forget them.
    """

    examples: tuple[str, ...]
    n_rise: int
    falls: bool = True
    before: str | None = None
    is_taught: bool = False
    kept: tuple[str, ...] = ()


STAGES = {
    "first": Stage(("examples",), 100, falls=False),
    "teacher": Stage(("examples", "written"), 0, before="first"),
    "student": Stage(("examples", "written"), 300, is_taught=True),
    "everyday": Stage(("everyday", "lookups"), 50, before="average", kept=("examples", "written")),
}
_KEPT_TOKENS = 1.5
"""Of what is kept for each token of what is new."""


def start_of(stage: str, folder: Path) -> Path:
    """Return the checkpoint that a stage goes on from.

    Raises:
        click.ClickException: It is not there.
    """
    if not (start := folder / f"{STAGES[stage].before}.pt").exists():
        raise click.ClickException(f"{start} is missing, to go on from: training/README.md says what makes it")
    return start


def learning_rate(stage: Stage, step: int, n_steps: int, *, peak: float) -> float:
    """Return the rate of a step: up where the stage says so, then constant or, in a line, down.

    Source: Hu et al. 2024, https://arxiv.org/abs/2404.06395, section 4 (warm-up, stable, decay).
    """
    rise = min((step + 1) / max(stage.n_rise, 1), 1.0)
    return peak * (min(rise, (n_steps - step) / n_steps) if stage.falls else rise)


def read_all(folder: Path, names: Sequence[str]) -> list[Example]:
    """Return the examples of several files.

    Raises:
        click.ClickException: There are none.
    """
    found = [example for name in names for example in read_examples(folder / f"{name}.jsonl")]
    if not found:
        raise click.ClickException(f"no examples in {folder}: run `python -m training.prepare`")
    return found


def tokenize_all(examples: Sequence[Example], folder: Path, seed: int) -> Corpus:
    """Return the sequences of all training examples, the same ones for the same seed."""
    size = 2000
    parts = [(examples[at : at + size], folder, seed + at) for at in range(0, len(examples), size)]
    if len(parts) == 1:
        return _tokenized(*parts[0])
    # Not forked: torch may have threads by now.
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        return Corpus.joined(list(pool.map(_tokenized, *zip(*parts, strict=True))))


def _tokenized(examples: Sequence[Example], folder: Path, seed: int) -> Corpus:
    """Return the sequences of some training examples."""
    rng = random.Random(seed)
    short, long, whole = (
        PairMaker(folder, max_tokens=n, names_cells=True) for n in (_SHORT_TOKENS, _LONG_TOKENS, MAX_TOKENS)
    )
    of_source = dict.fromkeys(_SHORT, short) | dict.fromkeys(_WHOLE, whole)
    return Corpus.of([tokenize(e, of_source.get(e.source.partition("/")[0], long), rng) for e in examples])


def make_plan(corpus: Corpus, n_steps: int, seed: int, *, max_tokens: int) -> list[list[int]]:
    """Return the batches of so many steps: epoch after epoch, each in an order of its own."""
    lengths, n_rows = corpus.lengths.tolist(), corpus.n_rows.tolist()
    plan: list[list[int]] = []
    for epoch in count():
        plan += batches(lengths, n_rows, max_tokens=max_tokens, seed=seed + epoch)
        if len(plan) >= n_steps:
            return plan[:n_steps]
    raise AssertionError  # count() has no end


@dataclass(slots=True)
class Losses:
    """Sums of both losses since they were last told, on the device: to ask for them is to wait for it."""

    sums: torch.Tensor | float = 0.0
    n: int = 0

    def add(self, both: torch.Tensor) -> None:
        self.sums, self.n = self.sums + both, self.n + 1

    def means(self) -> dict[str, float]:
        means = (torch.as_tensor(self.sums) / max(self.n, 1)).tolist()
        return {name: round(mean, 4) for name, mean in zip(("finding", "telling"), means, strict=True)}


class Trainer:
    """A model in training, with all that a checkpoint has to keep."""

    def __init__(self, model: SpanModel, device: str) -> None:
        self.model, self.device, self.step = model.train(), device, 0
        self.optimizer = Optimizer(model, device, weight_decay=0.01)

    def save(self, path: Path) -> None:
        """Write a checkpoint; one that is cut short never takes the place of a whole one."""
        torch.save(self.optimizer.state() | {"step": self.step}, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        stored = torch.load(path, map_location=self.device, weights_only=True)
        self.optimizer.load(stored)
        # A mean of checkpoints has none.
        self.step = stored.get("step", 0)

    def set_out(self, folder: Path, stage: str) -> None:
        """Go on with a stage where it stopped, or begin it where it is to begin."""
        if (checkpoint := folder / f"{stage}.pt").exists():
            self.load(checkpoint)
        elif STAGES[stage].before is not None:
            self.load(start_of(stage, folder))
            self.step = 0

    def train(self, batch: Batch, rate: float, *, kept: Batch | None = None) -> torch.Tensor:
        """Take one step, on what is kept, too; return both losses of the batch, (2,)."""
        finding, telling = losses(*self.model.scores(batch), batch)
        (finding + telling).backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        if kept is not None:
            torch.stack(losses(*self.model.scores(kept), kept)).sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step(rate)
        self.step += 1
        return torch.stack([finding, telling]).detach()


class Memory:
    """Batches of other examples, taught by what a model made of them before it went on, and by nothing else.

    Their labels would teach it anew, with small steps and without its teacher, and it would find less than before.
    Source: Li and Hoiem 2016, https://arxiv.org/abs/1606.09282 ("learning without forgetting").
    """

    def __init__(self, model: SpanModel, corpus: Corpus, plan: Sequence[Sequence[int]], device: str) -> None:
        to_best(model, device)
        self._model, self._feeder, self._plan = model, Feeder(corpus, device), plan

    @torch.no_grad()
    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        batch = self._feeder.batch(self._plan[step])
        # Were a question weak, its label would tell where the teacher counts.
        return replace(batch, taught=self._model.scores(batch), trust=1.0, is_weak=torch.zeros_like(batch.is_weak))


def dev_scores(trainer: Trainer, examples: Sequence[Example], folder: Path) -> dict[str, float]:
    """Return F1 and EM of answerable questions, the answer forced, and AUROC of answerable against not, by source.

    An answer is the best span of all passages of its question. Of a passage that takes several windows the one with
    the answer is read: an evaluation reads them all.
    """
    trainer.model.eval()
    maker, rng = PairMaker(folder, names_cells=True), random.Random(0)
    groups = [tokenize(example, maker, rng) for example in examples]
    corpus = Corpus.of(groups)
    found_scores = scored(corpus, trainer.model, device=trainer.device)
    trainer.model.train()
    answers: dict[int, tuple[str, float]] = {}
    for number, group in enumerate(groups):
        found_spans, margins = [], []
        for at, (row, passage) in enumerate(zip(group.rows, examples[number].passages, strict=True)):
            of_row = int(corpus.row_starts[number]) + at
            begin, text = corpus.token_starts[of_row], row.pair.text
            of_text = slice(begin + text.start, begin + text.stop)
            start, end = (
                np.where(row.pair.is_name, -np.inf, some[of_text]) for some in (found_scores.start, found_scores.end)
            )
            best = best_spans(start, end, max_tokens=MAX_ANSWER_TOKENS, n=1)[0]
            found_spans.append((best.score, row.pair.span(best.first, best.last).of(passage.text)))
            margins.append(log_total(start, end, max_tokens=MAX_ANSWER_TOKENS) - float(found_scores.null[of_row]))
        answers[number] = (max(found_spans)[1], max(margins))
    found: dict[str, float] = {}
    for source in sorted({example.source for example in examples}):
        chosen = [number for number, example in enumerate(examples) if example.source == source]
        found |= {f"{source}_{name}": value for name, value in _measures(examples, answers, chosen).items()}
    return found


def _measures(
    examples: Sequence[Example], answers: dict[int, tuple[str, float]], chosen: Sequence[int]
) -> dict[str, float]:
    golds = {n: [examples[n].passages[0].text[s:e] for s, e in examples[n].passages[0].spans] for n in chosen}
    found = {
        name: float(np.mean([best_over(measure, answers[n][0], golds[n]) for n in chosen if golds[n]]))
        for name, measure in (("f1", f1), ("em", exact_match))
    }
    if not all(golds.values()):
        is_answerable = np.array([bool(golds[n]) for n in chosen])
        found["auroc"] = auroc(np.array([answers[n][1] for n in chosen]), is_answerable)
    return found


@dataclass(slots=True)
class Recorder:
    """Keeps a checkpoint, and writes a row of the log, every ten minutes and at the end."""

    trainer: Trainer
    stage: str
    folder: Path
    dev: Sequence[Example]
    encoder: Path
    losses: Losses = field(default_factory=Losses)
    rate: float = 0.0
    began: float = field(default_factory=time.monotonic)
    kept: float = field(default_factory=time.monotonic)

    def note(self, losses: torch.Tensor, rate: float) -> None:
        """Take down a step."""
        self.losses.add(losses)
        self.rate = rate
        if time.monotonic() - self.kept > _CHECKPOINT_EVERY_S:
            self.keep()

    def keep(self) -> None:
        """Keep what was trained since this was last done, if anything was."""
        if not self.losses.n:
            return
        self.trainer.save(self.folder / f"{self.stage}.pt")
        row: dict[str, object] = {"stage": self.stage, "step": self.trainer.step}
        row |= {"minutes": round((time.monotonic() - self.began) / 60, 2), "rate": self.rate, **self.losses.means()}
        for name, value in dev_scores(self.trainer, self.dev, self.encoder).items():
            row[name] = round(value, 4)
        _append(self.folder / "log.csv", row)
        click.echo(str(row))
        self.losses, self.kept = Losses(), time.monotonic()


def _append(log: Path, row: dict[str, object]) -> None:
    """Append a row, under the columns that the log has; others are an error, missing ones are left empty."""
    columns = list(row)
    if log.exists():
        with log.open(newline="", encoding="utf-8") as stream:
            columns = next(csv.reader(stream))
    is_new = not log.exists()
    with log.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        if is_new:
            writer.writeheader()
        writer.writerow(row)


@click.command()
@click.argument("stage", type=click.Choice(list(STAGES)))
@click.option("--steps", type=click.IntRange(min=1), required=True, help="Of this stage.")
@folder_option
@click.option("--rate", type=float, required=True, help="Highest learning rate.")
@click.option("--batch-tokens", default=16384, show_default=True, help="Of one step, padding included.")
@click.option("--seed", default=SEED, show_default=True, help="Of the order, and of what is drawn.")
@click.option(
    "--encoder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=embedded_folder,
    help="The model to start from; the one that ships unless given.",
)
@click.option("--dev-limit", default=800, show_default=True, help="Questions for the dev scores.")
def main(
    stage: str,
    *,
    steps: int,
    folder: Path,
    rate: float,
    batch_tokens: int,
    seed: int,
    encoder: Path,
    dev_limit: int,
) -> None:
    """Train a STAGE, on a GPU where there is one."""
    torch.manual_seed(seed)
    trainer = Trainer(SpanModel(encoder), best_device())
    trainer.set_out(folder, stage)
    corpus = tokenize_all(read_all(folder, STAGES[stage].examples), encoder, seed)
    if STAGES[stage].is_taught:
        corpus = with_taught(corpus, folder)
    memory = None
    if STAGES[stage].kept:
        memory = _memory(stage, steps, folder, encoder, seed, batch_tokens=batch_tokens, device=trainer.device)
    feeder = Feeder(corpus, trainer.device)
    dev = list(read_examples(folder / "dev.jsonl"))
    recorder = Recorder(trainer, stage, folder, random.Random(1).sample(dev, min(dev_limit, len(dev))), encoder)
    with Progress() as progress:
        task = progress.add_task(stage, total=steps, completed=trainer.step)
        for numbers in make_plan(corpus, steps, seed, max_tokens=batch_tokens)[trainer.step :]:
            rate_now = learning_rate(STAGES[stage], trainer.step, steps, peak=rate)
            kept = memory.batch(trainer.step) if memory else None
            recorder.note(trainer.train(feeder.batch(numbers), rate_now, kept=kept), rate_now)
            progress.update(task, completed=trainer.step)
    recorder.keep()


def _memory(
    stage: str, steps: int, folder: Path, encoder: Path, seed: int, *, batch_tokens: int, device: str
) -> Memory:
    """Return what a stage is not to forget."""
    before = trained_model(encoder, start_of(stage, folder))
    corpus = tokenize_all(read_all(folder, STAGES[stage].kept), encoder, seed)
    plan = make_plan(corpus, steps, seed, max_tokens=int(_KEPT_TOKENS * batch_tokens))
    return Memory(before, corpus, plan, device)


if __name__ == "__main__":
    main()
