"""The folder of an index: which of its database files is the current one, which the previous, and who may write.

A rebuild writes another file and switches by replacing the small file `current`. Its first line names the database in
use, its second, if there is one, the database that is kept for a rollback: both change in one step. No database is
ever written over, for SQLite would take the write-ahead log beside it for the new file's own.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from index.errors import DamagedIndex, IndexBusy, IndexNotWritable, NoIndex, NoPreviousIndex
from index.store.faults import reached

_log = logging.getLogger(__name__)

_POINTER = "current"
_STAGED = "current.new"
# What is moved to its place when it is whole.
_STAGED_NAME = re.compile(r"(current|version|feedback-[0-9a-f]{16})\.new")
_NOTE = "version"
_STAGED_NOTE = "version.new"
# Most updates are over in less: a second one, on demand while watching, need not be refused.
_PATIENCE_S = 5.0
_NAME = re.compile(r"index-[0-9a-f]{16}\.sqlite")
# A version that a damaged note names must not be one that SQLite cannot count on from.
_NOTED = re.compile(r"(index-[0-9a-f]{16}\.sqlite) ([0-9]{1,15})")


class _Named(NamedTuple):
    """What the pointer names; "" for nothing."""

    current: str
    previous: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A file that was removed, and its size."""

    name: str
    n_bytes: int


def current_database(folder: Path) -> Path:
    """Return the path of the database that is in use.

    Raises:
        NoIndex: There is none yet.
        DamagedIndex: The folder does not say which.
    """
    name = _named(folder).current
    if not _is_there(folder, name):
        raise DamagedIndex(
            f"{folder / _POINTER} names no database that is there ({name[:40]!r}): "
            "make the index anew with `citespan index --rebuild`"
        )
    return folder / name


def previous_database(folder: Path) -> Path:
    """Return the path of the database that is kept for a rollback.

    Raises:
        NoIndex: There is no index at all.
        NoPreviousIndex: None is kept.
        DamagedIndex: The folder names one that is not there.
    """
    name = _named(folder).previous
    if not name:
        raise NoPreviousIndex(
            f"{folder} keeps no previous index: a rebuild or a restore keeps the one that it replaces, until "
            "`citespan prune`"
        )
    if not _is_there(folder, name):
        raise DamagedIndex(
            f"{folder / _POINTER} names no previous database that is there ({name[:40]!r}); the index in use needs "
            "none, and `citespan prune` forgets it"
        )
    return folder / name


def _named(folder: Path) -> _Named:
    try:
        text = (folder / _POINTER).read_bytes().decode("ascii", "replace")
    except OSError as error:
        raise NoIndex(f"no index in {folder.resolve()}: make one with `citespan index`") from error
    current, _, previous = text.partition("\n")
    return _Named(current.strip(), previous.strip())


def _is_there(folder: Path, name: str) -> bool:
    """Return whether a name that the pointer gives is that of a database of the folder."""
    return is_database_name(name) and (folder / name).is_file()


def has_index(folder: Path) -> bool:
    """Return whether some database is in use, sound or not."""
    return (folder / _POINTER).exists()


def new_database(folder: Path) -> Path:
    """Return a path that no database has had: a process that has one open can tell another by its name."""
    return folder / f"index-{secrets.token_hex(8)}.sqlite"


def is_database_name(name: str) -> bool:
    """Return whether a name is one that `new_database` gives."""
    return _NAME.fullmatch(name) is not None


def switch_to(database: Path, *, previous: Path | None) -> None:
    """Make a database the current one, keep another as the previous one, and remove the rest."""
    point_to(database, previous=previous)
    remove_leftovers(database.parent)
    reached("switch.after")


def point_to(database: Path, *, previous: Path | None) -> None:
    """Name the current database and the previous one, in one step that a crash cannot halve.

    Raises:
        IndexNotWritable: The operating system refuses.
    """
    folder = database.parent
    names = [path.name for path in (database, previous) if path is not None]
    staged = folder / _STAGED
    reached("switch.before")
    try:
        with staged.open("w", encoding="ascii") as stream:
            stream.writelines(f"{name}\n" for name in names)
            stream.flush()
            os.fsync(stream.fileno())
        reached("switch.staged")
        staged.replace(folder / _POINTER)
        _sync(folder)
    except OSError as error:
        raise IndexNotWritable(f"cannot write {folder / _POINTER}: {error.strerror}") from error
    reached("switch.replaced")


