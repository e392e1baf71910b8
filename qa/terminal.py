"""What commands print: results on standard output, progress and counts on standard error."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

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

from index.collection import Failure
from index.health import Finding, Result
from index.parsing import FORMATS
from index.passages import PassageSettings
from index.records import Document, DocumentSummary, IndexState, Span
from index.rollback import Contents, Previous
from index.update import Plan, Progress, Rebuild, UpdateReport
from index.wording import counted
from qa import wire
from qa.confidence import whole_per_cent
from qa.engine import Status
from qa.feedback import Entry
from qa.records import Answer, Explanation, Response, SearchResponse
from qa.verification import Standing, Verification

_LATE_CONTROLS = re.compile("[\x7f-\x9f]")

_LINE_EVERY_S = 10.0
"""Between two lines of progress where there is no terminal for bars."""

_LISTED = 20
"""Entries of a list before the rest is only counted; --json and `status --files` have them all."""

_NO_PASSAGE = "no document is indexed, or none passes --path and --type"


@contextmanager
def progress_bars() -> Iterator[Callable[[Progress], None]]:
    """Show an update's progress on standard error: files, passages with their rate, time left."""
    console = Console(stderr=True)
    bars = Bars(
        SpinnerColumn(),
        TextColumn("Indexing"),
        BarColumn(),
        TextColumn("{task.fields[files]} files · {task.fields[encoded]}{task.fields[rate]} ·"),
        TimeElapsedColumn(),
        TextColumn("· left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bars:
        task = bars.add_task("", total=None, files="…", encoded=counted(0, "passage"), rate="")

        last_line = time.monotonic()

        def show(progress: Progress) -> None:
            nonlocal last_line
            if not console.is_terminal and time.monotonic() - last_line > _LINE_EVERY_S:
                last_line = time.monotonic()
                done = f"{progress.n_files_done} of {counted(progress.n_files, 'file')}"
                click.echo(f"Indexing: {done}, {counted(progress.n_encoded, 'passage')}", err=True)
            elapsed = bars.tasks[0].elapsed or 0.0
            rate = f" ({progress.n_encoded / elapsed:.0f}/s)" if elapsed > 1 and progress.n_encoded else ""
            bars.update(
                task,
                total=progress.bytes_total,
                completed=progress.bytes_done,
                files=f"{progress.n_files_done}/{progress.n_files}",
                encoded=counted(progress.n_encoded, "passage"),
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
        f"{counted(report.n_encoded, 'passage')} encoded, {report.n_reused:,} reused"
        if report.n_changes
        else "nothing had to be encoded"
    )
    console.print(Text(f"{counts}; {work}; {report.took_s:.1f} s; index version {report.index_version}."))
    if not report.n_documents:
        console.print(Text(f"! No document is indexed: the folder has none that can be read ({', '.join(FORMATS)})"))


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
    files = f"{counted(len(plan.to_encode), 'file')} ({counted(n_bytes, 'byte')})"
    console.print(Text(f"{counts}; {files} to be read, and what they say anew encoded. Nothing was changed."))


def print_rebuild(rebuild: Rebuild) -> None:
    """Print what a rebuild would put in the place of what, after its plan."""
    console, former = _console(), rebuild.former
    if former is None:
        console.print("There is no index that can be read: none is kept for a rollback.")
    else:
        console.print(Text(f"In use, and kept for `citespan rollback` then: the index {described(former)}."))
    was = f"{former.identity.encoder} > " if former else ""
    console.print(Text(harmless(f"Encoder: {was}{rebuild.encoder}")))
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


def print_hits(response: SearchResponse) -> None:
    """Print what a search found."""
    console = _console()
    if not response.hits:
        console.print(f"Nothing was found: {_NO_PASSAGE}.")
    for hit in response.hits:
        where = f"{hit.passage.doc_id} [{hit.passage.span.start}:{hit.passage.span.end}]"
        ranks = f"meaning {hit.dense_rank or '–'}, words {hit.lexical_rank or '–'}"
        read = "" if hit.relevance is None else f", log-odds that it answers {hit.relevance:.2f}"
        console.print(Text.assemble((f"{hit.rank}. ", "bold"), (where, "cyan"), f"  {hit.score:.3f}  ({ranks}{read})"))
        console.print(Text(f"   {_one_line(hit.passage.text, 160)}"))
    _print_state(console, response.state)


def print_answers(response: Response, documents: dict[str, Document]) -> None:
    """Print answers in their context, with the places where they stand.

    Args:
        documents: By id, those that the answers quote first.
    """
    console = _console()
    if not response.hits:
        console.print(f"There was nothing to read: {_NO_PASSAGE}.")
    elif not response.answers:
        console.print("The documents do not say.", style="bold")
        nearest = response.hits[0].passage
        console.print(Text(f"Nearest passage: {nearest.doc_id}: {_one_line(nearest.text, 120)}", style="dim"))
    for number, answer in enumerate(response.answers):
        if number:
            console.print()
        citation, sure = answer.citation, whole_per_cent(answer.confidence)
        console.print(Text(harmless(answer.text), style="bold"))
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
    _print_state(console, response.state)


def _print_state(console: Console, state: IndexState) -> None:
    """Print how old the index is that was searched: unless `--fresh` asks for it, no command looks into the folder."""
    when = state.reconciled_at or "a time not known"
    console.print(Text(f"Documents as of {when}; `citespan index` reads what has changed since.", style="dim"))


def print_explanation(explanation: Explanation) -> None:
    """Print why these are the answers, or why there is none."""
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


def print_status(
    found: Status, previous: Previous | None, documents: Sequence[DocumentSummary], *, is_complete: bool
) -> None:
    """Print what an index holds.

    Args:
        documents: To be listed.
        is_complete: List files that are left out by rule, too.
    """
    console = _console()
    table = Table.grid(padding=(0, 2))
    table.add_row("Folder", Text(found.root))
    table.add_row("Documents", f"{found.counts.n_documents:,}")
    table.add_row("Passages", f"{found.counts.n_passages:,}")
    table.add_row("Index version", f"{found.index_version:,}")
    table.add_row("Compared with the folder", Text(found.state.reconciled_at or "not known"))
    table.add_row("Encoder", Text(found.encoder))
    if previous:
        table.add_row("Kept for a rollback", Text(described_previous(previous)))
    failed = [failure for failure in found.failures if not failure.is_skipped]
    table.add_row("Could not be read", f"{len(failed):,}")
    table.add_row("Left out by rule", f"{len(found.failures) - len(failed):,}")
    console.print(table)
    for document in documents:
        console.print(Text(f"  {document.doc_id}  {counted(document.n_passages, 'passage')}"))
    for failure in found.failures if is_complete else failed:
        console.print(Text(f"  {failure.path}  [{failure.code}] {failure.message}"))


def print_finding(finding: Finding) -> None:
    """Print one finding of an examination."""
    style = {Result.SOUND: "green", Result.DAMAGED: "bold red"}.get(finding.result, "yellow")
    line = Text.assemble((f"{finding.result:<9}", style), (f"{finding.check:<16}", "bold"), finding.message)
    _console().print(Text(harmless(line.plain), spans=line.spans))


def print_verification(verification: Verification) -> None:
    """Print how saved citations stand."""
    console = _console()
    for checked in verification.checked:
        saved, citation = checked.saved, checked.citation
        console.print(
            Text.assemble(
                (f"{checked.standing:<9}  ", "green" if checked.standing.holds else "bold red"),
                (harmless(saved.doc_id), "cyan"),
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


def print_entry(entry: Entry) -> None:
    """Print what somebody said of an answer."""
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
    console.print(Text.assemble("  ", (harmless(where), "cyan"), f"  {entry.time}  {entry.entry_id}"))


def described_previous(previous: Previous) -> str:
    """Return what is kept for a rollback, in words."""
    if previous.contents is None:
        return f"none that can be used: {harmless(previous.problem)}"
    return f"the former index {described(previous.contents)}, {previous.n_bytes:,} bytes"


def described(contents: Contents) -> str:
    """Return what an index holds, in words."""
    counts, when = contents.counts, contents.state.reconciled_at or "a time not known"
    made = harmless(f"of {when} by {contents.identity.encoder}")
    return f"{made}: {counted(counts.n_documents, 'document')}, {counted(counts.n_passages, 'passage')}"


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
    """Return a text on one line, cut to a length in characters."""
    flat = _flat(text)
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def _flat(text: str) -> str:
    return " ".join(harmless(text).split())


def harmless(text: str) -> str:
    """Return a document's text without the control characters by which it could command the terminal."""
    return "".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text)


def _console() -> Console:
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def print_json(value: wire.Json) -> None:
    """Print a value as JSON and nothing else."""
    # Not through rich, which would colour and wrap it.
    text = json.dumps(value, ensure_ascii=not _is_utf8(sys.stdout.encoding), indent=2)
    # JSON lets these controls stand; a terminal would obey them.
    click.echo(_LATE_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def _is_utf8(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "") == "utf8"
