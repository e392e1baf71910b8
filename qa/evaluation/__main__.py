"""Measure a reader and the whole service: `python -m qa.evaluation --help`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import track

from qa.cli import Commands, prepare_process, print_report, progress_bars
from qa.composition import open_engine, update_index
from qa.evaluation.bootstrap import Bootstrap
from qa.evaluation.datasets import (
    Question,
    on_documents,
    read_articles,
    read_reported_articles,
    read_squad,
    select,
    write_articles,
)
from qa.evaluation.report import about_table, measures_table, misses_table, reliability_table, report_json
from qa.evaluation.runs import ask_engine, ask_reader
from qa.evaluation.summary import Report, Terms, reader_report, service_report
from qa.readers import EMBEDDED, open_reader
from qa.requests import DEFAULT_K, MAX_K
from qa.settings import settings_from

_WEIGHTS = Path(str(files("qa"))) / "weights" / "reader" / "calibration.json"

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person may choose for every kind of evaluation; explained where the options are."""

    limit: int | None
    right_from: float
    bootstrap: Bootstrap
    json_file: Path | None
    plots: Path | None

    def terms(self, threshold: float) -> Terms:
        return Terms(threshold, self.right_from, self.bootstrap)


def with_choices(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command's function with the options of `Choices`, which it is handed first."""

    @click.option("--limit", type=click.IntRange(min=1), help="Ask this many, drawn by a fixed seed, and not all.")
    @click.option(
        "--right-from",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.5,
        show_default=True,
        help="F1 from which on an answer counts as right, for confidence and misses; 1: all its words, no others.",
    )
    @click.option(
        "--resamples",
        type=click.IntRange(min=1),
        default=1000,
        show_default=True,
        help="Of the bootstrap, by question.",
    )
    @click.option(
        "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there."
    )
    @click.option("--plots", type=_FOLDER, help="Write reliability and risk-coverage there, as SVG.")
    @functools.wraps(function)
    def wrapper(
        *,
        limit: int | None,
        right_from: float,
        resamples: int,
        json_file: Path | None,
        plots: Path | None,
        **own: Any,  # whatever options the command has
    ) -> None:
        # Before the questions are asked, for that takes minutes.
        if plots is not None and find_spec("matplotlib") is None:
            raise click.UsageError("--plots needs matplotlib: pip install 'citespan[eval]'")
        prepare_process("warning", hub=False)
        function(Choices(limit, right_from, Bootstrap(resamples), json_file, plots), **own)

    return wrapper


_articles_option = click.option(
    "--articles",
    "articles_file",
    type=_FILE,
    default=_WEIGHTS,
    help="JSON file whose “reported_on_articles” are asked about. Without it, those that the reader was not fitted on.",
)
_reader_option = click.option(
    "--reader", "reader_name", default=EMBEDDED, show_default=True, help="Reader, as `citespan serve` takes it."
)
_k_option = click.option(
    "-k", type=click.IntRange(1, MAX_K), default=DEFAULT_K, show_default=True, help="Passages that are read."
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def evaluation() -> None:
    """Measure a reader and the whole service, with 95 % intervals."""


@evaluation.command("reader")
@click.argument("questions_file", metavar="QUESTIONS", type=_FILE)
@_articles_option
@click.option("--all-articles", is_flag=True, help="Ask about all articles of the file.")
@_reader_option
@with_choices
def reader_command(
    choices: Choices, *, questions_file: Path, articles_file: Path, all_articles: bool, reader_name: str
) -> None:
    """Ask the reader the QUESTIONS, a file in SQuAD's form, each of its own paragraph."""
    questions = read_squad(questions_file)
    if not all_articles:
        questions = select(questions, read_reported_articles(articles_file))
    reader = open_reader(reader_name)
    predictions = [ask_reader(reader, question) for question in _progress(_drawn(questions, choices))]
    terms = choices.terms(reader.calibration.min_confidence)
    _deliver(reader_report("reader", predictions, terms, about={"questions": questions_file.name}), choices)


@evaluation.command("open")
@click.argument("questions_file", metavar="QUESTIONS", type=_FILE)
@click.argument("archive", metavar="ARTICLES", type=_FILE)
@_articles_option
@click.option(
    "--collection",
    type=_FOLDER,
    default=Path("var/evaluation"),
    show_default=True,
    help="Folder for the articles as documents and for their index. Kept: both are made once.",
)
@_k_option
@_reader_option
@with_choices
def open_command(
    choices: Choices,
    *,
    questions_file: Path,
    archive: Path,
    articles_file: Path,
    collection: Path,
    k: int,
    reader_name: str,
) -> None:
    """Ask the whole service the answerable QUESTIONS over all ARTICLES, an archive of texts, as one collection."""
    chosen = select(read_squad(questions_file), read_reported_articles(articles_file))
    questions = on_documents([question for question in chosen if question.is_answerable])
    write_articles(read_articles(archive), collection / "documents")
    settings = {"documents": collection / "documents", "index": collection / "index", "reader": reader_name}
    _deliver(_ask_service("open", questions, choices, settings, k=k), choices)


@evaluation.command("golden")
@click.argument("questions_file", metavar="QUESTIONS", type=_FILE)
@click.option(
    "--documents", type=_FOLDER, default=Path("documents"), show_default=True, help="Folder of the documents asked of."
)
@click.option(
    "--index", type=_FOLDER, default=Path("var/golden"), show_default=True, help="Folder of their index; kept."
)
@_k_option
@_reader_option
@with_choices
def golden_command(
    choices: Choices, *, questions_file: Path, documents: Path, index: Path, k: int, reader_name: str
) -> None:
    """Ask the whole service the QUESTIONS on one's own documents, and list what it misses.

    The file has SQuAD's form, and the id of the document where SQuAD has the article's title.
    """
    questions = read_squad(questions_file)
    settings = {"documents": documents, "index": index, "reader": reader_name}
    report = _ask_service("golden", questions, choices, settings, k=k)
    _deliver(report, choices)
    Console().print(misses_table(report))


def _ask_service(
    name: str, questions: Sequence[Question], choices: Choices, chosen: Mapping[str, object], *, k: int
) -> Report:
    # No answer is held back by the engine: the threshold is applied when it is measured.
    settings = settings_from({**chosen, "min_confidence": 0.0})
    with progress_bars() as on_progress:
        print_report(update_index(settings, on_progress=on_progress))
    with closing(open_engine(settings)) as engine:
        engine.warm_up()
        replies = [ask_engine(engine, question, k=k) for question in _progress(_drawn(questions, choices))]
        terms = choices.terms(engine.reader.calibration.min_confidence)
        status = engine.status()
    about: dict[str, str | int] = {
        "n_documents": status.counts.n_documents,
        "n_passages": status.counts.n_passages,
        "encoder": status.encoder,
        "k": k,
    }
    return service_report(name, replies, terms, about=about)


def _drawn(questions: Sequence[Question], choices: Choices) -> Sequence[Question]:
    """Return as many of the questions as were asked for, in their order; the same ones every time."""
    if choices.limit is None or choices.limit >= len(questions):
        return questions
    random = np.random.default_rng(choices.bootstrap.seed)
    return [questions[n] for n in sorted(random.choice(len(questions), choices.limit, replace=False))]


def _progress(questions: Sequence[Question]) -> Any:
    console = Console(stderr=True)
    return track(questions, "Asking", console=console, transient=True, disable=not console.is_terminal)


def _deliver(report: Report, choices: Choices) -> None:
    console = Console()
    for table in (about_table(report), measures_table(report), reliability_table(report)):
        console.print(table)
    if choices.json_file is not None:
        choices.json_file.parent.mkdir(parents=True, exist_ok=True)
        choices.json_file.write_text(json.dumps(report_json(report), indent=1) + "\n", encoding="utf-8")
    if choices.plots is not None:
        from qa.evaluation.plots import write_plots

        for path in write_plots(report, choices.plots):
            console.print(f"{path}")


if __name__ == "__main__":
    evaluation(prog_name="python -m qa.evaluation")
