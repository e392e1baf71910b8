"""What `citespan eval` does: ask the service, measure, deliver the report, compare two of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

from index.errors import InvalidEvaluationData
from index.retriever import Retrieval
from qa.composition import export_feedback, open_updated_engine
from qa.engine import Engine, settled_threshold
from qa.evaluation.choices import Choices
from qa.evaluation.compare import compare
from qa.evaluation.datasets import Question, read_squad, squad_questions
from qa.evaluation.judged import Judged, corpus_id_of, read_beir, read_trec, write_corpus
from qa.evaluation.own import read_own
from qa.evaluation.ranking import MAIN, Values, measure_rankings
from qa.evaluation.report import (
    about_table,
    differences_table,
    measures_table,
    misses_table,
    reliability_table,
    report_json,
    searches_table,
)
from qa.evaluation.runs import Search, ask_engine, search_judged, time_search
from qa.evaluation.summary import TOOK_MS, Report, Terms, latency, mean_of, service_report
from qa.feedback_export import told
from qa.settings import Settings
from qa.terminal import print_report, progress_bars

_Asked = TypeVar("_Asked")

_N_TIMED = 200
_K_TIMED = 10
_GATES = ("F1", MAIN)
"""What may not get worse from one report to the next, where nothing else is said."""


def evaluate_questions(file: Path, settings: Settings, choices: Choices, *, k: int) -> Report:
    """Ask the service the questions of a file, and return what came of it.

    Raises:
        InvalidEvaluationData: The file cannot be used.
        CitespanError: As `open_updated_engine`.
    """
    own = file.suffix in (".csv", ".tsv", ".jsonl")
    return ask_service(file.stem, read_own(file) if own else read_squad(file), settings, choices, k=k)


def evaluate_feedback(settings: Settings, choices: Choices, *, k: int) -> Report:
    """Ask the service the questions that people judged answers to, and return what came of it.

    Raises:
        NothingToExport: They said nothing that can be asked again.
        CitespanError: As `open_updated_engine`.
    """
    exported = export_feedback(settings)
    if exported.left_out:
        Console(stderr=True).print(told(exported.left_out), markup=False)
    return ask_service("feedback", squad_questions(exported.squad, "the feedback"), settings, choices, k=k)


def ask_service(name: str, questions: Sequence[Question], settings: Settings, choices: Choices, *, k: int) -> Report:
    """Ask the service some questions, and return what came of it."""
    # No answer is held back by the engine: the threshold is applied when it is measured.
    with closing(_engine(replace(settings, min_confidence=0.0, max_risk=None))) as engine:
        _check_documents(engine, questions)
        asked = drawn(questions, choices)
        replies = [ask_engine(engine, question, k=k) for question in progress(asked)]
        threshold = settled_threshold(engine.reader.calibration, settings.min_confidence, settings.max_risk)
        about = {**_about(engine), "k": k}
    return service_report(
        name, replies, Terms(threshold.min_confidence, choices.right_from, choices.bootstrap), about=about
    )


def _check_documents(engine: Engine, questions: Sequence[Question]) -> None:
    """Raise where a question names a document that is not in the index: its finding could not be measured."""
    known = {summary.doc_id for summary in engine.documents().documents}
    missing = sorted({question.article for question in questions if question.article} - known)
    if missing:
        raise InvalidEvaluationData(
            f"{len(missing)} documents that the questions name are not in the index, {missing[0]!r} among them: "
            "name them by their path below the folder of documents, as `citespan status --files` lists them"
        )


def evaluate_beir(
    folder: Path, settings: Settings, choices: Choices, *, split: str, collection: Path | None, reranked: int
) -> Report:
    """Index a corpus in BEIR's form, search it for its queries in several ways, and return how good they are.

    Raises:
        InvalidEvaluationData: The folder is not of this form.
        CitespanError: As `open_updated_engine`.
    """
    judged = read_beir(folder, split)
    place = collection or Path("var/eval") / folder.resolve().name
    write_corpus(folder, place / "documents")
    own = replace(settings, documents=place / "documents", index=place / "index")
    return _evaluate_judged(f"{folder.resolve().name}-{split}", judged, own, choices, reranked, is_corpus=True)


def evaluate_trec(topics: Path, qrels: Path, settings: Settings, choices: Choices, *, reranked: int) -> Report:
    """Search the documents for topics in several ways, and return how good they are by TREC's judgements."""
    return _evaluate_judged(topics.stem, read_trec(topics, qrels), settings, choices, reranked, is_corpus=False)


