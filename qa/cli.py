"""The command line. qa.evaluation adds `eval`, serve.py adds `serve`.

Exit status: 0 done (that the documents do not say is an answer too), 1 an error or a citation that does not
hold any more, 2 wrong usage.
"""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from index.backup import back_up, restore
from index.collection import Failure
from index.errors import CitespanError, InputError, InvalidRequest
from index.health import Result
from index.health import repair as repair_index
from index.passages import PassageSettings
from index.records import Document, Span
from index.rollback import Contents, Previous, find_previous, prune, roll_back
from index.store.database import Database
from index.store.folder import current_database
from index.update import Plan, Progress, Rebuild, UpdateReport
from qa import wire
from qa.composition import (
    examine_index,
    export_feedback,
    open_engine,
    preview_index,
    preview_index_rebuild,
    read_all_feedback,
    update_index,
)
from qa.confidence import whole_per_cent
from qa.engine import Status
from qa.feedback import Entry
from qa.feedback_export import told
from qa.feedback_store import FeedbackStore
from qa.records import Answer, Explanation, Response
from qa.requests import DEFAULT_K, MAX_K, check
from qa.saved_citations import citations_in, parse_citations
from qa.settings import Settings, options, settings_from
from qa.verification import Standing, Verification, verify

_LATE_CONTROLS = re.compile("[\x7f-\x9f]")

_MAX_JSON_BYTES = 16 * 2**20
"""Of a file with citations; all that `ask` answers has a hundredth of it."""

_LINE_EVERY_S = 10.0
"""Between two lines of progress where there is no terminal for bars."""

_LISTED = 20
"""Entries of a list before the rest is only counted; --json and `status --files` have them all."""


class Commands(click.Group):
    """A group whose commands end with a message and an exit status, not a traceback, on our own errors."""

    def invoke(self, ctx: click.Context) -> Any:  # click's own signature
        try:
            return super().invoke(ctx)
        except CitespanError as error:
            click.echo(f"Error [{error.code}]: {error}", err=True)
            ctx.exit(2 if isinstance(error, InputError) else 1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="citespan")
def citespan() -> None:
    """Ask a folder of documents a question; get answers as exact spans of the source."""


def command(name: str, *concerns: str, group: click.Group = citespan) -> Callable[[Callable[..., None]], click.Command]:
    """Return a decorator that adds a command with the settings that concern it, which it is handed first."""

    def decorate(function: Callable[..., None]) -> click.Command:
        made = click.command(name)(function)
        inner = made.callback
        assert inner is not None  # click sets it from the function

        def callback(**values: Any) -> None:  # whatever options the command has
            names = [option.name for option in options(*concerns)]
            settings = settings_from({name: values.pop(name) for name in list(values) if name in names})
            prepare_process(settings.log_level, hub=settings.hub)
            inner(settings, **values)

        made.callback = callback
        made.params = [*made.params, *options(*concerns)]
        group.add_command(made)
        return made

    return decorate


def prepare_process(log_level: str, *, hub: bool) -> None:
    """Set what holds for the whole process: logging, and that no library calls home unless allowed."""
    # Of 100,000 documents hundreds of thousands of objects are made, none of them in cycles: looking for those among
    # them all again and again takes a fifth of an update.
    gc.set_threshold(50_000, 20, 20)
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if not hub:
        os.environ["HF_HUB_OFFLINE"] = "1"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A document may hold what the terminal's encoding lacks.
            stream.reconfigure(errors="replace")


