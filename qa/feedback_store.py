"""Where feedback is kept: a database of its own in the index's folder, for a rebuild replaces that of the index."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from index.errors import (
    DamagedFeedback,
    IndexBusy,
    IndexNotWritable,
    StoreError,
    UnknownFeedback,
    UnsupportedFeedback,
)
from index.records import Span
from index.store.connection import Connection, connect, translated
from index.store.digests import row_digest
from index.store.folder import writing
from qa.feedback import Entry, Quoted, Verdict

_FORMAT = 2
"""Of the table below, as SQLite's user_version, which is 0 where nobody set it. Format 1 had no digests."""

_SCHEMA = f"""
-- In the order of `number`, for two entries may have one time.
CREATE TABLE entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    entry_id TEXT NOT NULL UNIQUE,
    time TEXT NOT NULL,
    question TEXT NOT NULL,
    verdict TEXT NOT NULL,
    answer TEXT,
    doc_id TEXT, "start" INTEGER, "end" INTEGER, quote TEXT, sha256 TEXT,
    corrected TEXT,
    comment TEXT NOT NULL,
    index_version INTEGER NOT NULL,
    reader TEXT NOT NULL,
    encoder TEXT NOT NULL,
    digest BLOB NOT NULL
) STRICT;
PRAGMA user_version = {_FORMAT};
"""

_NAMED = 3
"""Damaged entries that are named; the rest is counted."""

_COLUMNS = (
    'entry_id, time, question, verdict, answer, doc_id, "start", "end", quote, sha256, '
    "corrected, comment, index_version, reader, encoder"
)


