"""The tables of an index, and what it was made with."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from index.errors import DamagedIndex, EncoderMismatch, UnsupportedIndex
from index.passages import PassageSettings
from index.store.connection import REMEDY, Connection, connect, damage, translated
from index.store.digests import settings_digest, state_of
from index.store.faults import reached
from index.store.protocol import Identity

FORMAT = "3"
"""Of the tables below. An index of another format is not read."""

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    document_id INTEGER PRIMARY KEY AUTOINCREMENT,
    doc_id TEXT NOT NULL UNIQUE,
    -- Of this row, and of its passages (index.store.digests).
    digest BLOB NOT NULL,
    passages_digest BLOB NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    media_type TEXT NOT NULL,
    headings TEXT NOT NULL,
    source_lines TEXT NOT NULL,
    n_characters INTEGER NOT NULL,
    -- The file's stamp when it was read; NULL where it was too young to be relied on.
    stamp TEXT
) STRICT;
CREATE INDEX documents_by_media_type ON documents (media_type);

-- AUTOINCREMENT: an id is never used again, so that a stale reference can only miss, never mislead.
CREATE TABLE passages (
    passage_id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    "start" INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    heading TEXT NOT NULL,
    text_sha256 BLOB NOT NULL,
    vector BLOB NOT NULL,
    vector_digest BLOB NOT NULL
) STRICT;
CREATE INDEX passages_of_document ON passages (document_id);
CREATE INDEX passages_by_text ON passages (text_sha256);

-- Vectors of a document that is not whole yet, so that a long one is continued and not begun anew.
CREATE TABLE pending (
    text_sha256 BLOB PRIMARY KEY,
    vector BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE failures (
    path TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    is_skipped INTEGER NOT NULL,
    -- The file's, where it was read and its content could not be used; NULL where it is to be tried again.
    stamp TEXT,
    digest BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The passages of one document are written together, so their ids are a range: [first, last].
CREATE TABLE changes (
    index_version INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    action TEXT NOT NULL,
    doc_id TEXT NOT NULL,
    removed_first INTEGER, removed_last INTEGER,
    added_first INTEGER, added_last INTEGER
) STRICT;
"""


def create_database(path: Path, identity: Identity, *, index_version: int = 0) -> None:
    """Write an empty index.

    Args:
        index_version: Of the empty index; it counts on from there.

    Raises:
        IndexNotWritable: The operating system refuses.
    """
    with translated(path):
        connection = connect(path, mode="rwc")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript("BEGIN;" + _SCHEMA)
            reached("create.begun")
            values = {**asdict(identity), "passages": json.dumps(asdict(identity.passages)), "format": FORMAT}
            values |= {"database": path.name, "state": state_of(index_version, 0)}
            connection.executemany(
                "INSERT INTO meta VALUES (?, ?)", [(key, str(value)) for key, value in values.items()]
            )
            seal(connection)
            if index_version:
                connection.execute(
                    "INSERT INTO changes (index_version, at, action, doc_id) VALUES (?, '', 'create', '')",
                    (index_version,),
                )
            reached("create.before_commit")
            connection.execute("COMMIT")
        finally:
            connection.close()
    reached("create.after")


def check_encoder(identity: Identity, *, name: str, fingerprint: str) -> None:
    """Raise unless an encoder is the one that the index was made with.

    Raises:
        EncoderMismatch: Its vectors would mean something else.
    """
    if fingerprint != identity.fingerprint:
        raise EncoderMismatch(
            f"the index was made with the encoder {identity.encoder} ({identity.fingerprint[:12]}), and {name} "
            f"({fingerprint[:12]}) is another: use that one, or make the index anew with `citespan index --rebuild`"
        )


def adopt(connection: Connection, path: Path, *, former_name: str) -> None:
    """Make a copied database that of its new name.

    Raises:
        UnsupportedIndex, DamagedIndex: As `read_identity`.
    """
    read_identity(connection, path.with_name(former_name))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE meta SET value = ? WHERE key = 'database'", (path.name,))
    seal(connection)
    connection.execute("COMMIT")


def seal(connection: Connection) -> None:
    """Write the digest of what the index says of itself, after it was written or changed."""
    digest = settings_digest(_sealed(dict(connection.execute("SELECT key, value FROM meta").fetchall())))
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('seal', ?)", (digest,))


def _sealed(meta: dict[str, str]) -> dict[str, str]:
    # The state has digests of its own.
    return {key: value for key, value in meta.items() if key not in ("seal", "state")}


def read_identity(connection: Connection, path: Path) -> Identity:
    """Return what an index was made with.

    Raises:
        UnsupportedIndex: It was made by another version of Citespan.
        DamagedIndex: It does not say.
    """
    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    found = meta.get("format")
    if found != FORMAT:
        raise UnsupportedIndex(
            f"the index at {path} has format {found}, and this version of Citespan reads {FORMAT}{REMEDY}"
        )
    try:
        if settings_digest(_sealed(meta)) != meta["seal"]:
            raise DamagedIndex(damage(path, "its settings are not what was written"))
        if meta["database"] != path.name:
            raise DamagedIndex(damage(path, f"it is the file {meta['database']} of another index"))
        return Identity(
            encoder=meta["encoder"],
            fingerprint=meta["fingerprint"],
            dimension=int(meta["dimension"]),
            passages=PassageSettings(**json.loads(meta["passages"])),
            root=meta["root"],
        )
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedIndex(damage(path, f"settings: {error}")) from error
