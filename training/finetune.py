"""Train the span reader on the examples that `training.prepare` made, in stages.

    python -m training.finetune broad --steps 1967 --hard-from 1737
    python -m training.finetune focus --steps 2200
    python -m training.finetune again --steps 2400
    python -m training.finetune teacher --encoder FOLDER --steps 1750 --rate 4e-5 --frozen 4
    python -m training.finetune student --steps 4800

`broad` rises to a constant learning rate on everything there is; `focus` goes on from it, on Wikipedia and on
questions made unanswerable, while the rate falls to nothing; `again` goes on from the mean of such stages, with
a short rise before the fall. `teacher` does so from a larger model, whose scores (`training.distil`) teach `student`.
A checkpoint is written every ten minutes and at the end, and a stage that is started again goes on from its own.
Losses and dev scores are in `log.csv`.
"""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import click
import numpy as np
import torch
from rich.progress import Progress

from index.model_files import embedded_folder
from qa.evaluation.measures import auroc, best_over, exact_match, f1
from qa.pairs import PairMaker
from qa.span_reader import MAX_ANSWER_TOKENS, TokenScores
from qa.spans import best_spans, log_total
from training.batches import Group, batches, collate, tokenize
from training.examples import Example, read_examples
from training.model import Batch, SpanModel, losses, parameters_by_decay
from training.taught import taught_groups

SEED = 20261124
_BATCH_TOKENS = 3072
_SCORED_TOKENS = 6144
"""Of a batch that is only scored."""
_SHORT_TOKENS, _LONG_TOKENS = 160, 256
"""Of a sequence. Away from Wikipedia a window around the answer will do, for speed."""
_SHORT = ("reddit", "amazon", "policyqa")
_CHECKPOINT_EVERY_S = 600


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training.

    Attributes:
        examples: The file of `training.prepare` that it learns from.
        n_rise: Steps in which the learning rate rises.
        falls: And it falls from there to nothing.
        before: The checkpoint that it sets out from; none to begin with the encoder.
        is_taught: It learns from a teacher's scores, too.
    """

    examples: str
    n_rise: int
    falls: bool = True
    before: str | None = None
    is_taught: bool = False


STAGES = {
    "broad": Stage("broad", 290, falls=False),
    "focus": Stage("focus", 0, before="broad"),
    "again": Stage("focus", 100, before="average"),
    "teacher": Stage("teacher", 100),
    "student": Stage("student", 100, before="average", is_taught=True),
}


def learning_rate(stage: Stage, step: int, n_steps: int, *, peak: float) -> float:
    """Return the rate of a step: up where the stage says so, then constant or, in a line, down.

    Source: Hu et al. 2024, https://arxiv.org/abs/2404.06395, section 4 (warm-up, stable, decay).
    """
    rise = min((step + 1) / max(stage.n_rise, 1), 1.0)
    return peak * (min(rise, (n_steps - step) / n_steps) if stage.falls else rise)


def tokenize_all(examples: Sequence[Example], folder: Path, seed: int) -> list[Group]:
    """Return the groups of all training examples, the same ones for the same seed."""
    rng = random.Random(seed)
    short, long = (PairMaker(folder, max_tokens=n) for n in (_SHORT_TOKENS, _LONG_TOKENS))
    return [tokenize(e, short if e.source.partition("/")[0] in _SHORT else long, rng) for e in examples]


def make_plan(groups: Sequence[Group], n_steps: int, seed: int) -> list[list[int]]:
    """Return the batches of so many steps: epoch after epoch, each in an order of its own."""
    plan: list[list[int]] = []
    for epoch in count():
        plan += batches(groups, max_tokens=_BATCH_TOKENS, seed=seed + epoch)
        if len(plan) >= n_steps:
            return plan[:n_steps]
    raise AssertionError  # count() has no end


@dataclass(slots=True)
class Losses:
    """Sums of both losses since they were last told."""

    finding: float = 0.0
    telling: float = 0.0
    n: int = 0

    def add(self, finding: float, telling: float) -> None:
        self.finding, self.telling, self.n = self.finding + finding, self.telling + telling, self.n + 1

    def means(self) -> dict[str, float]:
        return {name: round(getattr(self, name) / max(self.n, 1), 4) for name in ("finding", "telling")}


@dataclass(slots=True)
class Trainer:
    """A model in training, with all that a checkpoint has to keep."""

    model: SpanModel
    device: str
    peak: float
    step: int = 0
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.model.to(self.device).train()
        groups = parameters_by_decay(self.model, 0.01)
        self.optimizer = torch.optim.AdamW(groups, lr=self.peak, betas=(0.9, 0.98), fused=True)

    def save(self, path: Path) -> None:
        """Write a checkpoint; one that is cut short never takes the place of a whole one."""
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step}
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; of a mean of several there are the weights alone."""
        stored = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(stored["model"])
        if "optimizer" in stored:
            self.optimizer.load_state_dict(stored["optimizer"])
        self.step = stored.get("step", 0)

    def set_out(self, folder: Path, stage: str) -> None:
        """Go on with a stage where it stopped, or begin it where it is to begin."""
        before = STAGES[stage].before
        if (checkpoint := folder / f"{stage}.pt").exists():
            self.load(checkpoint)
        elif before is not None:
            self.load(folder / f"{before}.pt")
            self.step = 0

    def train(self, batch: Batch, rate: float) -> tuple[float, float]:
        """Take one step; return both losses."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        finding, telling = losses(*scores(self.model, batch, self.device), batch)
        (finding + telling).backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return finding.item(), telling.item()


def scores(model: SpanModel, batch: Batch, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return start, end and null scores on the CPU."""
    with torch.autocast(device, dtype=torch.bfloat16):
        start, end, null = model(batch.ids.to(device), batch.token_types.to(device), batch.mask.to(device))
    return start.cpu(), end.cpu(), null.cpu()


