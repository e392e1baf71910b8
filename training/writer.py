"""A language model that writes questions on passages, with an answer or with none, and judges who answers what.

    python -m training.writer learn --model FOLDER   # var/training/writer
    python -m training.writer write                  # var/training/written.jsonl, with how likely each is answered
    python -m training.writer judge examples         # the same for what was altered, into that file
    python -m training.writer keep examples written  # training/kept.csv.xz, which `training.prepare` reads

It learns from the questions that people wrote: to write one on an answer, to write one that the passage does not answer
around something that looks like an answer, and to say whether a passage answers a question.

Source: Zhu et al. 2019, https://arxiv.org/abs/1906.06045, for questions without an answer written around a plausible
    one; Alberti et al. 2019, https://arxiv.org/abs/1906.05416, for training a reader on questions that a model wrote.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from rich.progress import Progress, track
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from qa.evaluation.measures import auroc
from training.batches import packed
from training.devices import best_device, best_dtype, folder_option
from training.examples import Example, TrainingPassage, read_examples, write_examples
from training.kept import KEPT, write_kept
from training.optimizer import Optimizer
from training.stems import KINDS, LanguageModel, Stems
from training.trees import Branch, Forest, Tree, TreeMaker, forest
from training.unanswerable import altered_question

_SEED = 20261126
_BATCH_TOKENS = 6144
_JUDGED_TOKENS, _JUDGED_QUESTIONS = 65536, 16
"""Of the passages that are kept at once, and of each of them."""
_MAX_WRITTEN_TOKENS = 44
"""Of an answer and its question."""
_BELIEVED = 0.5
_KEPT_ANSWERED_TRAPS = 1 / 3
"""Enough to teach that not every odd question is a trap."""
_PRIORS = {"altered": 0.2, "written": 0.8, "trap": 0.2}
"""How likely the passage answers a question that was made to be one of these, before it is judged."""

_MARK = "\nQuestion: "
_ANSWER, _TRAP = "Answer:", "Trap:"
_YES, _NO = "Yes", "No"


def written_branch(question: str, answer: str, *, is_trap: bool = False) -> Branch:
    """Return what a model learns to write: an answer and its question, or what only looks like one and its question."""
    return Branch(_TRAP if is_trap else _ANSWER, f" {answer}{_MARK}{question}")


def verdict_branch(question: str, *, is_answered: bool) -> Branch:
    """Return what it learns to say to a question: whether the passage answers it."""
    return Branch(f"Question: {question}\nDoes the text say it?\n", _YES if is_answered else _NO, is_verdict=True)


def load(folder: Path, device: str, dtype: torch.dtype) -> tuple[LanguageModel, TreeMaker]:
    """Return the language model in a folder, and what makes its sequences.

    Raises:
        click.ClickException: It is of a kind that cannot be gone on from here.
    """
    config = AutoConfig.from_pretrained(str(folder))
    if config.model_type not in KINDS or getattr(config, "use_sliding_window", False):
        raise click.ClickException(f"{folder} has a model of kind {config.model_type}: take one of {', '.join(KINDS)}")
    model: LanguageModel = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype, attn_implementation="sdpa")
    return model.to(device), TreeMaker(AutoTokenizer.from_pretrained(str(folder)))


def said_scores(model: LanguageModel, batch: Forest) -> Tensor:
    """Return the logits of each learnt token, (n, words)."""
    states = model.model(
        input_ids=batch.ids, position_ids=batch.positions, attention_mask=batch.mask, use_cache=False
    ).last_hidden_state
    rows, places = batch.learnt.T
    logits: Tensor = model.lm_head(states[rows, places - 1])
    return logits


def losses(model: LanguageModel, batch: Forest) -> tuple[Tensor, Tensor]:
    """Return the loss of writing, a mean over tokens, and that of judging, a mean over verdicts."""
    rows, places = batch.learnt.T
    loss = functional.cross_entropy(said_scores(model, batch).float(), batch.ids[rows, places], reduction="none")
    judges = batch.is_verdict
    writing, judging = ((loss * some).sum() / some.sum().clamp_min(1) for some in (~judges, judges))
    return writing, judging


def verdicts(model: LanguageModel, maker: TreeMaker, asked: Sequence[tuple[str, str, str]]) -> list[float]:
    """Return how likely each passage answers, in [0, 1].

    Args:
        asked: Context, text and question of each.
    """
    of_passage: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, (context, text, _) in enumerate(asked):
        of_passage[context, text].append(number)
    parts = [
        (*key, numbers[at : at + _JUDGED_QUESTIONS])
        for key, numbers in of_passage.items()
        for at in range(0, len(numbers), _JUDGED_QUESTIONS)
    ]
    stems = maker.stems([(context, text) for context, text, _ in parts])
    found = [0.5] * len(asked)
    for chosen in track(_at_once(stems, _JUDGED_TOKENS), "Judging"):
        numbers = [parts[part][2] for part in chosen]
        shares = judged_on(
            Stems(model, [stems[part] for part in chosen]), maker, [[asked[n][2] for n in some] for some in numbers]
        )
        for of_part, of_shares in zip(numbers, shares, strict=True):
            for number, share in zip(of_part, of_shares, strict=True):
                found[number] = share
    return found


def judged_on(stems: Stems, maker: TreeMaker, questions: Sequence[Sequence[str]]) -> list[list[float]]:
    """Return how likely each passage answers each of its questions."""
    yes, no = (maker.ids(word)[0] for word in (_YES, _NO))
    ids = iter(maker.all_ids([verdict_branch(some, is_answered=True).given for of_one in questions for some in of_one]))
    return stems.preferred([[next(ids) for _ in of_one] for of_one in questions], one=yes, other=no)


def _at_once(stems: Sequence[Sequence[int]], max_tokens: int) -> list[list[int]]:
    """Return the numbers of stems about as long as one another, so many tokens with what fills them up at a time."""
    lengths = [len(stem) for stem in stems]
    return list(packed(lengths, sorted(range(len(stems)), key=lambda n: lengths[n]), max_tokens=max_tokens))


def written_example(said: str, passage: TrainingPassage, *, is_trap: bool) -> Example | None:
    """Return what a model wrote on a passage as an example; None where it has not the form or quotes nothing.

    The answer is right wherever it stands, but not inside another word.
    """
    answer, mark, question = said.partition(_MARK)
    answer, question = answer.strip(), question.strip()
    places = [match.span() for match in re.finditer(rf"(?<!\w){re.escape(answer)}(?!\w)", passage.text)]
    if not (mark and answer and places and question.endswith("?")):
        return None
    if is_trap:
        return Example(question, (replace(passage, trap=places[0]),), "squad1/trap")
    return Example(question, (replace(passage, spans=tuple(places)),), "squad1/written")


def written_on(
    model: LanguageModel,
    maker: TreeMaker,
    passages: Sequence[TrainingPassage],
    *,
    n_answered: int,
    n_traps: int,
    at_once: int,
) -> Iterator[tuple[int, list[Example]]]:
    """Yield for how many passages more is written, and what, with how likely the passage answers it.

    Args:
        n_answered, n_traps: Questions for each passage.
        at_once: Tokens of the passages that are read at once, with what fills them up.
    """
    all_stems = maker.stems([(some.context, some.text) for some in passages])
    starts = [*[maker.ids(_ANSWER)] * n_answered, *[maker.ids(_TRAP)] * n_traps]
    parts = _at_once(all_stems, at_once)
    random.Random(_SEED).shuffle(parts)
    for part in parts:
        stems = Stems(model, [all_stems[number] for number in part])
        said = stems.said(starts, end=maker.end, max_tokens=_MAX_WRITTEN_TOKENS)
        found = [
            _unique(
                written_example(text, passages[number], is_trap=branch >= n_answered)
                for branch, text in enumerate(maker.texts(of_one))
            )
            for number, of_one in zip(part, said.tolist(), strict=True)
        ]
        shares = judged_on(stems, maker, [[some.question for some in of_one] for of_one in found])
        del stems  # before others are read: it is large
        yield (
            len(part),
            [
                with_verdict(example, share)
                for of_one, of_shares in zip(found, shares, strict=True)
                for example, share in zip(of_one, of_shares, strict=True)
            ],
        )


def worth_learning(examples: Iterable[Example], rng: random.Random) -> list[Example]:
    """Return the examples, of traps that are answered after all only every third: what answers them is not known."""
    return [some for some in examples if not _is_answered_trap(some) or rng.random() < _KEPT_ANSWERED_TRAPS]


def _is_answered_trap(example: Example) -> bool:
    return example.source.endswith("/trap") and (example.passages[0].answered or 0.0) >= _BELIEVED


def _unique(examples: Iterable[Example | None]) -> list[Example]:
    """Return those that are there; the same question twice teaches nothing new."""
    return list({some.question: some for some in examples if some is not None}.values())


def lessons(examples: Sequence[Example], rng: random.Random) -> list[tuple[TrainingPassage, list[Branch]]]:
    """Return for each passage what is to be said of it: questions to write and verdicts.

    Verdicts are on the questions that people asked about the passage, and where none of them is without an answer, on
    questions about the same document's other passages and on altered ones.
    """
    of_passage: dict[tuple[str, str], list[Example]] = defaultdict(list)
    of_document: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        passage = example.passages[0]
        of_passage[passage.context, passage.text].append(example)
        of_document[passage.context].append(example)
    found = []
    for (context, text), asked in of_passage.items():
        branches = [branch for example in asked for branch in _of_people(example)]
        if all(example.passages[0].spans for example in asked):
            others = [some for some in of_document[context] if some.passages[0].text != text]
            for example in asked:
                answers = [text[start:end] for start, end in example.passages[0].spans]
                wrong = altered_question(example.question, text, answers, rng) if rng.random() < 0.5 else None
                if wrong is None and others:
                    wrong = rng.choice(others).question
                if wrong is not None:
                    branches.append(verdict_branch(wrong, is_answered=False))
        # What misleads is what there is least of.
        is_misleading = any(example.passages[0].trap is not None for example in asked)
        found += [(asked[0].passages[0], branches)] * (2 if is_misleading else 1)
    return found


def _of_people(example: Example) -> Iterator[Branch]:
    """Yield the question as one to write, and the verdict on it."""
    passage = example.passages[0]
    yield verdict_branch(example.question, is_answered=bool(passage.spans))
    if passage.spans:
        start, end = min(passage.spans, key=lambda span: span[1] - span[0])
        yield written_branch(example.question, passage.text[start:end])
    elif passage.trap is not None:
        start, end = passage.trap
        yield written_branch(example.question, passage.text[start:end], is_trap=True)


def learn(
    model: LanguageModel, trees: Sequence[Tree], *, epochs: int, rate: float, device: str
) -> Iterator[tuple[float, float, float]]:
    """Train a model; yield the share of it that is done and both losses after each step.

    The rate rises for a twentieth of the steps and falls to nothing, in a line.
    """
    rng, sizes = random.Random(_SEED), [len(tree) for tree in trees]
    plan: list[list[int]] = []
    for _ in range(epochs):
        order = rng.sample(range(len(trees)), len(trees))
        # By length within runs, so that little is padded.
        runs = [sorted(order[at : at + 256], key=lambda number: sizes[number]) for at in range(0, len(order), 256)]
        of_epoch = [batch for run in runs for batch in packed(sizes, run, max_tokens=_BATCH_TOKENS)]
        plan += rng.sample(of_epoch, len(of_epoch))
    optimizer = Optimizer(model, device, weight_decay=0.0)
    n_rise = max(len(plan) // 20, 1)
    model.train()
    for step, batch in enumerate(plan):
        writing, judging = losses(model, forest([trees[number] for number in batch]).to(device))
        (writing + judging).backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        optimizer.step(rate * min((step + 1) / n_rise, (len(plan) - step) / max(len(plan) - n_rise, 1)))
        yield (step + 1) / len(plan), writing.item(), judging.item()
    model.eval()


def judged(model: LanguageModel, maker: TreeMaker, examples: Sequence[Example]) -> list[Example]:
    """Return the examples with how likely each passage answers, where a machine made the question."""
    numbers = [number for number, example in enumerate(examples) if _is_made(example)]
    made = [(examples[number].passages[0], examples[number].question) for number in numbers]
    found = list(examples)
    likely = verdicts(model, maker, [(passage.context, passage.text, question) for passage, question in made])
    for number, share in zip(numbers, likely, strict=True):
        found[number] = with_verdict(examples[number], share)
    return found


def with_verdict(example: Example, likely: float) -> Example:
    """Return the example with how likely its first passage answers, by a verdict and by what it was meant to be.

    A written question that the passage likely does not answer keeps no span; what answers a trap that it does answer
    is not known.
    """
    answered = _posterior(likely, _PRIORS[example.source.rpartition("/")[2]])
    first, *others = example.passages
    settled = replace(first, answered=answered, spans=first.spans if answered >= _BELIEVED else ())
    return replace(example, passages=(settled, *others))


def _is_made(example: Example) -> bool:
    """Tell whether a machine made the question, so that nobody has said if the passage answers it."""
    return example.source.rpartition("/")[2] in _PRIORS


def _posterior(likely: float, prior: float) -> float:
    """Return how likely a passage answers by a verdict and by what the question was meant to be."""
    yes, no = likely * prior, (1 - likely) * (1 - prior)
    return round(yes / (yes + no), 4)


_model_option = click.option(
    "--model",
    "model_folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The language model; var/training/writer, what `learn` made, unless given.",
)


@click.group()
def main() -> None:
    """Let a language model write questions, and judge them, on a GPU where there is one."""


@main.command("learn")
@click.option("--model", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--epochs", default=2, show_default=True, help="Passes over what people asked.")
@click.option("--rate", default=1.5e-5, show_default=True, help="Highest learning rate.")
@folder_option
def learn_command(model: Path, *, epochs: int, rate: float, folder: Path) -> None:
    """Train a language model on the questions that people wrote."""
    torch.manual_seed(_SEED)
    device = best_device()
    writer, maker = load(model, device, torch.float32)
    examples = list(read_examples(folder / "asked.jsonl"))
    trees = [maker.tree(some.context, some.text, said) for some, said in lessons(examples, random.Random(_SEED))]
    with Progress() as progress:
        task = progress.add_task("Learning", total=1.0)
        for done, writing, judging in learn(writer, trees, epochs=epochs, rate=rate, device=device):
            progress.update(task, completed=done, description=f"Learning {writing:.2f} {judging:.2f}")
    writer.save_pretrained(folder / "writer")
    AutoTokenizer.from_pretrained(str(model)).save_pretrained(folder / "writer")
    click.echo(f"AUROC on dev articles: {dev_auroc(writer, maker, folder):.3f}")


def dev_auroc(model: LanguageModel, maker: TreeMaker, folder: Path) -> float:
    """Return AUROC of answerable against misleading questions on the articles to tune on, by the model's verdicts."""
    dev = [example for example in read_examples(folder / "dev.jsonl") if example.source == "squad2"]
    asked = [(some.context, some.text, example.question) for example in dev for some in example.passages]
    likely = np.array(verdicts(model, maker, asked))
    return auroc(likely, np.array([bool(example.passages[0].spans) for example in dev]))


