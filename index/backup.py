"""Copies of an index that may be in use, and the way back. A copy is checked when it is made and before it is used.

A backup is a folder, or one file whose name ends in .zip, with the same three files: the database, feedback if there is
any, and a manifest with the SHA-256 of both. Nothing is ever written over.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from index.errors import (
    BackupExists,
    BackupMissing,
    BackupNotWritable,
    DamagedBackup,
    DamagedIndex,
    IndexNotWritable,
    StoreError,
    UnsupportedBackup,
    UnsupportedIndex,
)
from index.rollback import take_over, version_reached
from index.store.connection import connect, copy_database, translated
from index.store.database import Database
from index.store.folder import current_database, is_database_name, new_database, note_version, writing
from index.store.schema import adopt

FORMAT = 1
"""Of the manifest."""

FEEDBACK = "feedback.db"
"""What qa.feedback_store keeps beside the index."""

_MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOCK = 2**20
# What an archive raises that is none; a RuntimeError where a flag says that it is encrypted or packed otherwise.
_UNREADABLE = (OSError, EOFError, KeyError, RuntimeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error)

CheckFeedback = Callable[[Path], int]
"""Reads all feedback of a folder and returns how much there is; raises if it is damaged."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        made_at: For people; nothing is decided by it, for clocks go back.
        feedback: The SHA-256 of its file; None where there was none.
    """

    made_at: str
    index_version: int
    n_documents: int
    n_passages: int
    n_feedback: int
    database: str
    sha256: str
    feedback: str | None


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored.

    Attributes:
        index_version: Of the index now.
        set_aside: Where the feedback is that was there before; None where nothing was.
    """

    manifest: Manifest
    index_version: int
    set_aside: Path | None


def back_up(folder: Path, target: Path, *, check_feedback: CheckFeedback) -> Manifest:
    """Copy an index and its feedback, as they are at one moment each, to a folder or a .zip file that is not there yet.

    Raises:
        BackupExists: There is something of this name.
        BackupNotWritable: The operating system refuses, or the disk is full.
        DamagedIndex, FeedbackError: What would be copied is damaged.
        StoreError: It cannot be read.
    """
    source = current_database(folder)
    if target.exists() or target.is_symlink():
        raise BackupExists(f"{target} is there already: name another, or remove it")
    with _staging(target) as staged:
        copied = staged / source.name
        copy_database(source, copied)
        try:
            with closing(Database(copied)) as database:
                database.check()
                version, counts = database.index_version, database.counts()
        except DamagedIndex as error:
            told = str(error).replace(str(copied), str(source))
            raise DamagedIndex(f"nothing was backed up: {told}") from error
        has_feedback = (folder / FEEDBACK).exists()
        if has_feedback:
            check_feedback(folder)
            copy_database(folder / FEEDBACK, staged / FEEDBACK)
        manifest = Manifest(
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            index_version=version,
            n_documents=counts.n_documents,
            n_passages=counts.n_passages,
            n_feedback=check_feedback(staged),
            database=source.name,
            sha256=_flushed(copied),
            feedback=_flushed(staged / FEEDBACK) if has_feedback else None,
        )
        text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1)
        (staged / _MANIFEST).write_text(text + "\n", encoding="utf-8")
        _flushed(staged / _MANIFEST)
    return manifest


def restore(folder: Path, source: Path, *, check_feedback: CheckFeedback) -> Restored:
    """Put a backup in the place of an index; a service that runs on it follows. What was there answers until then,
    and is kept for a rollback.

    Feedback that was there is set aside, and never removed: it cannot be made again.

    Raises:
        BackupError: It is none, is damaged, or of another version of Citespan.
        IndexBusy: Somebody is writing the index.
        IndexNotWritable: The operating system refuses, or the disk is full.
    """
    with _opened(source) as read:
        manifest = _read_manifest(source, read)
        with writing(folder), writing(folder, lock_name="feedback.lock"):
            path, feedback = new_database(folder), folder / f"feedback-{secrets.token_hex(8)}.new"
            try:
                _take(read, manifest.database, manifest.sha256, path, source)
                version = _adopted(path, manifest, source, former=version_reached(folder))
                if manifest.feedback is not None:
                    _take(read, FEEDBACK, manifest.feedback, feedback, source)
                    _check_feedback_of(feedback, check_feedback)
                take_over(path)
            except BaseException:
                _discard(folder, path, feedback)
                raise
            note_version(path, version)
            aside = _replace_feedback(folder, feedback) if manifest.feedback is not None else None
    return Restored(manifest, version, aside)


