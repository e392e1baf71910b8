"""`citespan eval`: how good is it on my documents? The work is in `qa.evaluation.own_documents`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from qa.cli import command
from qa.evaluation.choices import Choices, with_choices
from qa.requests import DEFAULT_K, MAX_K
from qa.settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_N_LISTED = 50


def _limits(_context: click.Context, _parameter: click.Parameter, given: Sequence[str]) -> dict[str, float]:
    found = {}
    for text in given:
        name, _, number = text.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is not MEASURE=NUMBER, as F1=0.6") from error
    return found


@command("eval", "index", "retrieval", "answers")
@click.argument("questions", type=click.Path(exists=True, path_type=Path), required=False)
@click.option(
    "--feedback", is_flag=True, help="Ask the questions that people judged answers to; see citespan feedback."
)
@click.option("--qrels", type=_FILE, help="TREC judgements; QUESTIONS are topics, documents their ids in the index.")
@click.option("--split", default="test", show_default=True, help="Of a BEIR folder: which of its qrels.")
@click.option(
    "--collection",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for a BEIR corpus as documents and for its index; kept. Without it var/eval/NAME.",
)
@click.option(
    "--reranked",
    type=click.IntRange(0, MAX_K),
    default=10,
    show_default=True,
    help="With judgements: passages that the reader puts in order in the reranked search; 0 to leave it out.",
)
@click.option("-k", type=click.IntRange(1, MAX_K), default=DEFAULT_K, show_default=True, help="Passages that are read.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there as one page with plots."
)
@click.option(
    "--compare",
    nargs=2,
    type=_FILE,
    metavar="BEFORE AFTER",
    help="Compare two reports of --json and evaluate nothing; exit status 1 when the second is worse.",
)
@click.option(
    "--fail-under",
    multiple=True,
    metavar="MEASURE=NUMBER",
    callback=_limits,
    help="Exit status 1 when a measure, or with --compare its change, is less; repeatable.",
)
@with_choices
def eval_command(
    choices: Choices,
    settings: Settings,
    *,
    questions: Path | None,
    feedback: bool,
    qrels: Path | None,
    split: str,
    collection: Path | None,
    reranked: int,
    k: int,
    html: Path | None,
    compare: tuple[Path, Path] | None,
    fail_under: Mapping[str, float],
) -> None:
    """Measure the service on QUESTIONS of your own, on a BEIR folder, or on TREC files.

    QUESTIONS is a CSV, TSV or JSONL file with question, answer and document; a file in SQuAD's form; a folder in
    BEIR's; or with --qrels a file of topics.
    """
    # Here, since every other command would wait for what these import.
    from qa.evaluation import own_documents

    if compare:
        is_good = own_documents.compare_reports(*compare, choices, limits=fail_under)
    elif (questions is None) is not feedback:
        raise click.UsageError("name a file or folder of QUESTIONS, or --feedback, or two reports with --compare")
    else:
        if questions is None:
            report = own_documents.evaluate_feedback(settings, choices, k=k)
        elif questions.is_dir():
            report = own_documents.evaluate_beir(
                questions, settings, choices, split=split, collection=collection, reranked=reranked
            )
        elif qrels is not None:
            report = own_documents.evaluate_trec(questions, qrels, settings, choices, reranked=reranked)
        else:
            report = own_documents.evaluate_questions(questions, settings, choices, k=k)
        is_good = own_documents.deliver(report, choices, html=html, limits=fail_under, n_listed=_N_LISTED)
    if not is_good:
        raise click.exceptions.Exit(1)
