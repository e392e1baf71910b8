"""The command line. qa.evaluation adds `eval`, serve.py adds `serve`.

Exit status: 0 done (that the documents do not say is an answer too), 1 an error or a citation that does not
hold any more, 2 wrong usage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import click

from index.backup import back_up, restore
from index.errors import CitespanError, InputError, InvalidRequest
from index.health import Result
from index.health import repair as repair_index
from index.rollback import find_previous, prune, roll_back
from index.store.database import Database
from index.store.folder import current_database
from index.wording import counted
from qa import wire
from qa.composition import (
    collection_of,
    examine_index,
    export_feedback,
    open_engine,
    preview_index,
    preview_index_rebuild,
    read_all_feedback,
    update_index,
)
from qa.engine import Status
from qa.feedback_export import told
from qa.feedback_store import FeedbackStore
from qa.process import prepare_process
from qa.requests import DEFAULT_K, MAX_K, check
from qa.saved_citations import citations_in, parse_citations
from qa.settings import Settings, options, settings_from
from qa.terminal import (
    described,
    described_previous,
    harmless,
    print_answers,
    print_entry,
    print_explanation,
    print_finding,
    print_hits,
    print_json,
    print_plan,
    print_rebuild,
    print_report,
    print_status,
    print_verification,
    progress_bars,
)
from qa.verification import verify

_MAX_JSON_BYTES = 16 * 2**20
"""Of a file with citations; all that `ask` answers has a hundredth of it."""


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
            print_json({**wire.plan_json(plan), "rebuild": replaced and wire.rebuild_json(replaced)})
            return
        print_plan(plan)
        if replaced:
            print_rebuild(replaced)
        return
    with progress_bars() as on_progress:
        report = update_index(settings, rebuild=rebuild, retry_failed=retry_failed, on_progress=on_progress)
    if as_json:
        print_json(wire.report_json(report))
        return
    print_report(report)
    previous = find_previous(settings.index) if rebuild else None
    if previous:
        click.echo(
            f"{described_previous(previous)}: `citespan rollback` goes back to it, `citespan prune` removes it",
            err=True,
        )


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
            print_json(wire.response_json(response, explain=explain))
            return
        documents = {
            answer.citation.doc_id: engine.document(answer.citation.doc_id).document for answer in response.answers
        }
    print_answers(response, documents)
    if explain:
        print_explanation(response.explanation)


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
        print_json(wire.search_json(response))
        return
    print_hits(response)


@command("status", "index")
@click.option("--files", is_flag=True, help="List every file: those that are indexed, and the others with the reason.")
@_json_option
def status(settings: Settings, *, files: bool, as_json: bool) -> None:
    """Tell what the index holds."""
    # Without an engine: nothing is searched, so nothing need be derived.
    with closing(Database(current_database(settings.index))) as database:
        collection_of(database.identity, settings)
        found = Status.of(database, database.identity)
        documents = database.summaries() if files else []
    previous = find_previous(settings.index)
    if as_json:
        print_json({**wire.status_json(found), "previous": wire.previous_json(previous)})
        return
    print_status(found, previous, documents, is_complete=files)


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
        print_json(wire.verification_json(verification))
    else:
        print_verification(verification)
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
            print_finding(finding)
    is_sound = all(finding.result is not Result.DAMAGED for finding in findings)
    if as_json:
        print_json(wire.findings_json(findings, done))
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
    counts = f"{counted(made.n_documents, 'document')}, {counted(made.n_passages, 'passage')}"
    judged = counted(made.n_feedback, "entry", "entries")
    click.echo(f"Backed up and checked: version {made.index_version}, {counts}, {judged} of feedback", err=True)


@command("restore", "index")
@click.argument("source", type=click.Path(path_type=Path))
def restore_command(settings: Settings, *, source: Path) -> None:
    """Put the backup SOURCE in the place of the index; a running service follows."""
    restored = restore(settings.index, source, check_feedback=read_all_feedback)
    made = restored.manifest
    counts = f"{counted(made.n_documents, 'document')}, {counted(made.n_passages, 'passage')}"
    click.echo(f"Restored what was backed up at {harmless(made.made_at)}: {counts}", err=True)
    click.echo(f"Index version {restored.index_version}; `citespan index` brings it up to the documents", err=True)
    if restored.set_aside is not None:
        click.echo(f"The feedback that was here is in {restored.set_aside}", err=True)


@command("rollback", "index")
def rollback_command(settings: Settings) -> None:
    """Let the index in use and the one before it change places; a running service follows."""
    contents = roll_back(settings.index)
    click.echo(f"Rolled back to the index {described(contents)}", err=True)
    click.echo(
        f"Index version {contents.state.index_version}; `citespan index` brings it up to the documents", err=True
    )
    root = Path(contents.identity.root)
    if root != settings.documents.resolve() and root.exists():
        click.echo(f"It is an index of {harmless(str(root))}: give that as --documents from now on", err=True)
    if settings.encoder not in (None, contents.identity.encoder):
        click.echo(f"Give no other --encoder than its own any more; {settings.encoder} was given", err=True)


@command("prune", "index")
@_json_option
def prune_command(settings: Settings, *, as_json: bool) -> None:
    """Remove the index that is kept for a rollback, and all that was left over."""
    removed = prune(settings.index)
    if as_json:
        print_json(wire.removed_json(removed))
        return
    for file in removed:
        click.echo(f"Removed {harmless(file.name)}")
    click.echo(f"Freed {sum(file.n_bytes for file in removed):,} bytes", err=True)


@citespan.group("feedback")
def feedback_group() -> None:
    """What people said of answers."""


@command("list", "index", group=feedback_group)
@_json_option
def feedback_list(settings: Settings, *, as_json: bool) -> None:
    """List what people said of answers, newest first."""
    entries = FeedbackStore(settings.index).newest()
    if as_json:
        print_json({"feedback": [wire.entry_json(entry) for entry in entries], "n_feedback": len(entries)})
        return
    if not entries:
        click.echo("There is no feedback yet.")
    for entry in entries:
        print_entry(entry)


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


def _read_json(file: IO[bytes]) -> Any:  # whatever JSON there is
    content = file.read(_MAX_JSON_BYTES + 1)
    if len(content) > _MAX_JSON_BYTES:
        raise InvalidRequest(f"{file.name} is over the limit of {_MAX_JSON_BYTES:,} bytes: give citations in parts")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{file.name} is no JSON: {error}") from error