@main.command("write")
@click.option("--answered", default=2, show_default=True, help="Questions with an answer, for each passage.")
@click.option("--traps", default=4, show_default=True, help="Questions around what only looks like one.")
@click.option("--at-once", default=200_000, show_default=True, help="Tokens of the passages that are read at once.")
@click.option("--passages", "n_passages", type=click.IntRange(min=1), help="At most; all unless given.")
@_model_option
@folder_option
def write_command(
    *, answered: int, traps: int, at_once: int, n_passages: int | None, model_folder: Path | None, folder: Path
) -> None:
    """Write questions on the passages, with an answer and with none."""
    torch.manual_seed(_SEED)
    device = best_device()
    model, maker = load(model_folder or folder / "writer", device, best_dtype(device))
    passages = [example.passages[0] for example in read_examples(folder / "passages.jsonl")][:n_passages]
    found: list[Example] = []
    with Progress() as progress:
        task = progress.add_task("Writing", total=len(passages))
        for n_done, some in written_on(model, maker, passages, n_answered=answered, n_traps=traps, at_once=at_once):
            found += some
            progress.update(task, advance=n_done)
    _tell("written", found)
    found = worth_learning(found, random.Random(_SEED))
    write_examples(found, folder / "written.jsonl")
    click.echo(f"{len(found)} of them kept")


