"""A language model that writes questions on passages, with an answer or with none, and judges who answers what.

    python -m training.writer learn --model FOLDER    # var/training/writer
    python -m training.writer write                   # var/training/written.jsonl
    python -m training.writer judge examples written  # how likely each passage answers, into these files
    python -m training.writer keep examples written   # training/kept.csv.xz, which `training.prepare` reads

It learns from the questions that people wrote: to write one on an answer, to write one that the passage does not answer
around something that looks like an answer, and to say whether a passage answers a question.

Source: Zhu et al. 2019, https://arxiv.org/abs/1906.06045, for questions without an answer written around a plausible
    one; Alberti et al. 2019, https://arxiv.org/abs/1906.05416, for training a reader on questions that a model wrote.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
import torch
from rich.progress import Progress, track
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from qa.evaluation.measures import auroc
from training.batches import packed
from training.devices import autocast, best_device, folder_option, loaded
from training.examples import Example, TrainingPassage, read_examples, write_examples
from training.kept import KEPT, write_kept
from training.trees import Branch, Forest, Tree, TreeMaker, forest
from training.unanswerable import altered_question

LanguageModel: TypeAlias = Any
"""One of transformers' for causal language modelling, whose parts have no types."""

_SEED = 20261126
_BATCH_TOKENS = 6144
_JUDGED_TOKENS = 32768
_TOP_K, _TOP_P = 40, 0.92
_MAX_WRITTEN_TOKENS = 48
_BELIEVED = 0.5
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
    """Return the language model in a folder, and what makes its sequences."""
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


