"""One trial: a writer is killed, and the index that it leaves is looked at, mended by an update, and compared."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

from index.errors import FileError, NoIndex, NoPreviousIndex
from index.parsing import FORMATS, parse
from index.passages import PassageSettings, cut, encoded_text
from index.records import Filter
from index.rollback import roll_back
from index.store.database import Database
from index.store.embedded import EmbeddedStore
from index.store.folder import current_database, has_index, previous_database
from tests.crash.edits import Files, carry_out, foreseen, random_content, random_edit, read_files, root_of
from tests.crash.writer import Order, Round, Writer, read_journal
from tests.equivalence import QUERIES, differences, seen
from tests.standins import HashingEncoder, opened, update_with

# Shorter than in service, so that some stamps are relied on; longer than any file system's tick.
_SETTLED_AFTER_NS = 25_000_000
_FIRST_KILLS = (
    "create.after",
    "close.before",
    "close.after",
    "note.staged",
    "switch.before",
    "switch.staged",
    "switch.replaced",
    "count.after_commit",
)


COMMANDS = {"update": 6, "rebuild": 3, "rollback": 2, "prune": 1, "checkpoint": 1}
"""How often each is drawn."""

# Which edits or commands a point is come to by, where it is not named for them.
_COMES_BY = {
    "create": "rebuild",
    "switch": "rebuild",
    "leftover": "rebuild",
    "count": "rollback",
    "clear": "prune",
    "root": "move",
    "replace": "write",
}


@dataclass(frozen=True, slots=True)
class Indexed:
    """All that an index says of one document, without ids."""

    text: str
    sha256: str
    passages: tuple[tuple[int, int, str], ...]
    vectors: tuple[bytes, ...]


Index = dict[str, Indexed]


@dataclass(frozen=True, slots=True)
class Folder:
    """What the index in use says, and the one that is kept for a rollback; None where none is."""

    current: Index
    previous: Index | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial: whether the writer was killed as it should be, and what was wrong then."""

    was_killed: bool
    took_s: float
    problems: tuple[str, ...]


def run_trial(writer: Writer, home: Path, *, point: str | None, after_s: float, rng: Random) -> Outcome:
    """Kill a writer at a point, or after some time where there is none, and look at what it leaves.

    Args:
        home: An empty folder.
        after_s: When, at most, where it is killed after some time.
    """
    (home / "documents").mkdir()
    problems: list[str] = []
    if rng.random() < 0.6:
        for _ in range(rng.randint(2, 8)):
            carry_out(random_edit(rng), home)
        update_with(HashingEncoder(), root_of(home), home / "index")
        if rng.random() < 0.5:
            carry_out(random_edit(rng), home)
            update_with(HashingEncoder(), root_of(home), home / "index", rebuild=True)
    files, before = read_files(home), observed(home / "index")
    lives = _lives(home, point, after_s, rng)
    with ExitStack() as readers:
        for order in lives:
            # A reader pins the log, so that it is not copied into the database when a writer ends.
            live = None
            if has_index(home / "index") and rng.random() < 0.5:
                live = readers.enter_context(opened(home / "index"))
            end = writer.live(order)
            if end.status not in (0, -9):
                return Outcome(False, end.took_s, (f"the writer failed: exit status {end.status}",))
            if order is lives[-1] and not end.was_killed:
                return Outcome(False, end.took_s, ())  # what a whole run leaves is for other tests
            problems += _check_life(home, order, files, before, live)
            files, before = read_files(home), observed(home / "index")
        if rng.random() < 0.5:
            for _ in range(rng.randint(1, 4)):
                carry_out(random_edit(rng), home)
        update_with(HashingEncoder(), root_of(home), home / "index")
    problems += check_mended(home)
    return Outcome(end.was_killed, end.took_s, tuple(problems))


def _lives(home: Path, point: str | None, after_s: float, rng: Random) -> list[Order]:
    """Return one or two lives; the last one is that of the trial, one before it is killed somewhere else."""

    def order(rounds: Sequence[Round], point: str | None, nth: int = 1) -> Order:
        settled_after_ns = rng.choice([_SETTLED_AFTER_NS, 2 * 10**9])
        killed_after_s = rng.uniform(0, after_s) if point is None else None
        return Order(str(home), rounds, point, nth, killed_after_s, settled_after_ns, group)

    what = (point or "").split(".")[0]
    if what == "forget":
        # What is kept of a long document whose writing breaks off, and which is deleted then.
        group = 2
        long = "\n\n".join(random_content(rng) for _ in range(40)).replace("\0", "")
        begun = [*_rounds(rng, n_rounds=1), Round([["write", "long.txt", long]], "update")]
        deleted = Round([["delete", "long.txt"]], "update")
        return [order(begun, "pending.after_commit", rng.choice([3, 6, 9])), order([deleted], point)]
    group = 2 if what == "pending" else rng.choice([2, 3, 128])
    lives = []
    if rng.random() < 0.3:
        lives.append(order(_rounds(rng, n_rounds=2), rng.choice(_FIRST_KILLS), rng.choice([1, 2])))
    rounds = _rounds(rng, n_rounds=rng.randint(2, 4), favoured=what)
    return [*lives, order(rounds, point, rng.choice([1, 1, 1, 2, 3]))]


