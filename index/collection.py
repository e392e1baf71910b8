"""Which files of a folder belong to the collection, and their bytes."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from index.errors import (
    CollectionError,
    CollectionMissing,
    FileError,
    FileTooLarge,
    HiddenFile,
    IgnoredFile,
    OutsideCollection,
    SkippedFile,
    UnreadableFile,
    UnsupportedName,
    UnsupportedType,
)
from index.ignoring import IGNORE_FILE, IgnoreRules, read_ignore_rules

MAX_FILE_BYTES = 64 * 2**20

# Controls (Cc), and halves of surrogate pairs (Cs).
_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNPRINTABLE = re.compile(rf"{_UNNAMEABLE.pattern}|\\")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Size and times of a file. The change time tells of an edit that put the modification time back."""

    size: int
    mtime_ns: int
    ctime_ns: int

    @property
    def age_ns(self) -> int:
        """How long ago it was changed, by this machine's clock."""
        return time.time_ns() - max(self.mtime_ns, self.ctime_ns)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that belongs to the collection.

    Attributes:
        doc_id: POSIX path below the root.
        root: The folder of the collection.
        stamp: What changes when the content does, as far as the file system tells without reading it.
    """

    doc_id: str
    root: Path
    stamp: Stamp

    @property
    def path(self) -> Path:
        """Where it is now."""
        # Made on demand: of 100,000 files, those that are read are few.
        return self.root / self.doc_id


@dataclass(frozen=True, slots=True)
class Failure:
    """A file or folder that is not in the index, and why.

    Attributes:
        is_skipped: It was left out by rule; otherwise something is wrong with it.
    """

    path: str
    code: str
    message: str
    is_skipped: bool

    @classmethod
    def of(cls, path: str, error: FileError) -> Failure:
        """Return the record of an error."""
        return cls(path, error.code, str(error), isinstance(error, SkippedFile))


@dataclass(frozen=True, slots=True)
class Scan:
    """What a walk of the folder found. Every entry is in one of the two, but the excluded folders.

    Attributes:
        files: Ordered by `doc_id`.
        others: What is not in the collection, by path; a folder left out is one entry.
    """

    files: tuple[SourceFile, ...]
    others: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class FileBytes:
    """A file's content at one moment, with the fingerprint of just these bytes."""

    content: bytes
    sha256: str


def scan(root: Path, *, suffixes: Collection[str], excluded: Collection[Path] = ()) -> Scan:
    """Walk the folder and tell what belongs to the collection.

    Names that begin with a dot, files of other types, links that lead out of the folder and what
    `.citespanignore` names are skipped, and said to be. Folders reached by a link are skipped too, so that no file is
    walked twice and no link can make the walk endless.

    Args:
        suffixes: File endings with a parser, lower case with the dot.
        excluded: Folders that are not part of the collection, such as the index's own.

    Raises:
        CollectionMissing: `root` is no folder.
        CollectionError: `root` cannot be listed, or its `.citespanignore` not be read.
    """
    check_folder(root)
    real_root = root.resolve()
    rules = read_ignore_rules(real_root)
    real_excluded = {folder.resolve() for folder in excluded}
    files: list[SourceFile] = []
    others: list[Failure] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(real_root / folder))
        except OSError as error:
            if not folder:
                raise CollectionError(f"cannot list {root}: {error.strerror}; check its permissions") from error
            others.append(_unreadable(folder, error))
            continue
        for entry in entries:
            doc_id = f"{folder}/{entry.name}" if folder else entry.name
            try:
                found = _look_at(entry, doc_id, real_root, suffixes, rules)
            except FileError as error:
                others.append(Failure.of(printable(doc_id), error))
            except OSError as error:
                others.append(_unreadable(doc_id, error))
            else:
                if found is not None:
                    files.append(found)
                elif real_root / doc_id not in real_excluded:
                    folders.append(doc_id)
    files.sort(key=lambda file: file.doc_id)
    others.sort(key=lambda failure: failure.path)
    return Scan(tuple(files), tuple(others))


def check_folder(root: Path) -> None:
    """Raise unless there is a folder.

    Raises:
        CollectionMissing: There is none.
    """
    if not root.is_dir():
        raise CollectionMissing(f"no folder of documents at {root}: create it, or name another with --documents")


def read_file(file: SourceFile, *, max_bytes: int = MAX_FILE_BYTES) -> FileBytes:
    """Return the file's bytes as they are now, with their fingerprint.

    Raises:
        FileTooLarge: It holds more than `max_bytes`.
        UnreadableFile: The operating system refuses it, or it is gone.
    """
    try:
        with file.path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except OSError as error:
        raise UnreadableFile(f"cannot be read: {error.strerror}; check its permissions") from error
    if len(content) > max_bytes:
        raise FileTooLarge(f"over the limit of {max_bytes:,} bytes; split it, or raise --max-file-bytes")
    return FileBytes(content, hashlib.sha256(content).hexdigest())


def _look_at(
    entry: os.DirEntry[str], doc_id: str, root: Path, suffixes: Collection[str], rules: IgnoreRules
) -> SourceFile | None:
    """Return the file that an entry is, or None for a folder to walk. The folder that it is in was looked at before."""
    if doc_id == IGNORE_FILE:
        raise HiddenFile("it says what else is left out")
    if entry.name.startswith("."):
        raise HiddenFile("its name begins with a dot; rename it to have it indexed")
    if _UNNAMEABLE.search(entry.name):
        raise UnsupportedName("its name holds control characters or is not valid Unicode; rename it")
    is_folder = entry.is_dir(follow_symlinks=False)
    rule = rules.rule_against(doc_id, is_folder=is_folder)
    if rule is not None:
        raise IgnoredFile(f"line {rule.line} of {IGNORE_FILE} leaves it out: {printable(rule.pattern.strip())}")
    if is_folder:
        return None
    if entry.is_symlink():
        _check_link(Path(entry.path), root)
    status = entry.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedType("not a regular file")
    _, dot, ending = entry.name.rpartition(".")
    suffix = dot + ending.lower() if ending and dot else ""
    if suffix not in suffixes:
        raise UnsupportedType(f"no parser for {suffix or 'files without an ending'}; read are {', '.join(suffixes)}")
    return SourceFile(doc_id, root, Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns))


def _check_link(path: Path, root: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise UnreadableFile("a link that leads nowhere; mend or remove it") from error
    if not target.is_relative_to(root):
        raise OutsideCollection("a link out of the folder; copy the file in to have it indexed")
    if target.is_dir():
        raise OutsideCollection("a link to a folder that is walked under its own name")


def is_present(root: Path, doc_id: str) -> bool:
    """Return whether the folder lists a path under just this name.

    Asked of the listings: where case does not count, "notes.md" is found by "Notes.md" too.
    """
    folder = root
    for name in doc_id.split("/"):
        try:
            if name not in {entry.name for entry in folder.iterdir()}:
                return False
        except OSError:
            return False
        folder /= name
    return True


def printable(path: str) -> str:
    """Return a path with what cannot be stored or shown escaped; different paths stay different."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), path)


def _unreadable(doc_id: str, error: OSError) -> Failure:
    refusal = UnreadableFile(f"cannot be read: {error.strerror}; check its permissions")
    return Failure.of(printable(doc_id), refusal)
