"""A teacher's scores on disk, beside the examples that they are about, some thousand questions a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from qa.span_reader import TokenScores
from training.batches import Group

_FILE_QUESTIONS = 5000


def parts_of(groups: Sequence[Group], folder: Path) -> list[tuple[Path, Sequence[Group]]]:
    """Return the file of each part of the groups, whether it exists or not."""
    return [
        (folder / "taught" / f"{begin // _FILE_QUESTIONS:05}.npz", groups[begin : begin + _FILE_QUESTIONS])
        for begin in range(0, len(groups), _FILE_QUESTIONS)
    ]


def is_scored(path: Path, part: Sequence[Group], teacher: bytes) -> bool:
    """Tell whether a file has this teacher's scores of these groups.

    Args:
        teacher: The SHA-256 of its checkpoint.
    """
    if not path.exists():
        return False
    stored = _read(path)
    return stored["examples"].tobytes() == _digest(part) and stored["teacher"].tobytes() == teacher


def taught_groups(groups: Sequence[Group], folder: Path) -> Iterator[Group]:
    """Yield the groups with their teacher's scores.

    Raises:
        click.ClickException: There are none for a group, they are for other sequences, or of several teachers.
    """
    remedy = "run `python -m training.distil` to its end, with the same --seed and tokenizer"
    teachers = set()
    for path, part in parts_of(groups, folder):
        if not path.exists():
            raise click.ClickException(f"{path} is missing: {remedy}")
        stored = _read(path)
        teachers.add(stored["teacher"].tobytes())
        if stored["examples"].tobytes() != _digest(part):
            raise click.ClickException(f"{path} is about other examples: {remedy}")
        if len(teachers) > 1:
            raise click.ClickException(f"{path} is by another teacher than those before it: {remedy}")
        at = row_at = 0
        for group in part:
            rows = []
            for row in group.rows:
                words = slice(at, at + len(row.pair.offsets))
                start, end = (stored[name][words].astype(np.float32) for name in ("start", "end"))
                rows.append(replace(row, taught=TokenScores(start, end, float(stored["null"][row_at]))))
                at, row_at = words.stop, row_at + 1
            yield replace(group, rows=tuple(rows))


def write_taught(part: Sequence[Group], found: Iterable[Iterable[TokenScores]], path: Path, *, teacher: bytes) -> None:
    """Write a teacher's scores of some groups, in the order of their rows; never a file that is cut short."""
    rows = [some for of_group in found for some in of_group]
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as stream:
        np.savez(
            stream,
            examples=np.frombuffer(_digest(part), dtype=np.uint8),
            teacher=np.frombuffer(teacher, dtype=np.uint8),
            start=np.concatenate([row.start for row in rows]).astype(np.float16),
            end=np.concatenate([row.end for row in rows]).astype(np.float16),
            null=np.array([row.null for row in rows], dtype=np.float32),
        )
    unfinished.replace(path)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def _digest(part: Sequence[Group]) -> bytes:
    ids: NDArray[np.int32] = np.array([i for g in part for row in g.rows for i in row.pair.ids], dtype=np.int32)
    return hashlib.sha256(ids.tobytes()).digest()
