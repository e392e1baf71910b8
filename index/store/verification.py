"""Whether a database says what was written: SQLite's own checks, and the digests of index.store.digests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from index.errors import DamagedIndex
from index.store.connection import Connection, damage
from index.store.digests import document_digest, number, passages_digest, row_digest, state_of

DOCUMENT_FIELDS = "doc_id, title, sha256, media_type, headings, source_lines, n_characters"
"""Of a row of documents; `stamp` is left out, which a check of the folder may change."""

FAILURE_FIELDS = "path, code, message, is_skipped, stamp"

# What the makers of digests raise of a cell whose type is not its column's: SQLite looks at it when it is written.
_OF_ANOTHER_TYPE = (TypeError, ValueError, AttributeError)

_N_TOLD = 20
_LAST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Amiss:
    """A document, or a file that is none, that is not what was written; "" where it is not of one."""

    doc_id: str
    what: str

    def __str__(self) -> str:
        return f"{self.doc_id}: {self.what}" if self.doc_id else self.what


def check_whole(connection: Connection, path: Path) -> None:
    """Raise unless everything in the database is what was written.

    Raises:
        DamagedIndex: Something is not.
    """
    looks = (structure_amiss, documents_amiss, failures_amiss, state_amiss)
    for amiss in chain.from_iterable(look(connection) for look in looks):
        raise DamagedIndex(damage(path, str(amiss)))


def check_between(connection: Connection, path: Path, first: int, last: int) -> None:
    """Raise unless the documents with passages in [first, last] are what was written.

    Args:
        first, last: A range that some transaction added whole.

    Raises:
        DamagedIndex: One is not.
    """
    for amiss in documents_amiss(connection, first, last):
        raise DamagedIndex(damage(path, str(amiss)))


def structure_amiss(connection: Connection) -> Iterator[Amiss]:
    """Yield what SQLite finds wrong with its pages, its indexes and its references."""
    for (found,) in connection.execute(f"PRAGMA integrity_check({_N_TOLD})"):
        if found != "ok":
            yield Amiss("", " ".join(str(found).split()))
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield Amiss("", f"row {row} of {table} belongs to no row of {parent}")


def documents_amiss(connection: Connection, first: int | None = None, last: int = _LAST) -> Iterator[Amiss]:
    """Yield the documents whose row or passages are not those that their digest was made of.

    Args:
        first, last: Only documents with passages in this range; all where `first` is None.
    """
    passages = _digests_of_passages(connection, first or 0, last)
    columns = f"document_id, digest, passages_digest, text, {DOCUMENT_FIELDS}"
    if first is None:
        rows: Iterable[Any] = connection.execute(f"SELECT {columns} FROM documents ORDER BY document_id")
    else:
        one = f"SELECT {columns} FROM documents WHERE document_id = ?"
        rows = (row for document_id in list(passages) for row in connection.execute(one, (document_id,)))
    nothing = passages_digest(())
    for document_id, digest, noted, text, *fields in rows:
        found = passages.pop(document_id, nothing)
        try:
            is_sound = found == noted and document_digest(fields, text, found) == digest
        except _OF_ANOTHER_TYPE:
            is_sound = False
        if not is_sound:
            yield Amiss(str(fields[0]), "not what was written")
    if passages:
        yield Amiss("", f"{len(passages)} documents are missing that have passages")


def failures_amiss(connection: Connection) -> Iterator[Amiss]:
    """Yield the files that are not in the index of which something else is said than was written."""
    for digest, *fields in connection.execute(f"SELECT digest, {FAILURE_FIELDS} FROM failures ORDER BY path"):
        try:
            is_sound = row_digest(fields) == digest
        except _OF_ANOTHER_TYPE:
            is_sound = False
        if not is_sound:
            yield Amiss(str(fields[0]), "why it is not in the index is not what was written")


def state_amiss(connection: Connection) -> Iterator[Amiss]:
    """Yield whether documents, failures or changes are missing, or are of another version than the rest."""
    digests = connection.execute("SELECT digest FROM documents UNION ALL SELECT digest FROM failures")
    try:
        total = sum(number(digest) for (digest,) in digests)
    except _OF_ANOTHER_TYPE:
        yield Amiss("", "a document or a failure has no digest")
        return
    (version,) = connection.execute("SELECT coalesce(max(index_version), 0) FROM changes").fetchone()
    noted = connection.execute("SELECT value FROM meta WHERE key = 'state'").fetchone()
    if noted is None or noted[0] != state_of(version, total):
        yield Amiss("", "its documents and failures are not those of its version")


def _digests_of_passages(connection: Connection, first: int, last: int) -> dict[int, bytes]:
    """Return the digests of the passages in a range by their documents, b"" where they are no passages."""
    rows = connection.execute(
        """SELECT passage_id, "start", "end", heading, text_sha256, vector, document_id
           FROM passages WHERE passage_id BETWEEN ? AND ? ORDER BY passage_id""",
        (first, last),
    )
    found: dict[int, bytes] = {}
    for document_id, group in groupby(rows, key=itemgetter(6)):
        try:
            # What was written together stands together.
            found[document_id] = b"" if document_id in found else passages_digest(list(group))
        except _OF_ANOTHER_TYPE:
            found[document_id] = b""
    return found