def remove_leftovers(folder: Path) -> None:
    """Remove the databases that the pointer does not name, and a pointer and a note that were never put in place.

    They are what a rebuild leaves that was cut short, or one whose switch was. For the writer alone.
    """
    named = _named(folder)
    for path in folder.iterdir():
        if path.name in (_STAGED, _STAGED_NOTE) or _is_unnamed_database(path, named):
            reached("leftover.removing")
            # Windows keeps files that a process has open; the next update tries again.
            with suppress(OSError):
                path.unlink()


def _sync(folder: Path) -> None:
    """Have the folder's list of files on the disk, so that a power cut cannot lose the switch and keep what follows."""
    if os.name == "posix":  # elsewhere folders cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def leftovers(folder: Path) -> list[Path]:
    """Return files that nothing points to: databases that are not named, and what was never moved to its place.

    While somebody writes, theirs are among them.

    Raises:
        NoIndex, DamagedIndex: As `current_database`.
    """
    current_database(folder)
    named = _named(folder)
    return [
        path
        for path in sorted(folder.iterdir())
        if _STAGED_NAME.fullmatch(path.name) or _is_unnamed_database(path, named)
    ]


def clear(folder: Path) -> tuple[Removed, ...]:
    """Remove all `leftovers`; return what they were. For who holds the lock of the index and that of the feedback.

    Raises:
        IndexNotWritable: The operating system refuses.
        NoIndex, DamagedIndex: As `current_database`.
    """
    removed = []
    for left in leftovers(folder):
        reached("clear.removing")
        try:
            n_bytes = left.stat().st_size
            left.unlink()
        except FileNotFoundError:
            continue  # SQLite removes a log when its last reader ends
        except OSError as error:
            raise IndexNotWritable(f"cannot remove {left}: {error.strerror}") from error
        removed.append(Removed(left.name, n_bytes))
    return tuple(removed)


def _is_unnamed_database(path: Path, named: _Named) -> bool:
    """Return whether a file is a database, or of one, that the pointer does not name."""
    found = _NAME.match(path.name)
    return found is not None and found[0] not in named


def note_version(database: Path, index_version: int) -> None:
    """Note beside a database which version it has reached.

    What is only in a write-ahead log is lost with it, and SQLite takes what is left for all there was. What is noted of
    other databases that are there is kept.
    """
    folder, staged = database.parent, database.parent / _STAGED_NOTE
    noted = {name: version for name, version in noted_versions(folder).items() if (folder / name).exists()}
    noted[database.name] = index_version
    try:
        lines = "".join(f"{name} {version}\n" for name, version in noted.items())
        staged.write_text(lines, encoding="ascii", newline="\n")
        reached("note.staged")
        staged.replace(database.parent / _NOTE)
    except OSError as error:
        _log.warning("cannot write %s: %s", staged, error.strerror)  # an older note misleads nobody


def noted_version(database: Path) -> int:
    """Return a version that a database has reached for certain; 0 where none is noted."""
    return noted_versions(database.parent).get(database.name, 0)


def noted_versions(folder: Path) -> dict[str, int]:
    """Return the versions that databases have reached for certain, by their names."""
    try:
        lines = (folder / _NOTE).read_bytes().decode("ascii", "replace").splitlines()
    except OSError:
        return {}
    return {found[1]: int(found[2]) for line in lines if (found := _NOTED.fullmatch(line))}


@contextmanager
def writing(folder: Path, *, lock_name: str = "write.lock") -> Iterator[None]:
    """Be the one writer of this index, across processes; the lock dies with its holder.

    Args:
        lock_name: Of another lock, for another file of the folder than the index.

    Raises:
        IndexBusy: Somebody else is, and does not finish soon.
        IndexNotWritable: The folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / lock_name)
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout as error:
        raise IndexBusy(f"another process is writing the index in {folder}: try again when it has finished") from error
    except OSError as error:
        raise IndexNotWritable(f"cannot write in {folder}: {error.strerror}; name another with --index") from error
    try:
        yield
    finally:
        lock.release()
