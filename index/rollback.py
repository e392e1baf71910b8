"""The index that was in use before: kept when another takes its place, gone back to, and removed.

rebuild, restore ─▶ take_over   the one in use is kept as the previous one; the one that was kept before goes
rollback         ─▶ roll_back   the two change places
prune            ─▶ prune       the previous one goes
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from index.errors import DamagedIndex, NoIndex, NoPreviousIndex, StoreError, UnsupportedIndex
from index.records import Counts, IndexState
from index.store.connection import REMEDY
from index.store.database import Database
from index.store.faults import reached
from index.store.folder import (
    Removed,
    clear,
    current_database,
    note_version,
    noted_versions,
    point_to,
    previous_database,
    switch_to,
    writing,
)
from index.store.protocol import Identity

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Contents:
    """What an index was made with, and what it holds."""

    identity: Identity
    state: IndexState
    counts: Counts

    @classmethod
    def of(cls, database: Database) -> Self:
        return cls(database.identity, database.state, database.counts())


@dataclass(frozen=True, slots=True)
class Previous:
    """The index that is kept for a rollback.

    Attributes:
        n_bytes: On the disk.
        contents: None where it cannot be used.
        problem: Why it cannot; "" where it can.
    """

    n_bytes: int
    contents: Contents | None
    problem: str


def version_reached(folder: Path) -> int:
    """Return the highest version that an index of the folder is known to have reached, to count on from; 0 for none."""
    noted = max(noted_versions(folder).values(), default=0)
    try:
        with closing(Database(current_database(folder))) as database:
            return max(noted, database.index_version)
    except StoreError:
        return noted


def take_over(database: Path) -> None:
    """Make a database that is whole the one in use, and keep the former for a rollback. For the writer alone.

    A former one that is damaged, or of another format, is not kept; the one that was kept before then still is.
    """
    folder = database.parent
    switch_to(database, previous=_sound(current_database, folder) or _sound(previous_database, folder))


def roll_back(folder: Path) -> Contents:
    """Let the index in use and the previous one change places; a service that runs on it follows.

    Returns:
        Of the index in use now; its version is one that none has had.

    Raises:
        NoIndex, NoPreviousIndex: There is nothing to go back to.
        DamagedIndex, UnsupportedIndex: The previous one cannot be used; the one in use stays.
        IndexBusy: Somebody is writing the index.
        IndexNotWritable: The operating system refuses.
    """
    previous_database(folder)  # before the lock, which would make the folder
    with writing(folder):
        path = previous_database(folder)
        former = version_reached(folder)
        try:
            with closing(Database(path)) as database:
                database.check()
                reached("rollback.checked")
                version = database.count_on(former)
                contents = Contents.of(database)
        except (DamagedIndex, UnsupportedIndex) as error:
            raise type(error)(
                f"nothing was rolled back: {_without_remedy(error)}; the index in use is as it was, and "
                "`citespan prune` removes the previous one"
            ) from error
        note_version(path, version)
        reached("rollback.noted")
        switch_to(path, previous=_in_use(folder))
    return contents


def prune(folder: Path) -> tuple[Removed, ...]:
    """Remove the previous index and all that was left over; return what was removed.

    Raises:
        NoIndex, DamagedIndex: The folder does not say which index is in use.
        IndexBusy: Somebody is writing.
        IndexNotWritable: The operating system refuses.
    """
    current_database(folder)  # before the locks, which would make the folder
    with writing(folder), writing(folder, lock_name="feedback.lock"):
        point_to(current_database(folder), previous=None)
        removed = clear(folder)
        reached("prune.after")
    return removed


def find_previous(folder: Path, *, is_checked: bool = False) -> Previous | None:
    """Return what is kept for a rollback, None for nothing.

    Args:
        is_checked: Look at all of it, as a rollback does.

    Raises:
        NoIndex: There is no index at all.
    """
    try:
        path = previous_database(folder)
    except NoPreviousIndex:
        return None
    except DamagedIndex as error:
        return Previous(0, None, str(error))
    n_bytes = sum(_size(file) for file in folder.glob(f"{path.name}*"))
    try:
        with closing(Database(path)) as database:
            if is_checked:
                database.check()
            return Previous(n_bytes, Contents.of(database), "")
    except StoreError as error:
        return Previous(n_bytes, None, _without_remedy(error))


def _sound(find: Callable[[Path], Path], folder: Path) -> Path | None:
    """Return the database that is found, and None, and the log says why, if it can never be rolled back to.

    What hinders for a moment, as a full disk, is no reason to give it up: a rollback looks again.
    """
    try:
        path = find(folder)
        with closing(Database(path)) as database:
            database.check()
    except (NoIndex, NoPreviousIndex):
        return None
    except (DamagedIndex, UnsupportedIndex) as error:  # a rebuild has to mend it
        _log.warning("not kept for a rollback: %s", _without_remedy(error))
        return None
    except StoreError as error:
        _log.warning("kept for a rollback without a look at it: %s", _without_remedy(error))
    return path


def _in_use(folder: Path) -> Path | None:
    """Return the database in use, sound or not, for nothing is lost by a rollback; None where it is gone."""
    with suppress(DamagedIndex):
        return current_database(folder)
    return None


def _size(path: Path) -> int:
    """Return a file's size, 0 where it has gone by now, as a log does when its last reader ends."""
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _without_remedy(error: StoreError) -> str:
    """Return what is wrong with an index that need not be made anew, for another is in use."""
    return str(error).removesuffix(REMEDY)