def _discard(folder: Path, path: Path, feedback: Path) -> None:
    """Remove what was copied, unless it is in use already."""
    with suppress(StoreError):
        if current_database(folder) == path:
            return
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", feedback.name):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Give a folder beside the target that becomes it when all went well, and vanishes otherwise."""
    staged = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
    packed = staged.with_name(f"{staged.name}.zip")
    try:
        staged.mkdir(parents=True)
        yield staged
        _flush_folder(staged)
        whole = staged
        if target.suffix == ".zip":
            whole = packed
            with zipfile.ZipFile(packed, "x", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(staged.iterdir()):
                    archive.write(path, path.name)
            _flushed(packed)
        if target.exists():
            raise BackupExists(f"{target} is there by now: name another")
        whole.rename(target)
        _flush_folder(target.parent)
    except OSError as error:
        raise BackupNotWritable(f"cannot write {target}: {error.strerror or error}; name another place") from error
    except IndexNotWritable as error:  # it speaks of the copy
        raise BackupNotWritable(f"cannot write {target}: {error}") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        packed.unlink(missing_ok=True)


@contextmanager
def _opened(source: Path) -> Iterator[Callable[[str], IO[bytes]]]:
    """Give a function that opens a file of a backup by its name."""
    if source.is_dir():
        yield lambda name: (source / name).open("rb")
    elif source.is_file():
        try:
            archive = zipfile.ZipFile(source)
        except _UNREADABLE as error:
            raise DamagedBackup(f"{source} is no backup, or is damaged ({error}): restore another") from error
        with archive:
            yield archive.open
    else:
        raise BackupMissing(f"there is no backup at {source}: name the folder or the .zip file of one")


def _read_manifest(source: Path, read: Callable[[str], IO[bytes]]) -> Manifest:
    try:
        with read(_MANIFEST) as stream:
            values = json.loads(stream.read(_MAX_MANIFEST_BYTES))
        found = values.pop("format")
        if found != FORMAT:
            raise UnsupportedBackup(
                f"the backup at {source} has format {found!r}, and this version of Citespan reads {FORMAT}: "
                "use the one that made it"
            )
        manifest = Manifest(**values)
        if not (is_database_name(manifest.database) and _SHA256.fullmatch(manifest.sha256)):
            raise ValueError("it names no database")
        if not all(isinstance(value, int) for name, value in values.items() if name.startswith("n_")):
            raise ValueError("its counts are no numbers")
    except (*_UNREADABLE, TypeError, AttributeError) as error:
        raise DamagedBackup(
            f"the backup at {source} has no manifest that can be read ({error}): restore another"
        ) from error
    return manifest


def _take(read: Callable[[str], IO[bytes]], name: str, sha256: str, path: Path, source: Path) -> None:
    """Copy a file of a backup to a new path, and see that it is what was backed up."""
    hashed = hashlib.sha256()
    try:
        stream = read(name)
    except _UNREADABLE as error:
        raise DamagedBackup(
            f"the backup at {source} has no {name} that can be read ({error}): restore another"
        ) from error
    with stream, _written(path) as copy:
        while block := _block(stream, source, name):
            hashed.update(block)
            copy.write(block)
    if hashed.hexdigest() != sha256:
        raise DamagedBackup(f"{name} in the backup at {source} is not what was backed up (SHA-256): restore another")


def _block(stream: IO[bytes], source: Path, name: str) -> bytes:
    try:
        return stream.read(_BLOCK)
    except _UNREADABLE as error:
        raise DamagedBackup(f"{name} in the backup at {source} cannot be read ({error}): restore another") from error


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise IndexNotWritable(
            f"cannot write {path}: {error.strerror or error}; check the disk's free space"
        ) from error


def _adopted(path: Path, manifest: Manifest, source: Path, *, former: int) -> int:
    """Make a copied database this folder's own and check all of it; return its version, which is no former one."""
    try:
        with translated(path), closing(connect(path, mode="rw")) as connection:
            adopt(connection, path, former_name=manifest.database)
        with closing(Database(path)) as database:
            database.check()
            counts = database.counts()
            if (counts.n_documents, counts.n_passages) != (manifest.n_documents, manifest.n_passages):
                raise DamagedBackup(f"the backup at {source} holds other counts than its manifest: restore another")
            return database.count_on(former)
    except UnsupportedIndex as error:
        raise UnsupportedBackup(f"the backup at {source} cannot be used: {error}") from error
    except DamagedIndex as error:
        raise DamagedBackup(
            f"the backup at {source} was damaged when it was made: restore another ({error})"
        ) from error


def _check_feedback_of(path: Path, check_feedback: CheckFeedback) -> None:
    """Check feedback that does not have its name yet, in a folder of its own."""
    folder = path.with_name(f"{path.name}.checked")
    folder.mkdir()
    try:
        path.rename(folder / FEEDBACK)
        check_feedback(folder)
        (folder / FEEDBACK).rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace_feedback(folder: Path, feedback: Path) -> Path | None:
    """Move feedback into its place; return where what was there is now, with the journal it may need."""
    place, aside = folder / FEEDBACK, None
    try:
        if place.exists():
            aside = folder / f"feedback-{secrets.token_hex(8)}.db"
            journal = place.with_name(f"{FEEDBACK}-journal")
            if journal.exists():
                journal.rename(aside.with_name(f"{aside.name}-journal"))
            place.rename(aside)
        feedback.rename(place)
    except OSError as error:
        raise IndexNotWritable(
            f"the index was restored, and its feedback is in {feedback}: cannot write {place}: {error.strerror}"
        ) from error
    return aside


def _flushed(path: Path) -> str:
    """See that a file's bytes are on the disk; return their SHA-256."""
    with path.open("r+b") as stream:  # Windows syncs only what may be written
        os.fsync(stream.fileno())
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flush_folder(folder: Path) -> None:
    if os.name != "nt":  # where a folder cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
