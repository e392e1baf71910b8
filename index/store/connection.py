"""SQLite as it is used here: how a file is opened, and what its errors mean. Nothing else imports sqlite3."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from index.errors import DamagedIndex, IndexBusy, IndexNotWritable, StoreError

Connection: TypeAlias = sqlite3.Connection

_BUSY_TIMEOUT_S = 10.0
_NO_TEXT = "a text that is no UTF-8"

REMEDY = ": make it anew with `citespan index --rebuild`"
"""What ends the message of an index that cannot be used."""


def connect(path: Path, *, mode: Literal["rw", "rwc"]) -> Connection:
    """Return a connection that threads may share by taking turns, in autocommit mode.

    Args:
        mode: "rwc" to create the file where there is none.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    # A file may come from elsewhere: its schema must not call functions, its cells are checked.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    # With WAL, NORMAL survives the process's death; FULL survives the machine's too.
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def copy_database(source: Path, target: Path) -> None:
    """Copy a database that may be in use, as it is at one moment, to a new file that needs no other beside it.

    Raises:
        StoreError: It cannot be read, or the copy cannot be written.
    """
    with translated(source), closing(connect(source, mode="rw")) as original:
        original.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with translated(target), closing(connect(target, mode="rwc")) as copy:
            original.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise what SQLite raises as one of our errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise _as_store_error(error, path) from error
    except UnicodeDecodeError as error:  # of a message that quotes a damaged schema
        raise DamagedIndex(damage(path, _NO_TEXT)) from error


def _as_store_error(error: sqlite3.Error, path: Path) -> StoreError:
    name = getattr(error, "sqlite_errorname", None)
    if name is None and isinstance(error, sqlite3.OperationalError):  # it quotes the text, which is not ours to log
        return DamagedIndex(damage(path, _NO_TEXT))
    if name is None:  # raised by Python's module, for instance of a connection that is closed
        return StoreError(f"the index at {path} cannot be used: {error}")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return IndexBusy(f"another process is writing {path}: try again when it has finished")
    if name.startswith(("SQLITE_READONLY", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR")):
        return IndexNotWritable(f"cannot write {path}: {error}; check its permissions and the disk's free space")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT", "SQLITE_SCHEMA")) or name == "SQLITE_ERROR":
        return DamagedIndex(damage(path, str(error)))
    return StoreError(f"the index at {path} cannot be used: {error}")


def damage(path: Path, what: str) -> str:
    """Return the message of a `DamagedIndex`."""
    return f"the index at {path} is damaged ({what}){REMEDY}"