def _rounds(rng: Random, *, n_rounds: int, favoured: str = "") -> list[Round]:
    """Return rounds in which what is favoured, if it is an edit or a command, comes often."""
    favoured = _COMES_BY.get(favoured, favoured)
    weights = [8 if command == favoured else weight for command, weight in COMMANDS.items()]
    rounds = []
    for number in range(n_rounds):
        edits = [random_edit(rng, kind=favoured if rng.random() < 0.5 else None) for _ in range(rng.randint(2, 6))]
        command = rng.choices(list(COMMANDS), weights)[0] if number else "update"
        rounds.append(Round(edits, command))
    return rounds


def _check_life(home: Path, order: Order, files: Files, before: Folder, live: EmbeddedStore | None) -> list[str]:
    """Return what is wrong with the index that a writer left; `files` and `before` are of before its life."""
    phase, number, version, command = "done", -1, 0, ""
    after = before
    for word, number_text, *rest in read_journal(home):
        phase, number = word, int(number_text)
        edits, command = order.rounds[number]
        if phase == "writing":
            for edit in edits:
                files = foreseen(edit, files)
            after = _after(command, files, before)
        elif phase == "done":
            before, version = after, int(rest[0])
    try:
        found = observed(home / "index")
        problems = _check_opening(home / "index", found.current, version)
    except NoIndex:
        # The first one is not there before it was switched to.
        return [f"no index after {phase} {number}"] if version or before.current else []
    if phase != "writing":
        if found != before:
            told = _difference(found.current, before.current)
            problems.append(f"{phase} {number}: not what was committed: {told}")
    elif command == "update":
        problems += _check_documents(found.current, before.current, after.current)
        if found.previous != before.previous:
            problems.append(f"update {number}: another index is kept for a rollback")
    elif found not in (before, after):
        problems.append(f"{command} {number}: neither what was there before nor what was to be")
    if live is not None:
        live.refresh()
        with live.snapshot() as snapshot:
            served = {summary.doc_id: snapshot.document(summary.doc_id).text for summary in snapshot.summaries()}
        if served != {doc_id: document.text for doc_id, document in found.current.items()}:
            problems.append("a reader that was open sees something else than one that opens now")
    return problems


def _after(command: str, files: Files, before: Folder) -> Folder:
    """Return what has to be there after a command."""
    match command:
        case "rebuild":
            return Folder(expected(files), before.current)
        case "rollback" if before.previous is not None:
            return Folder(before.previous, before.current)
        case "prune":
            return Folder(before.current, None)
        case "update":
            return Folder(expected(files), before.previous)
    return before


def _check_documents(found: Index, before: Index, after: Index) -> list[str]:
    """Return which documents are neither what they were nor what they shall be."""
    problems = [
        f"{doc_id} is neither the old one nor the new one"
        for doc_id in sorted({*found, *before, *after})
        if found.get(doc_id) not in (before.get(doc_id), after.get(doc_id))
    ]
    gone, new = _by_content(before, after), _by_content(after, before)
    renamed = [
        (gone[sha256][0], new[sha256][0])
        for sha256 in gone.keys() & new.keys()
        if len(gone[sha256]) == len(new[sha256]) == 1
    ]
    return problems + [
        f"{name} was renamed to {other}: both are there, or neither"
        for name, other in renamed
        if (name in found) is (other in found)
    ]


def _by_content(index: Index, other: Index) -> dict[str, list[str]]:
    """Return the documents that one index has and another has not, by their content."""
    found: dict[str, list[str]] = {}
    for doc_id in index.keys() - other.keys():
        found.setdefault(index[doc_id].sha256, []).append(doc_id)
    return found