_path_option = click.option("--path", "paths", multiple=True, help="Only documents below this path; repeatable.")
_type_option = click.option(
    "--type", "media_types", multiple=True, help="Only this media type, as text/markdown; repeatable."
)
_fresh_option = click.option(
    "--fresh",
    flag_value="strict",
    help="Only if the folder has not changed since it was indexed; otherwise exit status 1.",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")


@command("index", "index")
@click.option("--rebuild", is_flag=True, help="Make the index anew; the old one answers until then, and is kept.")
@click.option("--retry-failed", is_flag=True, help="Read unchanged files again whose content could not be used.")
@click.option("--dry-run", is_flag=True, help="Tell what there is to do, and change nothing.")
@_json_option
def index_command(settings: Settings, *, rebuild: bool, retry_failed: bool, dry_run: bool, as_json: bool) -> None:
    """Bring the index up to the documents, making it if there is none."""
    if dry_run:
        plan = preview_index(settings, rebuild=rebuild, retry_failed=retry_failed)
        replaced = preview_index_rebuild(settings) if rebuild else None
        if as_json:
            _print_json({**wire.plan_json(plan), "rebuild": replaced and wire.rebuild_json(replaced)})
            return
        print_plan(plan)
        if replaced:
            _print_rebuild(replaced)
        return
    with progress_bars() as on_progress:
        report = update_index(settings, rebuild=rebuild, retry_failed=retry_failed, on_progress=on_progress)
    if as_json:
        _print_json(wire.report_json(report))
        return
    print_report(report)
    previous = find_previous(settings.index) if rebuild else None
    if previous:
        click.echo(f"{_kept(previous)}: `citespan rollback` goes back to it, `citespan prune` removes it", err=True)


@command("ask", "index", "retrieval", "answers")
@click.argument("question", nargs=-1, required=True)
@click.option("-k", type=int, default=DEFAULT_K, show_default=True, help=f"Passages to read, 1 to {MAX_K}.")
@click.option("--explain", is_flag=True, help="Tell why: ranks, scores, and what was not sure enough to be an answer.")
@_path_option
@_type_option
@_fresh_option
@_json_option
def ask(
    settings: Settings,
    *,
    question: Sequence[str],
    k: int,
    explain: bool,
    paths: Sequence[str],
    media_types: Sequence[str],
    fresh: str | None,
    as_json: bool,
) -> None:
    """Answer a QUESTION from the documents, with the place where the answer stands."""
    request = check(" ".join(question), k=k, paths=paths, media_types=media_types, fresh=fresh)
    with closing(open_engine(settings)) as engine:
        response = engine.ask(request)
        if as_json:
            _print_json(wire.response_json(response, explain=explain))
            return
        documents = {
            answer.citation.doc_id: engine.document(answer.citation.doc_id).document for answer in response.answers
        }
    _print_answers(response, documents)
    if explain:
        _print_explanation(response.explanation)


@command("search", "index", "retrieval", "answers")
@click.argument("query", nargs=-1, required=True)
@click.option("-k", type=int, default=10, show_default=True, help=f"Passages to find, 1 to {MAX_K}.")
@_path_option
@_type_option
@_fresh_option
@_json_option
def search(
    settings: Settings,
    *,
    query: Sequence[str],
    k: int,
    paths: Sequence[str],
    media_types: Sequence[str],
    fresh: str | None,
    as_json: bool,
) -> None:
    """List the passages that are nearest to a QUERY."""
    request = check(" ".join(query), k=k, paths=paths, media_types=media_types, fresh=fresh)
    with closing(open_engine(settings)) as engine:
        response = engine.search(request)
    if as_json:
        _print_json(wire.search_json(response))
        return
    console = _console()
    if not response.hits:
        console.print("Nothing was found.")
    for hit in response.hits:
        where = f"{hit.passage.doc_id} [{hit.passage.span.start}:{hit.passage.span.end}]"
        ranks = f"meaning {hit.dense_rank or '–'}, words {hit.lexical_rank or '–'}"
        read = "" if hit.relevance is None else f", log-odds that it answers {hit.relevance:.2f}"
        console.print(Text.assemble((f"{hit.rank}. ", "bold"), (where, "cyan"), f"  {hit.score:.3f}  ({ranks}{read})"))
        console.print(Text(f"   {_one_line(hit.passage.text, 160)}"))


@command("status", "index")
@click.option("--files", is_flag=True, help="List every file: those that are indexed, and the others with the reason.")
@_json_option
def status(settings: Settings, *, files: bool, as_json: bool) -> None:
    """Tell what the index holds."""
    # Without an engine: nothing is searched, so nothing need be derived.
    with closing(Database(current_database(settings.index))) as database:
        found = Status.of(database, database.identity)
        documents = database.summaries() if files else []
    previous = find_previous(settings.index)
    if as_json:
        _print_json({**wire.status_json(found), "previous": wire.previous_json(previous)})
        return
    console = _console()
    table = Table.grid(padding=(0, 2))
    table.add_row("Folder", Text(found.root))
    table.add_row("Documents", f"{found.counts.n_documents:,}")
    table.add_row("Passages", f"{found.counts.n_passages:,}")
    table.add_row("Index version", f"{found.index_version:,}")
    table.add_row("Compared with the folder", Text(found.state.reconciled_at or "not known"))
    table.add_row("Encoder", Text(found.encoder))
    if previous:
        table.add_row("Kept for a rollback", Text(_kept(previous)))
    failed = [failure for failure in found.failures if not failure.is_skipped]
    table.add_row("Could not be read", f"{len(failed):,}")
    table.add_row("Left out by rule", f"{len(found.failures) - len(failed):,}")
    console.print(table)
    for document in documents:
        console.print(Text(f"  {document.doc_id}  {document.n_passages} passages"))
    for failure in found.failures if files else failed:
        console.print(Text(f"  {failure.path}  [{failure.code}] {failure.message}"))


@command("verify", "index")
@click.argument("file", type=click.File("rb"))
@_json_option
def verify_command(settings: Settings, *, file: IO[bytes], as_json: bool) -> None:
    """Tell whether the citations in FILE still stand; "-" is standard input.

    FILE is JSON: a citation, a list of them, or all that `ask --json` printed. Exit status 1 where
    one neither stands in its place nor was found again.
    """
    saved = parse_citations(citations_in(_read_json(file)))
    with closing(Database(current_database(settings.index))) as database:
        database.pin()
        verification = verify(database, saved)
    if as_json:
        _print_json(wire.verification_json(verification))
    else:
        _print_verification(verification)
    if not all(checked.standing.holds for checked in verification.checked):
        click.get_current_context().exit(1)


@command("doctor", "index")
@click.option("--repair", is_flag=True, help="Remove what was left over. What is damaged is named, and never mended.")
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Encode so many passages again, and compare.",
)
@_json_option
def doctor(settings: Settings, *, repair: bool, sample: int, as_json: bool) -> None:
    """Check everything that can be checked of the index; exit status 1 if it is not sound."""
    done = repair_index(settings.index) if repair else ()
    findings = []
    for finding in examine_index(settings, n_encoded=sample):
        findings.append(finding)
        if not as_json:
            style = {Result.SOUND: "green", Result.DAMAGED: "bold red"}.get(finding.result, "yellow")
            line = Text.assemble((f"{finding.result:<9}", style), (f"{finding.check:<16}", "bold"), finding.message)
            _console().print(Text(_harmless(line.plain), spans=line.spans))
    is_sound = all(finding.result is not Result.DAMAGED for finding in findings)
    if as_json:
        _print_json(wire.findings_json(findings, done))
    else:
        for step in done:
            click.echo(f"Repaired: {step}")
    if not is_sound:
        click.get_current_context().exit(1)