@torch.no_grad()
def score_rows(model: SpanModel, groups: Sequence[Group], device: str) -> list[list[TokenScores]]:
    """Return a model's scores of each row of each group."""
    found: list[list[TokenScores]] = [[] for _ in groups]
    for numbers in batches(groups, max_tokens=_SCORED_TOKENS, seed=0):
        batch = collate([groups[number] for number in numbers], is_hard=False)
        start, end, null = (tensor.numpy() for tensor in scores(model, batch, device))
        rows = ((number, row.pair.text) for number in numbers for row in groups[number].rows)
        for index, (number, text) in enumerate(rows):
            found[number].append(TokenScores(start[index, text], end[index, text], float(null[index])))
    return found


def dev_scores(trainer: Trainer, examples: Sequence[Example], folder: Path) -> dict[str, float]:
    """Return F1 and EM of answerable questions, the answer forced, and AUROC of answerable against not, by source.

    Of a passage that takes several windows the one with the answer is read: an evaluation reads them all.
    """
    trainer.model.eval()
    maker, rng = PairMaker(folder), random.Random(0)
    groups = [tokenize(example, maker, rng) for example in examples]
    answers: dict[int, tuple[str, float]] = {}
    for number, (scored, *_) in enumerate(score_rows(trainer.model, groups, trainer.device)):
        best = best_spans(scored.start, scored.end, max_tokens=MAX_ANSWER_TOKENS, n=1)[0]
        margin = log_total(scored.start, scored.end, max_tokens=MAX_ANSWER_TOKENS) - scored.null
        pair = groups[number].rows[0].pair
        answers[number] = (pair.span(best.first, best.last).of(examples[number].passages[0].text), margin)
    trainer.model.train()
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

    def note(self, losses: tuple[float, float], rate: float) -> None:
        """Take down a step."""
        self.losses.add(*losses)
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
    is_new = not log.exists()
    with log.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, row)
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def best_device() -> str:
    """Return the GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


folder_option = click.option(
    "--folder",
    type=click.Path(exists=True, path_type=Path),
    default=Path("var/training"),
    show_default=True,
    help="Where the examples are, and where checkpoints and a teacher's scores go.",
)


@click.command()
@click.argument("stage", type=click.Choice(list(STAGES)))
@click.option("--steps", type=click.IntRange(min=1), required=True, help="Of this stage.")
@folder_option
@click.option("--rate", default=1.2e-4, show_default=True, help="Highest learning rate.")
@click.option("--hard-from", type=int, help="Step after which weak questions count their best span alone.")
@click.option("--seed", default=SEED, show_default=True, help="Of the order, and of what is drawn.")
@click.option("--dropout", default=0.0, show_default=True, help="Of hidden states.")
@click.option(
    "--encoder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=embedded_folder,
    help="The model to start from; the one that ships unless given.",
)
@click.option(
    "--frozen",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Lower layers that are left as they are, and then the embeddings with them.",
)
@click.option("--dev-limit", default=800, show_default=True, help="Questions for the dev scores.")
def main(
    stage: str,
    *,
    steps: int,
    folder: Path,
    rate: float,
    hard_from: int | None,
    seed: int,
    dropout: float,
    encoder: Path,
    frozen: int,
    dev_limit: int,
) -> None:
    """Train a STAGE, on a GPU where there is one."""
    torch.manual_seed(seed)
    trainer = Trainer(SpanModel(encoder, dropout=dropout, n_frozen=frozen), best_device(), peak=rate)
    trainer.set_out(folder, stage)
    groups = tokenize_all(list(read_examples(folder / f"{STAGES[stage].examples}.jsonl")), encoder, seed)
    if STAGES[stage].is_taught:
        groups = list(taught_groups(groups, folder))
    dev = list(read_examples(folder / "dev.jsonl"))
    recorder = Recorder(trainer, stage, folder, random.Random(1).sample(dev, min(dev_limit, len(dev))), encoder)
    with Progress() as progress:
        task = progress.add_task(stage, total=steps, completed=trainer.step)
        for numbers in make_plan(groups, steps, seed)[trainer.step :]:
            is_hard = hard_from is not None and trainer.step > hard_from
            rate_now = learning_rate(STAGES[stage], trainer.step, steps, peak=rate)
            found = trainer.train(collate([groups[n] for n in numbers], is_hard=is_hard), rate_now)
            progress.update(task, completed=trainer.step, description=f"{stage} {found[0]:.3f} {found[1]:.3f}")
            recorder.note(found, rate_now)
    recorder.keep()


if __name__ == "__main__":
    main()