class FeedbackStore:
    """The entries of an index's folder.

    A call opens the file and closes it again, so that threads and processes may write at the same time, and a
    service answers questions beside a file that is damaged. There is no file before the first entry.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is opened yet."""
        self._folder = folder
        self.path = folder / "feedback.db"

    def add(self, entry: Entry) -> None:
        """Keep an entry.

        Raises:
            FeedbackError: The file is damaged, or of another version.
            IndexBusy: Other processes write all the time.
            IndexNotWritable: The operating system refuses.
        """
        place = entry.place
        where = (place.doc_id, place.span.start, place.span.end, place.quote, place.sha256) if place else (None,) * 5
        values = (entry.entry_id, entry.time, entry.question, entry.verdict.value, entry.answer, *where)
        values += (entry.corrected, entry.comment, entry.index_version, entry.reader, entry.encoder)
        marks = ", ".join("?" * len(values))
        if not self.path.exists():
            self._make()
        with self._using() as connection:
            connection.execute(
                f"INSERT INTO entries ({_COLUMNS}, digest) VALUES ({marks}, ?)", (*values, row_digest(values))
            )

    def newest(self, limit: int | None = None, *, before: str | None = None) -> list[Entry]:
        """Return the entries, newest first.

        Args:
            limit: How many at most.
            before: The id of an entry; only older ones are returned.

        Raises:
            UnknownFeedback: There is no entry `before`.
            FeedbackError: As `add`.
        """
        self._check_structure()
        if before is not None:
            self.get(before)
        return self._select(
            "WHERE ? IS NULL OR number < (SELECT number FROM entries WHERE entry_id = ?) ORDER BY number DESC LIMIT ?",
            (before, before, -1 if limit is None else limit),
        )

    def get(self, entry_id: str) -> Entry:
        """Return the entry of an id.

        Raises:
            UnknownFeedback: There is none.
            FeedbackError: As `add`.
        """
        found = self._select("WHERE entry_id = ?", (entry_id,))
        if not found:
            raise _unknown(entry_id)
        return found[0]

    def delete(self, entry_id: str) -> Entry:
        """Forget an entry; return what it was.

        Raises:
            UnknownFeedback: There is none, or somebody else was faster.
            FeedbackError, IndexBusy, IndexNotWritable: As `add`.
        """
        entry = self.get(entry_id)
        with self._using() as connection:
            if not connection.execute("DELETE FROM entries WHERE entry_id = ?", (entry_id,)).rowcount:
                raise _unknown(entry_id)
        return entry

    def count(self) -> int:
        """Return how many entries there are.

        Raises:
            FeedbackError: As `add`.
        """
        if not self.path.exists():
            return 0
        with self._using() as connection:
            return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])

    def check(self) -> int:
        """Read all of it; return how many entries there are.

        Raises:
            FeedbackError: As `add`.
        """
        return len(self.newest())

    def _check_structure(self) -> None:
        """Raise where the table and its index do not hold the same entries: one that is lost has no digest to tell it.

        Raises:
            FeedbackError: As `add`.
        """
        if not self.path.exists():
            return
        with self._using() as connection:
            for (found,) in connection.execute("PRAGMA integrity_check(1)"):
                if found != "ok":
                    raise DamagedFeedback(_damage(self.path, found))

    def _select(self, clauses: str, values: tuple[str | int | None, ...]) -> list[Entry]:
        if not self.path.exists():
            return []
        with self._using() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS}, digest FROM entries {clauses}", values).fetchall()
        try:
            damaged = [row[0] for *row, digest in rows if row_digest(row) != digest]
            if damaged:
                named = ", ".join(map(repr, damaged[:_NAMED]))
                raise ValueError(f"{len(damaged)} of {len(rows)} entries are not what was kept, the first {named}")
            return [_entry(row) for *row, _ in rows]
        except (TypeError, ValueError) as error:  # a span that is none, a verdict that is none
            raise DamagedFeedback(_damage(self.path, error)) from error

    @contextmanager
    def _using(self) -> Iterator[Connection]:
        """Open the file; one statement is one transaction."""
        try:
            with translated(self.path), closing(connect(self.path, mode="rw")) as connection:
                found = connection.execute("PRAGMA user_version").fetchone()[0]
                if found == 1:
                    try:
                        found = _upgraded(connection)
                    except (TypeError, ValueError) as error:  # an entry that is none of ours
                        raise DamagedFeedback(_damage(self.path, error)) from error
                if found == 0:
                    raise DamagedFeedback(_damage(self.path, "it has no table"))
                if found != _FORMAT:
                    raise UnsupportedFeedback(
                        f"{self.path} has format {found}, and this version of Citespan reads {_FORMAT}: use the one "
                        "that wrote it, or move the file away to begin anew"
                    )
                yield connection
        except (IndexBusy, IndexNotWritable):
            raise
        except StoreError as error:  # it speaks of the index, which a rebuild mends
            raise DamagedFeedback(_damage(self.path, error.__cause__)) from error

    def _make(self) -> None:
        """Make the file, whole or not at all: one without tables is a damaged one, and not a new one."""
        staged = self._folder / f"feedback-{secrets.token_hex(8)}.new"
        with writing(self._folder, lock_name="feedback.lock"):
            if self.path.exists():  # by now
                return
            with translated(staged), closing(connect(staged, mode="rwc")) as connection:
                connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            try:
                staged.replace(self.path)
            except OSError as error:
                raise IndexNotWritable(f"cannot write {self.path}: {error.strerror}") from error


def _upgraded(connection: Connection) -> int:
    """Give the entries of a file of format 1 digests, all or none; return the format that the file has then."""
    connection.execute("BEGIN IMMEDIATE")
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found == 1:  # somebody else may have been faster
        connection.execute("ALTER TABLE entries ADD COLUMN digest BLOB NOT NULL DEFAULT x''")
        rows = connection.execute(f"SELECT number, {_COLUMNS} FROM entries").fetchall()
        connection.executemany(
            "UPDATE entries SET digest = ? WHERE number = ?", [(row_digest(row), number) for number, *row in rows]
        )
        connection.execute(f"PRAGMA user_version = {_FORMAT}")
    connection.execute("COMMIT")
    return _FORMAT if found == 1 else int(found)


def _entry(row: Sequence[Any]) -> Entry:  # columns of the types that Entry has
    entry_id, time, question, verdict, answer, doc_id, start, end, quote, sha256, *others = row
    place = None if doc_id is None else Quoted(doc_id, Span(start, end), quote, sha256)
    return Entry(entry_id, time, question, Verdict(verdict), answer, place, *others)


def _unknown(entry_id: str) -> UnknownFeedback:
    return UnknownFeedback(f"no feedback {entry_id[:100]!r} is kept; `citespan feedback list` lists what is")


def _damage(path: Path, what: object) -> str:
    return (
        f"the feedback at {path} is damaged ({what}): bring back a copy of the file, or move it away to begin anew; "
        "SQLite's command `.recover` may save what it holds"
    )
