"""Whether the folder still is what an index says it is. Reads files only where their stamps leave doubt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from index.collection import MAX_FILE_BYTES, Failure, Scan, SourceFile, printable, scan
from index.parsing import FORMATS
from index.store.protocol import Known
from index.update import make_plan

# As in index.update: a file's time may lag behind by a tick of the file system's clock.
_TICK_S = 2.0


@dataclass(frozen=True, slots=True)
class Drift:
    """In how many files the folder differs from an index. A renamed file is one added and one removed."""

    n_added: int
    n_changed: int
    n_removed: int

    def __bool__(self) -> bool:
        return bool(self.n_added or self.n_changed or self.n_removed)


def find_drift(
    root: Path,
    folder: Path,
    *,
    known: Iterable[Known],
    failures: Iterable[Failure],
    reconciled_at: str | None,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> Drift:
    """Return in how many files the folder of documents differs from one version of an index.

    A file that could not be read then has left no fingerprint: it counts as changed where it was written after
    the folder was last looked at, or just before.

    Args:
        folder: The index's, which is no part of the collection.
        reconciled_at: As in `IndexState`.

    Raises:
        CollectionError: The folder of documents cannot be read.
    """
    found = scan(root, suffixes=FORMATS, excluded=[folder])
    indexed = {item.doc_id: item for item in known}
    failed = {failure.path for failure in failures if not failure.is_skipped}
    kept = [file for file in found.files if file.doc_id in indexed]
    others = {printable(file.doc_id): file for file in found.files if file.doc_id not in indexed}
    unreadable = {other.path for other in found.others if not other.is_skipped}
    # Only what is both here and there: of the rest no content need be known, that is, hashed.
    plan = make_plan(Scan(tuple(kept), ()), [indexed[file.doc_id] for file in kept], max_file_bytes=max_file_bytes)
    return Drift(
        n_added=len((others.keys() | unreadable) - failed),
        n_changed=len(plan.replace)
        + sum(_is_later(file, reconciled_at) for path, file in others.items() if path in failed),
        n_removed=len(indexed) - len(kept) + len(failed - others.keys() - unreadable - _paths(kept)),
    )


def _paths(files: Iterable[SourceFile]) -> set[str]:
    return {printable(file.doc_id) for file in files}


def _is_later(file: SourceFile, reconciled_at: str | None) -> bool:
    """Return whether a file may have been written after the folder was looked at."""
    try:
        looked_at_s = datetime.fromisoformat(reconciled_at or "").timestamp()
    except ValueError:
        return True
    return max(file.stamp.mtime_ns, file.stamp.ctime_ns) / 10**9 > looked_at_s - _TICK_S
