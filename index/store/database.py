"""The one truth: documents, passages, vectors and the log of changes, in one SQLite file.

One transaction changes one document and moves `index_version` on by one. A read transaction sees the
version at which it began, however long it lasts (WAL). The tables are in `index.store.schema`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from index.collection import Failure, Stamp
from index.encoder import Vectors
from index.errors import DamagedIndex, NoIndex, UnknownDocument
from index.passages import Cut, head_of_run
from index.records import Counts, Document, DocumentSummary, Filter, Heading, IndexState, Passage, SourceLine, Span
from index.store.connection import Connection, connect, damage, translated
from index.store.digests import (
    PassageRow,
    document_digest,
    number,
    passages_digest,
    row_digest,
    state_of,
    total_of,
    vector_digest,
)
from index.store.faults import reached
from index.store.folder import noted_version
from index.store.protocol import Known
from index.store.schema import read_identity, seal
from index.store.verification import DOCUMENT_FIELDS, FAILURE_FIELDS, Amiss, check_between, check_whole

_PASSAGE = """
    SELECT document_id, passage_id, doc_id, title, media_type, "start", "end", heading
    FROM passages JOIN documents USING (document_id)
"""

# The log is for processes that catch up. One that lags further behind builds anew.
_KEPT_CHANGES = 100_000
# SQLite's limit on host parameters was 999 for long.
_MAX_PARAMETERS = 900

Action = Literal["add", "replace", "rename", "delete", "failures"]

_FailureRow: TypeAlias = tuple[str, str, str, int, str | None]
"""As `FAILURE_FIELDS`."""


@dataclass(frozen=True, slots=True)
class NewPassage:
    """A passage to be stored. `text_sha256` is the digest of what was encoded for it."""

    cut: Cut
    text_sha256: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """What one transaction did to the passages: closed ranges of ids, None where empty."""

    removed: tuple[int, int] | None
    added: tuple[int, int] | None


class Database:
    """One connection. Its calls may come from several threads; they take turns.

    Attributes:
        noted: A version that it had reached for certain when it was opened.
    """

    def __init__(self, path: Path) -> None:
        """Open an index that exists.

        Raises:
            NoIndex: There is none.
            DamagedIndex: The file is no database, or not one of ours.
            UnsupportedIndex: It was made by another version of Citespan.
        """
        if not path.is_file():
            raise NoIndex(f"no index at {path.resolve()}: make one with `citespan index`")
        self.path = path
        # Before anything is read: an update that ends meanwhile notes a version that what is read then cannot have.
        self.noted = noted_version(path)
        self._turn = threading.RLock()
        with translated(path):
            self._connection = connect(path, mode="rw")
            try:
                self.identity = read_identity(self._connection, path)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        with self._turn:
            self._connection.close()

    def pin(self) -> None:
        """Begin a read transaction that lasts until the connection is closed."""
        with self._using() as connection:
            connection.execute("BEGIN")
            # The snapshot is taken by the first read, not by BEGIN.
            connection.execute("SELECT count(*) FROM meta").fetchone()

    def check(self) -> None:
        """Raise unless all of it is what was written.

        Raises:
            DamagedIndex: Something is not.
        """
        with self._using() as connection:
            check_whole(connection, self.path)
        if (found := self.index_version) < self.noted:
            raise DamagedIndex(damage(self.path, f"it is at version {found}, and was at {self.noted}"))

    def amiss(self, look: Callable[[Connection], Iterable[Amiss]]) -> list[Amiss]:
        """Return all that a look of `index.store.verification` finds."""
        with self._using() as connection:
            return list(look(connection))

    def check_between(self, first: int, last: int) -> None:
        """Raise unless the documents are what was written whose passages are the ids in [first, last].

        Raises:
            DamagedIndex: One is not.
        """
        with self._using() as connection:
            check_between(connection, self.path, first, last)

    @property
    def index_version(self) -> int:
        """How many changes were ever committed."""
        with self._using() as connection:
            row = connection.execute("SELECT max(index_version) FROM changes").fetchone()
        return int(row[0] or 0)

    @property
    def state(self) -> IndexState:
        with self._using() as connection:
            row = connection.execute(
                """SELECT (SELECT coalesce(max(index_version), 0) FROM changes),
                          (SELECT value FROM meta WHERE key = 'reconciled_at'),
                          (SELECT count(*) FROM failures WHERE NOT is_skipped)"""
            ).fetchone()
        return IndexState(*row)

    def counts(self) -> Counts:
        with self._using() as connection:
            row = connection.execute(
                """SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages),
                          (SELECT count(*) FROM failures WHERE NOT is_skipped)"""
            ).fetchone()
        return Counts(*row)

    def known(self) -> list[Known]:
        with self._using() as connection:
            rows = connection.execute("SELECT doc_id, sha256, stamp FROM documents ORDER BY doc_id").fetchall()
        with self._as_written("stamp"):
            # Parsed as one text: of 100,000 documents that takes half the time.
            stamps = json.loads(f"[{','.join([stamp or 'null' for *_, stamp in rows])}]")
            return [
                Known(doc_id, sha256, Stamp(*stamp) if stamp else None)
                for (doc_id, sha256, _), stamp in zip(rows, stamps, strict=True)
            ]

    def failures(self) -> list[Failure]:
        """Return what is not in the index and why, by path.

        Raises:
            DamagedIndex: It is not what was written.
        """
        rows = self._failures()
        return [Failure(path, code, message, bool(is_skipped)) for path, code, message, is_skipped, _ in rows]

    def failed_stamps(self) -> dict[str, Stamp]:
        """Return the stamps of files whose content could not be used, by path, where they can be relied on.

        Raises:
            DamagedIndex: As `failures`.
        """
        return {path: Stamp(*json.loads(stamp)) for path, *_, stamp in self._failures() if stamp}

    def _failures(self) -> dict[_FailureRow, bytes]:
        """Return the rows of failures with their digests, by path."""
        with self._using() as connection:
            rows = connection.execute(f"SELECT {FAILURE_FIELDS}, digest FROM failures ORDER BY path").fetchall()
        found: dict[_FailureRow, bytes] = {}
        for *fields, digest in rows:
            with self._as_written(fields[0]):
                if row_digest(fields) != digest:
                    raise ValueError("why it is not in the index is not what was written")
            path, code, message, is_skipped, stamp = fields
            found[path, code, message, is_skipped, stamp] = digest
        return found

    def summaries(self) -> list[DocumentSummary]:
        with self._using() as connection:
            rows = connection.execute(
                """SELECT doc_id, title, media_type, n_characters, count(passage_id)
                   FROM documents LEFT JOIN passages USING (document_id) GROUP BY document_id ORDER BY doc_id"""
            ).fetchall()
        return [DocumentSummary(*row) for row in rows]

    def media_types(self) -> list[str]:
        with self._using() as connection:
            rows = connection.execute("SELECT DISTINCT media_type FROM documents ORDER BY media_type").fetchall()
        return [row[0] for row in rows]

    def document(self, doc_id: str) -> Document:
        """Return a document whole.

        Raises:
            UnknownDocument: There is none of this id.
            DamagedIndex: It is not what was written.
        """
        with self._using() as connection:
            row = connection.execute(
                f"SELECT digest, passages_digest, text, {DOCUMENT_FIELDS} FROM documents WHERE doc_id = ?", (doc_id,)
            ).fetchone()
        if row is None:
            raise UnknownDocument(f"no document {doc_id!r} is indexed; `citespan status --files` lists those that are")
        digest, passages, text, *fields = row
        with self._as_written(doc_id):
            if fields[0] != doc_id or document_digest(fields, text, passages) != digest:
                raise ValueError("not what was written")
            _, title, sha256, media_type, headings, source_lines, _ = fields
            return Document(
                doc_id,
                title,
                text,
                sha256,
                media_type,
                tuple(Heading(*item) for item in json.loads(headings)),
                tuple(SourceLine(*item) for item in json.loads(source_lines)),
            )

    def n_passages(self, doc_id: str) -> int:
        """Return how many passages a document has; 0 where there is no such document."""
        with self._using() as connection:
            row = connection.execute(
                "SELECT count(*) FROM passages JOIN documents USING (document_id) WHERE doc_id = ?", (doc_id,)
            ).fetchone()
        return int(row[0])

    def doc_ids_of(self, digests: Collection[str]) -> dict[str, list[str]]:
        """Return the ids, in order, of the documents whose files have one of these SHA-256, by digest."""
        with self._using() as connection:
            rows = connection.execute(
                """SELECT sha256, doc_id FROM documents WHERE sha256 IN (SELECT value FROM json_each(?))
                   ORDER BY doc_id""",
                (json.dumps(sorted(digests)),),
            ).fetchall()
        found: dict[str, list[str]] = {}
        for sha256, doc_id in rows:
            found.setdefault(sha256, []).append(doc_id)
        return found

    def passages(self, passage_ids: Sequence[int]) -> dict[int, Passage]:
        """Return the passages of some ids; an id that is not there is not in the result."""
        found: dict[int, Passage] = {}
        with self._using() as connection:
            for some in _slices(passage_ids, _MAX_PARAMETERS):
                marks = ", ".join("?" * len(some))
                rows = connection.execute(f"{_PASSAGE} WHERE passage_id IN ({marks}) ORDER BY document_id", some)
                for passage, text in self._with_text(connection, rows):
                    found[passage.passage_id] = replace(passage, before=head_of_run(text, passage.span))
        return found

    def places(self, passage_ids: Sequence[int]) -> dict[int, tuple[str, int]]:
        """Return the document id and the start of passages that are there.

        Raises:
            DamagedIndex: One is not.
        """
        found: dict[int, tuple[str, int]] = {}
        with self._using() as connection:
            for some in _slices(passage_ids, _MAX_PARAMETERS):
                marks = ", ".join("?" * len(some))
                rows = connection.execute(
                    f"""SELECT passage_id, doc_id, "start" FROM passages JOIN documents USING (document_id)
                        WHERE passage_id IN ({marks})""",
                    some,
                )
                found.update((passage_id, (doc_id, start)) for passage_id, doc_id, start in rows)
        if len(found) < len(set(passage_ids)):
            raise DamagedIndex(damage(self.path, "passages are missing"))
        return found

    def passages_between(self, first: int, last: int) -> Generator[Passage]:
        """Yield the passages whose ids are in [first, last], in the order of their ids.

        Other threads wait until it is at its end, or closed: who may leave it before closes it.
        """
        with self._using() as connection:
            rows = connection.execute(f"{_PASSAGE} WHERE passage_id BETWEEN ? AND ? ORDER BY passage_id", (first, last))
            for passage, _ in self._with_text(connection, rows):
                yield passage

    def _with_text(self, connection: Connection, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Passage, str]]:
        """Yield the passages of rows of `_PASSAGE` with their documents' texts, each read once for a run of rows."""
        text_of, text = None, ""
        for document_id, passage_id, doc_id, title, media_type, start, end, heading in rows:
            if document_id != text_of:
                (text,) = connection.execute(
                    "SELECT text FROM documents WHERE document_id = ?", (document_id,)
                ).fetchone()
                text_of = document_id
            with self._as_written(doc_id):
                span = Span(start, end)
                passage = Passage(passage_id, doc_id, title, media_type, span, span.of(text), heading)
            yield passage, text

    def vectors_between(self, first: int, last: int) -> tuple[np.ndarray[Any, np.dtype[np.int64]], Vectors]:
        """Return ids (n,) and vectors (n, dimension) of the passages in [first, last], by id."""
        with self._using() as connection:
            rows = connection.execute(
                "SELECT passage_id, vector FROM passages WHERE passage_id BETWEEN ? AND ? ORDER BY passage_id",
                (first, last),
            ).fetchall()
        ids = np.array([row[0] for row in rows], dtype=np.int64)
        vectors = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4")
        if vectors.size != len(ids) * self.identity.dimension:
            raise DamagedIndex(damage(self.path, "vectors of a wrong length"))
        return ids, vectors.reshape(len(ids), self.identity.dimension)

    def last_passage_id(self) -> int:
        """Return the highest id there is, 0 where there are no passages."""
        with self._using() as connection:
            return int(connection.execute("SELECT coalesce(max(passage_id), 0) FROM passages").fetchone()[0])

    def checkpoint(self) -> None:
        """Copy what the write-ahead log holds into the database, as far as no reader needs it."""
        reached("checkpoint.before")
        with self._using() as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        reached("checkpoint.after")

    def passage_ids(self, restriction: Filter) -> list[int]:
        """Return the ids of the passages that a filter lets pass."""
        conditions, values = [], []
        if restriction.paths:
            # A prefix by components: the path itself, or all below it. "0" is the character after "/".
            conditions.append(" OR ".join(["doc_id = ? OR (doc_id > ? AND doc_id < ?)"] * len(restriction.paths)))
            for prefix in restriction.paths:
                folder = prefix.rstrip("/")
                values += [folder, folder + "/", folder + "0"]
        if restriction.media_types:
            conditions.append("media_type IN (" + ", ".join("?" * len(restriction.media_types)) + ")")
            values += restriction.media_types
        where = " AND ".join(f"({condition})" for condition in conditions) or "TRUE"
        with self._using() as connection:
            rows = connection.execute(
                f"SELECT passage_id FROM passages JOIN documents USING (document_id) WHERE {where}", values
            ).fetchall()
        return [row[0] for row in rows]

    def stored_vectors(self, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return the vectors of texts that were encoded before, as stored, by the texts' digests.

        Raises:
            DamagedIndex: One is not what was written.
        """
        found: dict[bytes, bytes] = {}
        with self._using() as connection:
            for text_sha256 in digests:
                row = connection.execute(
                    """SELECT vector, vector_digest FROM passages WHERE text_sha256 = :digest
                       UNION ALL SELECT vector, digest FROM pending WHERE text_sha256 = :digest LIMIT 1""",
                    {"digest": text_sha256},
                ).fetchone()
                if row is not None:
                    vector, digest = row
                    if vector_digest(text_sha256, vector) != digest:
                        raise DamagedIndex(damage(self.path, "a vector is not what was written"))
                    found[text_sha256] = vector
        return found

    def keep_pending(self, vectors: Mapping[bytes, bytes]) -> None:
        """Keep vectors by their texts' digests until the next document is written."""
        with self._writing("pending") as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO pending VALUES (?, ?, ?)",
                [(text_sha256, vector, vector_digest(text_sha256, vector)) for text_sha256, vector in vectors.items()],
            )

    def forget_pending(self) -> None:
        """Drop what `keep_pending` kept for a document that was never finished, and is gone by now."""
        with self._using() as connection:
            if connection.execute("SELECT 1 FROM pending LIMIT 1").fetchone() is None:
                return
        with self._writing("forget") as connection:
            connection.execute("DELETE FROM pending")

    def changes_since(self, index_version: int) -> list[Change] | None:
        """Return the changes after a version, oldest first; None where the log no longer has them all."""
        with self._using() as connection:
            rows = connection.execute(
                """SELECT index_version, removed_first, removed_last, added_first, added_last
                   FROM changes WHERE index_version > ? ORDER BY index_version""",
                (index_version,),
            ).fetchall()
        if rows and rows[0][0] != index_version + 1:
            return None
        return [
            Change(
                removed=None if row[1] is None else (row[1], row[2]),
                added=None if row[3] is None else (row[3], row[4]),
            )
            for row in rows
        ]

    def replace(
        self,
        action: Action,
        document: Document,
        *,
        stamp: Stamp | None,
        passages: Sequence[NewPassage],
        vectors: Sequence[bytes],
        former_id: str | None = None,
    ) -> int:
        """Write a document with its passages in the place of its former version; return the index_version.

        Args:
            vectors: One per passage, little-endian float32.
            former_id: The document that this one replaces, where that had another id.
        """
        with self._writing(action) as connection:
            removed = self._delete(connection, former_id or document.doc_id)
            first = self._last_issued(connection) + 1
            rows: list[PassageRow] = [
                (passage_id, new.cut.span.start, new.cut.span.end, new.cut.heading, new.text_sha256, vector)
                for passage_id, (new, vector) in enumerate(zip(passages, vectors, strict=True), start=first)
            ]
            of_passages = passages_digest(rows)
            fields = (
                document.doc_id,
                document.title,
                document.sha256,
                document.media_type,
                json.dumps([(h.start, h.level, h.title) for h in document.headings]),
                json.dumps([(anchor.start, anchor.line) for anchor in document.source_lines]),
                len(document.text),
            )
            digest = document_digest(fields, document.text, of_passages)
            document_id = connection.execute(
                f"""INSERT INTO documents (digest, passages_digest, text, stamp, {DOCUMENT_FIELDS})
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (
                    digest,
                    of_passages,
                    document.text,
                    _stamp_json(stamp),
                    *fields,
                ),
            ).lastrowid
            reached(f"{action}.halfway")
            connection.executemany(
                """INSERT INTO passages
                   (passage_id, "start", "end", heading, text_sha256, vector, document_id, vector_digest)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                [(*row, document_id, vector_digest(*row[-2:])) for row in rows],
            )
            self._count(connection, number(digest))
            connection.execute("DELETE FROM pending")
            added = (first, first + len(passages) - 1) if passages else None
            return self._log(connection, action, document.doc_id, Change(removed, added))

    def delete(self, doc_id: str) -> int:
        """Remove a document with its passages; return the index_version."""
        with self._writing("delete") as connection:
            removed = self._delete(connection, doc_id)
            reached("delete.halfway")
            return self._log(connection, "delete", doc_id, Change(removed, None))

    def touch(self, doc_id: str, stamp: Stamp | None) -> None:
        """Note that a file with the same content has another stamp; no new version."""
        with self._writing("touch") as connection:
            connection.execute("UPDATE documents SET stamp = ? WHERE doc_id = ?", (_stamp_json(stamp), doc_id))

    def set_failures(self, failures: Sequence[Failure], *, stamps: Mapping[str, Stamp]) -> None:
        """Replace the list of files that are not in the index; a new version if it says anything new.

        Args:
            stamps: As `failed_stamps` returns them.

        Raises:
            DamagedIndex: The list there is is not what was written.
        """
        former = self._failures()
        rows: set[_FailureRow] = {
            (f.path, f.code, f.message, int(f.is_skipped), _stamp_json(stamps.get(f.path))) for f in failures
        }
        gone, new = former.keys() - rows, sorted(rows - former.keys())
        if not (gone or new):
            return
        digests = [row_digest(row) for row in new]
        with self._writing("failures") as connection:
            connection.executemany("DELETE FROM failures WHERE path = ?", [(row[0],) for row in gone])
            reached("failures.halfway")
            connection.executemany(
                f"INSERT INTO failures ({FAILURE_FIELDS}, digest) VALUES (?, ?, ?, ?, ?, ?)",
                [(*row, digest) for row, digest in zip(new, digests, strict=True)],
            )
            self._count(connection, sum(map(number, digests)) - sum(number(former[row]) for row in gone))
            if {row[:-1] for row in gone} != {row[:-1] for row in new}:
                self._log(connection, "failures", "", Change(None, None))

    def note_reconciled(self, at: datetime) -> None:
        """Note when the folder was looked at that the index now says what it says of; no new version."""
        with self._writing("reconciled") as connection:
            connection.execute(
                "INSERT OR REPLACE INTO meta VALUES ('reconciled_at', ?)",
                (at.astimezone(UTC).isoformat(timespec="seconds"),),
            )
            seal(connection)

    def count_on(self, former: int) -> int:
        """Move the version past one that another index of the folder had; return it."""
        with self._writing("count") as connection:
            if former >= self.index_version:
                connection.execute(
                    "INSERT INTO changes (index_version, at, action, doc_id) VALUES (?, '', 'count', '')",
                    (former + 1,),
                )
                self._count(connection, 0)
        return self.index_version

    def set_root(self, root: str) -> None:
        """Note where the collection is now."""
        with self._writing("root") as connection:
            connection.execute("UPDATE meta SET value = ? WHERE key = 'root'", (root,))
            seal(connection)

    def _delete(self, connection: Connection, doc_id: str) -> tuple[int, int] | None:
        first, last = connection.execute(
            """SELECT min(passage_id), max(passage_id) FROM passages JOIN documents USING (document_id)
               WHERE doc_id = ?""",
            (doc_id,),
        ).fetchone()
        for (digest,) in connection.execute("SELECT digest FROM documents WHERE doc_id = ?", (doc_id,)).fetchall():
            self._count(connection, -number(digest))
        connection.execute("DELETE FROM documents WHERE doc_id = ?", (doc_id,))
        return None if first is None else (first, last)

    def _last_issued(self, connection: Connection) -> int:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'passages'").fetchone()
        return int(row[0]) if row else 0

    def _log(self, connection: Connection, action: Action, doc_id: str, change: Change) -> int:
        version = connection.execute(
            """INSERT INTO changes (at, action, doc_id, removed_first, removed_last, added_first, added_last)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            (
                datetime.now(UTC).isoformat(timespec="seconds"),
                action,
                doc_id,
                *(change.removed or (None, None)),
                *(change.added or (None, None)),
            ),
        ).lastrowid
        assert version is not None  # an INSERT into a rowid table always has one
        connection.execute("DELETE FROM changes WHERE index_version <= ?", (version - _KEPT_CHANGES,))
        self._count(connection, 0)
        return version

    def _count(self, connection: Connection, difference: int) -> None:
        """Note the version there is now, and how the sum of all digests has changed."""
        noted = connection.execute("SELECT value FROM meta WHERE key = 'state'").fetchone()
        (version,) = connection.execute("SELECT coalesce(max(index_version), 0) FROM changes").fetchone()
        with self._as_written("state"):
            (state,) = noted
            state = state_of(version, total_of(state) + difference)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'state'", (state,))

    @contextmanager
    def _as_written(self, doc_id: str) -> Iterator[None]:
        """Tell what cannot be made a record of as damage: SQLite takes a flipped byte for what was written."""
        try:
            yield
        except (TypeError, ValueError, AttributeError) as error:
            raise DamagedIndex(damage(self.path, f"{doc_id}: {error}")) from error

    @contextmanager
    def _using(self) -> Iterator[Connection]:
        with self._turn, translated(self.path):
            yield self._connection

    @contextmanager
    def _writing(self, what: str) -> Iterator[Connection]:
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            reached(f"{what}.begun")
            try:
                yield connection
                reached(f"{what}.before_commit")
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        reached(f"{what}.after_commit")


def _stamp_json(stamp: Stamp | None) -> str | None:
    return json.dumps([stamp.size, stamp.mtime_ns, stamp.ctime_ns]) if stamp else None


def _slices(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