def _check_opening(folder: Path, found: Index, version: int) -> list[str]:
    """Return what is wrong with an index as a reader opens it, before any update."""
    problems = []
    with opened(folder) as store, store.snapshot() as snapshot:
        if snapshot.index_version < version:
            problems.append(f"version {snapshot.index_version}, and {version} was committed")
        for query in QUERIES:
            vector = HashingEncoder().encode_questions([query])[0]
            for ranking in (snapshot.dense(vector, 20, Filter()), snapshot.lexical(query, 20, Filter())):
                passages = snapshot.passages([entry.passage_id for entry in ranking])
                for entry in ranking:
                    hit = passages[entry.passage_id]
                    place = (hit.span.start, hit.span.end, hit.heading)
                    if hit.doc_id not in found or place not in found[hit.doc_id].passages:
                        problems.append(f"a hit in {hit.doc_id} that is no passage of it")
    return problems


def check_mended(home: Path) -> list[str]:
    """Return in what an index differs from a full build, after an update; and what lies about."""
    update_with(HashingEncoder(), root_of(home), home / "fresh")
    folder, problems = home / "index", []
    mended, fresh = observed(folder).current, observed(home / "fresh").current
    if mended != fresh:
        problems.append(f"not what a full build gives: {_difference(mended, fresh)}")
    if expected(read_files(home)) != fresh:
        problems.append("a full build is not what the files say")
    encoder = HashingEncoder()
    problems += differences(seen(folder, encoder), seen(home / "fresh", encoder))
    wanted = {"current", "version", "write.lock", current_database(folder).name}
    with suppress(NoPreviousIndex):
        wanted.add(previous_database(folder).name)
        problems += _check_previous(home)
    names = {path.name for path in folder.iterdir()} - {"feedback.lock"}
    if names != wanted:
        problems.append(f"left over: {sorted(names ^ wanted)}")
    with closing(sqlite3.connect(current_database(folder))) as connection:
        if connection.execute("SELECT count(*) FROM pending").fetchone() != (0,):
            problems.append("vectors are kept for a document that is whole or gone")
    return problems


def _check_previous(home: Path) -> list[str]:
    """Return what is wrong with the index that is kept for a rollback, by rolling back to it and back again."""
    folder, problems = home / "index", []
    before = observed(folder)
    for there in (Folder(before.previous or {}, before.current), before):
        former = _version(folder)
        roll_back(folder)
        if observed(folder) != there:
            problems.append("a rollback gives another index than the one that was kept")
        if _version(folder) <= former:
            problems.append("a rollback gives a version that there was already")
    return problems


def _version(folder: Path) -> int:
    with closing(Database(current_database(folder))) as database:
        return database.index_version


def observed(folder: Path) -> Folder:
    """Return what the indexes of a folder say, read past our own code.

    Raises:
        AssertionError: SQLite finds a file damaged.
    """
    try:
        current = _read(current_database(folder))
    except NoIndex:
        return Folder({}, None)
    try:
        return Folder(current, _read(previous_database(folder)))
    except NoPreviousIndex:
        return Folder(current, None)


def _read(path: Path) -> Index:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        found = {}
        for document_id, doc_id, text, sha256 in connection.execute(
            "SELECT document_id, doc_id, text, sha256 FROM documents"
        ).fetchall():
            rows = connection.execute(
                'SELECT "start", "end", heading, vector FROM passages WHERE document_id = ? ORDER BY passage_id',
                (document_id,),
            ).fetchall()
            found[doc_id] = Indexed(text, sha256, tuple(row[:3] for row in rows), tuple(row[3] for row in rows))
        return found


def expected(files: Mapping[str, bytes]) -> Index:
    """Return what an index has to say of some files."""
    found = ((name, _indexed(name, content)) for name, content in files.items())
    return {name: indexed for name, indexed in found if indexed is not None}


@cache
def _indexed(name: str, content: bytes) -> Indexed | None:
    """Return what an index has to say of a file, None where it cannot be used. Vectors are those of each text alone."""
    if Path(name).suffix not in FORMATS:
        return None
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        document = parse(content, doc_id=name, sha256=sha256)
    except FileError:
        return None
    encoder = HashingEncoder()
    settings = PassageSettings()
    settings = replace(settings, max_tokens=min(settings.max_tokens, encoder.max_tokens))
    cuts = cut(document, encoder.token_spans, settings)
    vectors = [
        encoder.encode_passages([encoded_text(document, piece, encoder.token_spans, settings)]) for piece in cuts
    ]
    return Indexed(
        document.text,
        sha256,
        tuple((piece.span.start, piece.span.end, piece.heading) for piece in cuts),
        tuple(vector.astype("<f4").tobytes() for vector in vectors),
    )


def _difference(found: Index, wanted: Index) -> Iterable[str]:
    return sorted(doc_id for doc_id in {*found, *wanted} if found.get(doc_id) != wanted.get(doc_id))