@command("backup", "index")
@click.argument("target", type=click.Path(path_type=Path))
def backup_command(settings: Settings, *, target: Path) -> None:
    """Copy index and feedback to TARGET, a new folder or .zip file; also while they are used."""
    made = back_up(settings.index, target, check_feedback=read_all_feedback)
    counts = f"{made.n_documents:,} documents, {made.n_passages:,} passages, {made.n_feedback:,} entries of feedback"
    click.echo(f"Backed up and checked: version {made.index_version}, {counts}", err=True)


@command("restore", "index")
@click.argument("source", type=click.Path(path_type=Path))
def restore_command(settings: Settings, *, source: Path) -> None:
    """Put the backup SOURCE in the place of the index; a running service follows."""
    restored = restore(settings.index, source, check_feedback=read_all_feedback)
    made = restored.manifest
    counts = f"{made.n_documents:,} documents, {made.n_passages:,} passages"
    click.echo(f"Restored what was backed up at {_harmless(made.made_at)}: {counts}", err=True)
    click.echo(f"Index version {restored.index_version}; `citespan index` brings it up to the documents", err=True)
    if restored.set_aside is not None:
        click.echo(f"The feedback that was here is in {restored.set_aside}", err=True)


@command("rollback", "index")
def rollback_command(settings: Settings) -> None:
    """Let the index in use and the one before it change places; a running service follows."""
    contents = roll_back(settings.index)
    click.echo(f"Rolled back to the index {_described(contents)}", err=True)
    click.echo(
        f"Index version {contents.state.index_version}; `citespan index` brings it up to the documents", err=True
    )
    root = Path(contents.identity.root)
    if root != settings.documents.resolve() and root.exists():
        click.echo(f"It is an index of {_harmless(str(root))}: give that as --documents from now on", err=True)
    if settings.encoder not in (None, contents.identity.encoder):
        click.echo(f"Give no other --encoder than its own any more; {settings.encoder} was given", err=True)


