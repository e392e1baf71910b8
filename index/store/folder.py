"""The folder of an index: which of its database files is the current one, and who may write.

A rebuild writes another file and switches by replacing the small file `current`. No database is ever
written over, for SQLite would take the write-ahead log beside it for the new file's own.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from index.errors import DamagedIndex, IndexBusy, IndexNotWritable, NoIndex
from index.store.faults import reached

_log = logging.getLogger(__name__)

_POINTER = "current"
_STAGED = "current.new"
_NOTE = "version"
_STAGED_NOTE = "version.new"
# Most updates are over in less: a second one, on demand while watching, need not be refused.
_PATIENCE_S = 5.0
_NAME = re.compile(r"index-[0-9a-f]{16}\.sqlite")


def current_database(folder: Path) -> Path:
    """Return the path of the database that is in use.

    Raises:
        NoIndex: There is none yet.
        DamagedIndex: The folder does not say which.
    """
    try:
        name = (folder / _POINTER).read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        raise NoIndex(f"no index in {folder}: make one with `citespan index`") from error
    if not (_NAME.fullmatch(name) and (folder / name).is_file()):
        raise DamagedIndex(
            f"{folder / _POINTER} names no database that is there ({name[:40]!r}): "
            "make the index anew with `citespan index --rebuild`"
        )
    return folder / name


def has_index(folder: Path) -> bool:
    """Return whether some database is in use, sound or not."""
    return (folder / _POINTER).exists()


def new_database(folder: Path) -> Path:
    """Return a path that no database has had: a process that has one open can tell another by its name."""
    return folder / f"index-{secrets.token_hex(8)}.sqlite"


def is_database_name(name: str) -> bool:
    """Return whether a name is one that `new_database` gives."""
    return _NAME.fullmatch(name) is not None


def switch_to(database: Path) -> None:
    """Make a database the current one, in one step that a crash cannot halve, and remove the others."""
    folder = database.parent
    staged = folder / _STAGED
    reached("switch.before")
    try:
        with staged.open("w", encoding="ascii") as stream:
            stream.write(database.name + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        reached("switch.staged")
        staged.replace(folder / _POINTER)
        _sync(folder)
    except OSError as error:
        raise IndexNotWritable(f"cannot write {folder / _POINTER}: {error.strerror}") from error
    reached("switch.replaced")
    remove_leftovers(database)
    reached("switch.after")


def remove_leftovers(current: Path) -> None:
    """Remove the other databases of the folder, and a pointer and a note that were never put in place.

    They are what a rebuild leaves that was cut short, or one whose switch was. For the writer alone.
    """
    for path in current.parent.iterdir():
        if path.name in (_STAGED, _STAGED_NOTE) or _is_other_database(path, current):
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
    """Return files that nothing points to: databases that are not current, and what was never moved to its place.

    While somebody writes, theirs are among them.
    """
    current = current_database(folder)
    return [path for path in sorted(folder.iterdir()) if path.suffix == ".new" or _is_other_database(path, current)]


def _is_other_database(path: Path, current: Path) -> bool:
    """Return whether a file is a database, or of one, that is not the current one."""
    return _NAME.match(path.name) is not None and not path.name.startswith(current.name)


def note_version(database: Path, index_version: int) -> None:
    """Note beside a database which version it has reached.

    What is only in a write-ahead log is lost with it, and SQLite takes what is left for all there was.
    """
    staged = database.parent / _STAGED_NOTE
    try:
        staged.write_text(f"{database.name} {index_version}\n", encoding="ascii")
        reached("note.staged")
        staged.replace(database.parent / _NOTE)
    except OSError as error:
        _log.warning("cannot write %s: %s", staged, error.strerror)  # an older note misleads nobody


def noted_version(database: Path) -> int:
    """Return a version that a database has reached for certain; 0 where none is noted."""
    try:
        name, version = (database.parent / _NOTE).read_text(encoding="ascii").split()
        return int(version) if name == database.name else 0
    except (OSError, ValueError):
        return 0


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