def _evaluate_judged(
    name: str, judged: Judged, settings: Settings, choices: Choices, reranked: int, *, is_corpus: bool
) -> Report:
    searches = [Search(mode.value, mode) for mode in (Retrieval.WORDS, Retrieval.MEANING, Retrieval.HYBRID)]
    if reranked:
        searches.append(Search(f"reranked-{reranked}", Retrieval.HYBRID, reranked))
    as_set = Search("as set", settings.retrieval, settings.rerank)
    # The search as it is set is mostly one of these, and need not be made twice.
    same = next((one for one in searches if (one.retrieval, one.rerank) == (as_set.retrieval, as_set.rerank)), as_set)
    chosen = {query_id: judged.queries[query_id] for query_id in drawn(list(judged.queries), choices)}
    judged = Judged(chosen, {query_id: judged.qrels[query_id] for query_id in chosen})
    with closing(_engine(settings)) as engine:
        found: dict[str, Values] = {}
        for search in dict.fromkeys([*searches, same]):
            rankings = {
                query_id: [corpus_id_of(one) for one in ranking] if is_corpus else ranking
                for query_id, ranking in search_judged(engine, judged, search, watch=progress).items()
            }
            found[search.name] = measure_rankings(rankings, judged.qrels)
        found[as_set.name] = found[same.name]
        took_ms = time_search(engine, dict(islice(chosen.items(), _N_TIMED)), k=_K_TIMED)
        about = _about(engine)
    values = {
        measure if search == as_set.name else f"{search} {measure}": of_queries
        for search, measures in found.items()
        for measure, of_queries in measures.items()
    }
    return Report(
        name,
        {
            **about,
            "n_questions": len(chosen),
            "retrieval": as_set.retrieval.value,
            "rerank": as_set.rerank,
            "n_resamples": choices.bootstrap.n_resamples,
            "seed": choices.bootstrap.seed,
        },
        {
            **{measure: mean_of(of_queries, choices.bootstrap) for measure, of_queries in values.items()},
            **latency(list(took_ms.values()), choices.bootstrap),
        },
        values={**values, TOOK_MS: took_ms},
        queries=chosen,
    )


def _engine(settings: Settings) -> Engine:
    with progress_bars() as on_progress:
        engine, report = open_updated_engine(settings, on_progress=on_progress)
    print_report(report)
    return engine


def _about(engine: Engine) -> dict[str, str | int]:
    status = engine.status()
    return {
        "n_documents": status.counts.n_documents,
        "n_passages": status.counts.n_passages,
        "index_version": status.index_version,
        "encoder": status.encoder,
        "reader": engine.reader.name,
    }


def drawn(questions: Sequence[_Asked], choices: Choices) -> Sequence[_Asked]:
    """Return as many of the questions as were asked for, in their order; the same ones every time."""
    if choices.limit is None or choices.limit >= len(questions):
        return questions
    random = np.random.default_rng(choices.bootstrap.seed)
    return [questions[n] for n in sorted(random.choice(len(questions), choices.limit, replace=False))]


def progress(questions: Sequence[_Asked]) -> Iterable[_Asked]:
    """Return the questions, telling on a terminal how many are left."""
    console = Console(stderr=True)
    return track(questions, "Asking", console=console, transient=True, disable=not console.is_terminal)


def deliver(
    report: Report,
    choices: Choices,
    *,
    html: Path | None = None,
    limits: Mapping[str, float] | None = None,
    n_listed: int = 0,
) -> bool:
    """Print a report and write it where it was asked for; return whether no measure is under its limit.

    Args:
        n_listed: Questions at most of those that were missed.

    Raises:
        InvalidEvaluationData: A limit is of no measure of the report.
    """
    console = Console()
    console.print(about_table(report))
    if f"{Retrieval.HYBRID} {MAIN}" in report.values:
        console.print(searches_table(report))
    console.print(measures_table(report))
    if report.verdicts:
        console.print(reliability_table(report))
        if n_listed:
            console.print(misses_table(report, n_listed))
    if choices.json_file is not None:
        write(choices.json_file, json.dumps(report_json(report), indent=1) + "\n")
    if choices.plots is not None and report.verdicts:
        from qa.evaluation.plots import write_plots

        for path in write_plots(report, choices.plots):
            console.print(f"{path}")
    if html is not None:
        from qa.evaluation.page import render_page

        write(html, render_page(report))
    return _is_over(limits or {}, {name: estimate.value for name, estimate in report.measures.items()}, console)


def write(path: Path, text: str) -> None:
    """Write a text, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def compare_reports(before: Path, after: Path, choices: Choices, *, limits: Mapping[str, float]) -> bool:
    """Print how the measures changed between two reports; return whether the second is not worse.

    Args:
        limits: Least changes of measures. Without any, those of `_GATES` may not fall, unless by chance.

    Raises:
        InvalidEvaluationData: They are no reports, or on different questions.
    """
    differences = compare(_read_report(before), _read_report(after), choices.bootstrap)
    console = Console()
    console.print(differences_table(differences))
    if limits:
        return _is_over(limits, {name: some.change.value for name, some in differences.items()}, console)
    gates = {name: differences[name] for name in _GATES if name in differences}
    worse = [name for name, some in gates.items() if some.is_worse]
    better = [name for name, some in gates.items() if some.is_better]
    for verdict, names in (("Worse", worse), ("Better", better)):
        if names:
            console.print(f"{verdict}: {', '.join(names)}.")
    if not gates:
        console.print(f"Neither report is judged by this: none has {' or '.join(_GATES)}.")
    elif not worse and not better:
        console.print(f"Neither better nor worse, beyond chance: {', '.join(gates)}.")
    return not worse


def _read_report(path: Path) -> Mapping[str, Any]:  # JSON
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise InvalidEvaluationData(f"{path} is no report of `citespan eval --json`: {error}") from error


def _is_over(limits: Mapping[str, float], values: Mapping[str, float], console: Console) -> bool:
    unknown = [name for name in limits if name not in values]
    if unknown:
        raise InvalidEvaluationData(f"there is no measure {unknown[0]!r} here: there are {', '.join(values)}")
    under = [name for name, least in limits.items() if not values[name] >= least]
    for name in under:
        console.print(f"{name} is {values[name]:.4f}, under {limits[name]:g}.")
    return not under