@main.command("judge")
@click.argument("name")
@_model_option
@folder_option
def judge_command(name: str, *, model_folder: Path | None, folder: Path) -> None:
    """Judge the examples of NAME, as in "examples", and write it into their file."""
    device = best_device()
    model, maker = load(model_folder or folder / "writer", device, best_dtype(device))
    examples = judged(model, maker, list(read_examples(folder / f"{name}.jsonl")))
    write_examples(examples, folder / f"{name}.jsonl")
    _tell(name, examples)


def _tell(name: str, examples: Sequence[Example]) -> None:
    for source in sorted({example.source for example in examples if _is_made(example)}):
        likely = [example.passages[0].answered or 0.0 for example in examples if example.source == source]
        click.echo(f"{name}: {source}: {len(likely)} judged, answered with {np.mean(likely):.2f} on average")


@main.command("keep")
@click.argument("names", nargs=-1, required=True)
@click.option("--output", type=click.Path(path_type=Path), default=KEPT, show_default="training/kept.csv.xz")
@folder_option
def keep_command(names: tuple[str, ...], *, output: Path, folder: Path) -> None:
    """Keep what was judged of NAMES, as in "examples written", for those who have no GPU."""
    n = write_kept((example for name in names for example in read_examples(folder / f"{name}.jsonl")), output)
    click.echo(f"{output}: {n} questions, {output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