@command("prune", "index")
@_json_option
def prune_command(settings: Settings, *, as_json: bool) -> None:
    """Remove the index that is kept for a rollback, and all that was left over."""
    removed = prune(settings.index)
    if as_json:
        _print_json(wire.removed_json(removed))
        return
    for file in removed:
        click.echo(f"Removed {_harmless(file.name)}")
    click.echo(f"Freed {sum(file.n_bytes for file in removed):,} bytes", err=True)


def _kept(previous: Previous) -> str:
    if previous.contents is None:
        return f"none that can be used: {_harmless(previous.problem)}"
    return f"the former index {_described(previous.contents)}, {previous.n_bytes:,} bytes"


def _described(contents: Contents) -> str:
    counts, when = contents.counts, contents.state.reconciled_at or "a time not known"
    made = _harmless(f"of {when} by {contents.identity.encoder}")
    return f"{made}: {counts.n_documents:,} documents, {counts.n_passages:,} passages"


@citespan.group("feedback")
def feedback_group() -> None:
    """What people said of answers."""


@command("list", "index", group=feedback_group)
@_json_option
def feedback_list(settings: Settings, *, as_json: bool) -> None:
    """List what people said of answers, newest first."""
    entries = FeedbackStore(settings.index).newest()
    if as_json:
        _print_json({"feedback": [wire.entry_json(entry) for entry in entries], "n_feedback": len(entries)})
        return
    if not entries:
        _console().print("There is no feedback yet.")
    for entry in entries:
        _print_entry(entry)


@command("export", "index", group=feedback_group)
@click.argument("file", type=click.File("w", encoding="utf-8", atomic=True))
def feedback_export(settings: Settings, *, file: IO[str]) -> None:
    """Write feedback to FILE as questions with gold answers, in the form of SQuAD 2.0; "-" is standard output."""
    exported = export_feedback(settings)
    file.write(json.dumps(exported.squad, ensure_ascii=False, indent=1) + "\n")
    counts = f"{exported.n_answerable:,} with an answer, {exported.n_impossible:,} without"
    click.echo(f"Questions written: {counts}", err=True)
    if exported.left_out:
        click.echo(told(exported.left_out), err=True)


