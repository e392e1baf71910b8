"""Measure the reader that is being trained, and the service over many articles: `python -m qa.evaluation --help`.

A person's own questions, and judged collections, are `citespan eval`.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from qa.cli import Commands
from qa.evaluation.choices import FOLDER, Choices, with_choices
from qa.evaluation.datasets import (
    on_documents,
    read_articles,
    read_reported_articles,
    read_squad,
    select,
    write_articles,
)
from qa.evaluation.own_documents import ask_service, deliver, drawn, progress
from qa.evaluation.runs import ask_reader
from qa.evaluation.summary import Terms, reader_report
from qa.process import prepare_process
from qa.readers import EMBEDDED, open_reader
from qa.requests import DEFAULT_K, MAX_K
from qa.settings import settings_from

_WEIGHTS = Path(str(files("qa"))) / "weights" / "reader" / "calibration.json"

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def evaluation() -> None:
    """Measure a reader, and the service over many articles, with 95 % intervals."""
    prepare_process("warning", hub=False)


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
    predictions = [ask_reader(reader, question) for question in progress(drawn(questions, choices))]
    terms = Terms(reader.calibration.min_confidence, choices.right_from, choices.bootstrap)
    deliver(reader_report("reader", predictions, terms, about={"questions": questions_file.name}), choices)


@evaluation.command("open")
@click.argument("questions_file", metavar="QUESTIONS", type=_FILE)
@click.argument("archive", metavar="ARTICLES", type=_FILE)
@_articles_option
@click.option(
    "--collection",
    type=FOLDER,
    default=Path("var/evaluation"),
    show_default=True,
    help="Folder for the articles as documents and for their index. Kept: both are made once.",
)
@click.option("-k", type=click.IntRange(1, MAX_K), default=DEFAULT_K, show_default=True, help="Passages that are read.")
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
    settings = settings_from(
        {"documents": collection / "documents", "index": collection / "index", "reader": reader_name}
    )
    deliver(ask_service("open", questions, settings, choices, k=k), choices)


if __name__ == "__main__":
    evaluation(prog_name="python -m qa.evaluation")