@torch.no_grad()
def verdicts(model: LanguageModel, maker: TreeMaker, asked: Sequence[tuple[str, str, str]], device: str) -> list[float]:
    """Return how likely each passage answers, in [0, 1].

    Args:
        asked: Context, text and question of each.
    """
    yes, no = (maker.ids(word)[0] for word in (_YES, _NO))
    of_passage: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, (context, text, _) in enumerate(asked):
        of_passage[context, text].append(number)
    parts = [(*key, numbers[at : at + 16]) for key, numbers in of_passage.items() for at in range(0, len(numbers), 16)]
    # Tokens are counted when they are made, in other processes where there are many: till then characters will do.
    sizes = [len(text) // 4 + sum(len(asked[n][2]) // 4 + 10 for n in numbers) for _, text, numbers in parts]
    order = sorted(range(len(parts)), key=lambda number: sizes[number])
    plan = list(packed(sizes, order, max_tokens=_JUDGED_TOKENS))

    def made(numbers: Sequence[int]) -> Forest:
        return forest(
            [
                maker.tree(context, text, [verdict_branch(asked[n][2], is_answered=True) for n in of_part])
                for context, text, of_part in (parts[number] for number in numbers)
            ]
        )

    found = [0.5] * len(asked)
    for batch, some in zip(plan, track(loaded(plan, made), "Judging", total=len(plan)), strict=True):
        logits = said_scores(model, some.to(device)).float()
        likely = (logits[:, yes] - logits[:, no]).sigmoid().tolist()
        for number, share in zip((n for part in batch for n in parts[part][2]), likely, strict=True):
            found[number] = share
    return found


@torch.no_grad()
def completions(
    model: LanguageModel, maker: TreeMaker, stems: Sequence[tuple[int, ...]], given: str, *, n: int, device: str
) -> Iterator[tuple[int, str]]:
    """Yield n drawn continuations of each stem, of those that all have one length, with the stem's number.

    Source: Holtzman et al. 2020, https://arxiv.org/abs/1904.09751, for drawing from the likeliest words.
    """
    cache = model.model(torch.tensor(stems, device=device), use_cache=True).past_key_values
    cache.batch_repeat_interleave(n)
    n_rows = len(stems) * n
    forced = maker.ids(given)
    token = torch.full((n_rows, 1), forced[0], device=device)
    said: list[Tensor] = []
    is_over = torch.zeros(n_rows, dtype=torch.bool, device=device)
    for step in range(1, len(forced) + _MAX_WRITTEN_TOKENS):
        # One token at a time, so that no mask is needed and many share a stem's keys.
        states = model.model(token, past_key_values=cache, use_cache=True).last_hidden_state
        if step < len(forced):
            token = torch.full_like(token, forced[step])
            continue
        token = _drawn(model.lm_head(states[:, -1]))
        said.append(token.masked_fill(is_over[:, None], maker.end))
        is_over |= token[:, 0] == maker.end
        # To ask a GPU is to wait for it.
        if step % 4 == 0 and is_over.all():
            break
    ids = torch.cat(said, dim=1).tolist()
    for row, some in enumerate(ids):
        yield row // n, maker.text(some)


def _drawn(logits: Tensor) -> Tensor:
    """Return one token of each row, (rows, 1), drawn from the likeliest ones."""
    best, tokens = logits.topk(_TOP_K)
    shares = best.float().softmax(dim=-1)
    shares = shares.masked_fill(shares.cumsum(dim=-1) - shares > _TOP_P, 0.0)
    return tokens.gather(1, torch.multinomial(shares, 1))


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
    model: LanguageModel, maker: TreeMaker, passages: Sequence[TrainingPassage], *, n: int, rows: int, device: str
) -> Iterator[tuple[int, list[Example]]]:
    """Yield for how many passages more is written, and what: for each n questions with an answer and n without.

    Args:
        rows: Questions that are written at once.
    """
    by_length: dict[int, list[tuple[TrainingPassage, tuple[int, ...]]]] = defaultdict(list)
    for passage in passages:
        stem = maker.stem(passage.context, passage.text)
        by_length[len(stem)].append((passage, stem))
    size = max(rows // n, 1)
    parts = [some[at : at + size] for some in by_length.values() for at in range(0, len(some), size)]
    random.Random(_SEED).shuffle(parts)
    for part in parts:
        found = []
        for is_trap in (False, True):
            said = completions(
                model, maker, [stem for _, stem in part], _TRAP if is_trap else _ANSWER, n=n, device=device
            )
            found += [written_example(text, part[number][0], is_trap=is_trap) for number, text in said]
        # The same question twice teaches nothing new.
        unique = {(some.question, some.passages[0].text): some for some in found if some is not None}
        yield len(part), list(unique.values())


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
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    n_rise = max(len(plan) // 20, 1)
    model.train()
    for step, batch in enumerate(plan):
        for group in optimizer.param_groups:
            group["lr"] = rate * min((step + 1) / n_rise, (len(plan) - step) / max(len(plan) - n_rise, 1))
        with autocast(device):
            writing, judging = losses(model, forest([trees[number] for number in batch]).to(device))
        (writing + judging).backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        # A step that overflows is left out.
        if torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).isfinite():
            optimizer.step()
        optimizer.zero_grad()
        yield (step + 1) / len(plan), writing.item(), judging.item()
    model.eval()


def judged(model: LanguageModel, maker: TreeMaker, examples: Sequence[Example], device: str) -> list[Example]:
    """Return the examples with how likely each passage answers, where a machine made the question.

    A written question that the passage likely does not answer keeps no span; what answers a trap that it does answer
    is not known.
    """
    numbers = [number for number, example in enumerate(examples) if _is_made(example)]
    asked = [
        (some.context, some.text, examples[number].question) for number in numbers for some in examples[number].passages
    ]
    likely = iter(verdicts(model, maker, asked, device))
    found = list(examples)
    for number in numbers:
        prior = _PRIORS[examples[number].source.rpartition("/")[2]]
        passages = (_settled(some, _posterior(next(likely), prior)) for some in examples[number].passages)
        found[number] = replace(examples[number], passages=tuple(passages))
    return found


def _is_made(example: Example) -> bool:
    """Tell whether a machine made the question, so that nobody has said if the passage answers it."""
    return example.source.rpartition("/")[2] in _PRIORS


def _posterior(likely: float, prior: float) -> float:
    """Return how likely a passage answers by a verdict and by what the question was meant to be."""
    yes, no = likely * prior, (1 - likely) * (1 - prior)
    return round(yes / (yes + no), 4)


def _settled(passage: TrainingPassage, answered: float) -> TrainingPassage:
    return replace(passage, answered=answered, spans=passage.spans if answered >= _BELIEVED else ())


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
@click.option("--epochs", default=3, show_default=True)
@click.option("--rate", default=1e-5, show_default=True, help="Highest learning rate.")
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
    writer.to(torch.bfloat16)
    writer.save_pretrained(folder / "writer")
    AutoTokenizer.from_pretrained(str(model)).save_pretrained(folder / "writer")
    click.echo(f"AUROC on dev articles: {dev_auroc(writer, maker, folder, device):.3f}")


def dev_auroc(model: LanguageModel, maker: TreeMaker, folder: Path, device: str) -> float:
    """Return AUROC of answerable against misleading questions on the articles to tune on, by the model's verdicts."""
    dev = [example for example in read_examples(folder / "dev.jsonl") if example.source == "squad2"]
    asked = [(some.context, some.text, example.question) for example in dev for some in example.passages]
    likely = np.array(verdicts(model, maker, asked, device))
    return auroc(likely, np.array([bool(example.passages[0].spans) for example in dev]))


@main.command("write")
@click.option("--questions", default=4, show_default=True, help="Of either kind, for each passage.")
@click.option("--rows", default=4096, show_default=True, help="Questions that are written at once.")
@click.option("--passages", "n_passages", type=click.IntRange(min=1), help="At most; all unless given.")
@_model_option
@folder_option
def write_command(
    *, questions: int, rows: int, n_passages: int | None, model_folder: Path | None, folder: Path
) -> None:
    """Write questions on the passages, with an answer and with none."""
    torch.manual_seed(_SEED)
    device = best_device()
    model, maker = load(model_folder or folder / "writer", device, torch.bfloat16)
    passages = [example.passages[0] for example in read_examples(folder / "passages.jsonl")][:n_passages]
    found: list[Example] = []
    with Progress() as progress:
        task = progress.add_task("Writing", total=len(passages))
        for n_done, some in written_on(model, maker, passages, n=questions, rows=rows, device=device):
            found += some
            progress.update(task, advance=n_done)
    write_examples(found, folder / "written.jsonl")
    click.echo(str(dict(Counter(example.source for example in found))))


@main.command("judge")
@click.argument("names", nargs=-1, required=True)
@_model_option
@folder_option
def judge_command(names: tuple[str, ...], *, model_folder: Path | None, folder: Path) -> None:
    """Judge the examples of NAMES, as in "examples written", and write it into their files."""
    device = best_device()
    model, maker = load(model_folder or folder / "writer", device, torch.bfloat16)
    for name in names:
        examples = judged(model, maker, list(read_examples(folder / f"{name}.jsonl")), device)
        write_examples(examples, folder / f"{name}.jsonl")
        for source in sorted({example.source for example in examples if _is_made(example)}):
            likely = [example.passages[0].answered or 0.0 for example in examples if example.source == source]
            click.echo(f"{name}: {source}: {len(likely)} judged, answered with {np.mean(likely):.2f} on average")


@main.command("keep")
@click.argument("names", nargs=-1, required=True)
@click.option("--output", type=click.Path(path_type=Path), default=KEPT, show_default="training/kept.csv.xz")
@folder_option
def keep_command(names: tuple[str, ...], *, output: Path, folder: Path) -> None:
    """Keep what was judged of NAMES, as in "examples written", for who has no GPU."""
    n = write_kept((example for name in names for example in read_examples(folder / f"{name}.jsonl")), output)
    click.echo(f"{output}: {n} questions, {output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