@contextmanager
def progress_bars() -> Iterator[Callable[[Progress], None]]:
    """Show an update's progress on standard error: files, passages with their rate, time left."""
    console = Console(stderr=True)
    bars = Bars(
        SpinnerColumn(),
        TextColumn("Indexing"),
        BarColumn(),
        TextColumn("{task.fields[files]} files · {task.fields[encoded]:,} passages{task.fields[rate]} ·"),
        TimeElapsedColumn(),
        TextColumn("· left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bars:
        task = bars.add_task("", total=None, files="…", encoded=0, rate="")

        last_line = time.monotonic()

        def show(progress: Progress) -> None:
            nonlocal last_line
            if not console.is_terminal and time.monotonic() - last_line > _LINE_EVERY_S:
                last_line = time.monotonic()
                done = f"{progress.n_files_done} of {progress.n_files} files, {progress.n_encoded:,} passages"
                click.echo(f"Indexing: {done}", err=True)
            elapsed = bars.tasks[0].elapsed or 0.0
            rate = f" ({progress.n_encoded / elapsed:.0f}/s)" if elapsed > 1 and progress.n_encoded else ""
            bars.update(
                task,
                total=progress.bytes_total,
                completed=progress.bytes_done,
                files=f"{progress.n_files_done}/{progress.n_files}",
                encoded=progress.n_encoded,
                rate=rate,
            )

        yield show


def print_report(report: UpdateReport) -> None:
    """Print what an update did, on standard error: every file that it could not use, with the reason."""
    console = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
    _print_changes(console, report.added, report.replaced, report.renamed, report.deleted)
    _print_others(console, report.others)
    if report.n_not_retried:
        files = f"{report.n_not_retried:,} of them unchanged since they failed, and not read again"
        console.print(Text(f"! {files}: citespan index --retry-failed", style="bold red"))
    counts = (
        f"{len(report.added)} added, {len(report.replaced)} replaced, {len(report.renamed)} renamed, "
        f"{len(report.deleted)} removed, {report.n_unchanged} unchanged, {len(report.failed)} could not be read"
    )
    work = (
        f"{report.n_encoded:,} passages encoded, {report.n_reused:,} reused"
        if report.n_changes
        else "nothing had to be encoded"
    )
    console.print(Text(f"{counts}; {work}; {report.took_s:.1f} s; index version {report.index_version}."))


def print_plan(plan: Plan) -> None:
    """Print what an update would do, on standard output."""
    console = _console()
    added, replaced = [file.doc_id for file in plan.add], [file.doc_id for file in plan.replace]
    renamed = [f"{rename.known.doc_id} > {rename.file.doc_id}" for rename in plan.rename]
    _print_changes(console, added, replaced, renamed, [known.doc_id for known in plan.delete])
    _print_others(console, [*(item.failure for item in plan.failed_before), *plan.others])
    counts = (
        f"{len(plan.add)} to add, {len(plan.replace)} to replace, {len(plan.rename)} to rename, "
        f"{len(plan.delete)} to remove, {plan.n_unchanged} unchanged, {len(plan.failed_before)} failed before"
    )
    n_bytes = sum(file.stamp.size for file in plan.to_encode)
    work = f"{len(plan.to_encode)} files ({n_bytes:,} bytes) to be read, and encoded where they say anything new"
    console.print(Text(f"{counts}; {work}. Nothing was changed."))


def _print_rebuild(rebuild: Rebuild) -> None:
    """Print what a rebuild would put in the place of what, after its plan."""
    console, former = _console(), rebuild.former
    if former is None:
        console.print("There is no index that can be read: none is kept for a rollback.")
    else:
        console.print(Text(f"In use, and kept for `citespan rollback` then: the index {_described(former)}."))
    was = f"{former.identity.encoder} > " if former else ""
    console.print(Text(_harmless(f"Encoder: {was}{rebuild.encoder}")))
    was = f"{_sizes(former.identity.passages)} > " if former else ""
    console.print(Text(f"Passages: {was}{_sizes(rebuild.passages)}, or fewer as the encoder takes them"))


def _sizes(passages: PassageSettings) -> str:
    of_them = f"{passages.context_tokens} of them context, {passages.overlap_tokens} repeated"
    return f"{passages.max_tokens} tokens ({of_them})"


def _print_changes(
    console: Console, added: Sequence[str], replaced: Sequence[str], renamed: Sequence[str], deleted: Sequence[str]
) -> None:
    for mark, style, names in (
        ("+", "green", added),
        ("~", "yellow", replaced),
        (">", "blue", renamed),
        ("-", "red", deleted),
    ):
        for name in names[:_LISTED]:
            console.print(Text(f"{mark} {name}", style=style))
        if len(names) > _LISTED:
            console.print(Text(f"{mark} … and {len(names) - _LISTED:,} more", style=style))


def _print_others(console: Console, others: Sequence[Failure]) -> None:
    for failure in others:
        if not failure.is_skipped:
            console.print(Text(f"! {failure.path}: {failure.message} [{failure.code}]", style="bold red"))
    skipped = [other for other in others if other.is_skipped]
    for failure in skipped[:_LISTED]:
        console.print(Text(f"· {failure.path}: left out, {failure.message}", style="dim"))
    if len(skipped) > _LISTED:
        console.print(Text(f"· … and {len(skipped) - _LISTED:,} more: citespan status --files", style="dim"))


def _print_answers(response: Response, documents: dict[str, Document]) -> None:
    console = _console()
    if not response.hits:
        console.print("There was nothing to read: no document is indexed, or none passes --path and --type.")
        return
    if not response.answers:
        console.print("The documents do not say.", style="bold")
        nearest = response.hits[0].passage
        console.print(Text(f"Nearest passage: {nearest.doc_id}: {_one_line(nearest.text, 120)}", style="dim"))
        return
    for number, answer in enumerate(response.answers):
        if number:
            console.print()
        citation, sure = answer.citation, whole_per_cent(answer.confidence)
        console.print(Text(_harmless(answer.text), style="bold"))
        console.print(_in_context(answer, documents[citation.doc_id]))
        console.print(
            Text.assemble(
                "  ",
                (f"{citation.doc_id}:{citation.line}", "cyan"),
                f"  characters {citation.span.start}–{citation.span.end}, confidence {sure}%",
            )
        )
        for other in answer.citations[1:]:
            where = f"  characters {other.span.start}–{other.span.end}"
            console.print(Text.assemble("  also ", (f"{other.doc_id}:{other.line}", "cyan"), where))


def _print_explanation(explanation: Explanation) -> None:
    console = _console()
    console.print(f"\nAnswers from confidence {explanation.min_confidence:.2f} on (set by {explanation.chosen_by}).")
    if explanation.silence:
        console.print(f"No answer: {explanation.silence.replace('_', ' ')}.")
    for number, candidate in enumerate(explanation.candidates, start=1):
        sure = f"confidence {candidate.confidence:.3f}, share {candidate.evidence.share:.3f}"
        log_odds = f"log-odds that its passage answers {candidate.evidence.answerability:.2f}"
        console.print(Text.assemble(f"{number}. ", (_one_line(candidate.text, 100), "bold"), f"  {sure}, {log_odds}"))
        for place in candidate.places:
            hit = place.hit
            scored = f"start {place.scored.start_score:.2f}, end {place.scored.end_score:.2f}"
            ranks = (
                f"meaning {hit.dense_rank or '–'}, words {hit.lexical_rank or '–'}, fused {hit.rank} ({hit.score:.4f})"
            )
            console.print(
                Text.assemble(
                    "   ",
                    (f"{hit.passage.doc_id} [{place.span.start}:{place.span.end}]", "cyan"),
                    f"  {scored}, no answer {place.reading.no_answer:.2f}; {ranks}",
                )
            )


def _read_json(file: IO[bytes]) -> Any:  # whatever JSON there is
    content = file.read(_MAX_JSON_BYTES + 1)
    if len(content) > _MAX_JSON_BYTES:
        raise InvalidRequest(f"{file.name} is over the limit of {_MAX_JSON_BYTES:,} bytes: give citations in parts")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{file.name} is no JSON: {error}") from error


def _print_verification(verification: Verification) -> None:
    console = _console()
    for checked in verification.checked:
        saved, citation = checked.saved, checked.citation
        console.print(
            Text.assemble(
                (f"{checked.standing:<9}  ", "green" if checked.standing.holds else "bold red"),
                (_harmless(saved.doc_id), "cyan"),
                f" {_offsets(saved.quotation.span)}  {_one_line(saved.quotation.quote, 100)}",
            )
        )
        if citation and checked.standing is Standing.MOVED:
            console.print(Text(f"  now {citation.doc_id}:{citation.line} {_offsets(citation.span)}"))
        for place in checked.places:
            console.print(Text(f"  perhaps {place.doc_id} {_offsets(place.span)}"))
        if checked.replacement:
            similar = checked.replacement.similar
            marks = {"equal": "{}", "delete": "[-{}-]", "insert": "{{+{}+}}"}
            words = "".join(marks[edit.op].format(edit.text) for edit in similar.difference)
            where = f"{checked.replacement.doc_id} {_offsets(similar.span)}"
            console.print(Text(f"  like it, in {where}: {_one_line(words, 400)}"))
    counts = Counter(checked.standing for checked in verification.checked)
    told = ", ".join(f"{counts[standing]:,} {standing}" for standing in Standing if counts[standing])
    click.echo(f"{told or 'No citations'}; index version {verification.index_version}.", err=True)


def _offsets(span: Span) -> str:
    return f"[{span.start}:{span.end}]"


def _print_entry(entry: Entry) -> None:
    console = _console()
    answer = "The documents do not say." if entry.answer is None else _one_line(entry.answer, 100)
    console.print(Text.assemble((f"{entry.verdict}  ", "bold"), _one_line(entry.question, 160)))
    console.print(Text(f"  {answer}"))
    if entry.corrected is not None:
        console.print(Text(f"  rather: {_one_line(entry.corrected, 160) or 'The documents do not say.'}"))
    if entry.comment:
        console.print(Text(f"  comment: {_one_line(entry.comment, 160)}"))
    place = entry.place
    where = f"{place.doc_id} [{place.span.start}:{place.span.end}]" if place else "no passage"
    console.print(Text.assemble("  ", (_harmless(where), "cyan"), f"  {entry.time}  {entry.entry_id}"))


def _in_context(answer: Answer, document: Document, width: int = 90) -> Text:
    """Return the quote marked between some characters of what stands around it."""
    span = answer.citation.span
    before = document.text[max(0, span.start - width) : span.start]
    after = document.text[span.end : span.end + width]
    return Text.assemble(
        "  …" if span.start > width else "  ",
        _flat(before) + " " * before[-1:].isspace(),
        (_flat(answer.citation.quote), "reverse"),
        " " * after[:1].isspace() + _flat(after),
        "…" if span.end + width < len(document.text) else "",
    )


def _one_line(text: str, length: int) -> str:
    flat = _flat(text)
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def _flat(text: str) -> str:
    return " ".join(_harmless(text).split())


def _harmless(text: str) -> str:
    """Return a document's text without the control characters by which it could command the terminal."""
    return "".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text)


def _console() -> Console:
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def _print_json(value: wire.Json) -> None:
    # Not through rich: what is printed has to be the JSON and nothing else.
    text = json.dumps(value, ensure_ascii=not _is_utf8(sys.stdout.encoding), indent=2)
    # JSON lets these controls stand; a terminal would obey them.
    click.echo(_LATE_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def _is_utf8(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "") == "utf8"
