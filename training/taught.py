"""A teacher's scores on disk, beside the examples that they are about, some thousand questions a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from training.corpus import Corpus, Scores

_FILE_QUESTIONS = 5000


def parts_of(corpus: Corpus, folder: Path) -> Iterator[tuple[Path, Corpus]]:
    """Yield the file of each part of a corpus, whether it exists or not."""
    for begin in range(0, len(corpus), _FILE_QUESTIONS):
        path = folder / "taught" / f"{begin // _FILE_QUESTIONS:05}.npz"
        yield path, corpus.part(begin, begin + _FILE_QUESTIONS)


def is_scored(path: Path, part: Corpus, teacher: bytes) -> bool:
    """Tell whether a file has this teacher's scores of these sequences.

    Args:
        teacher: The SHA-256 of its checkpoint.
    """
    if not path.exists():
        return False
    stored = _read(path)
    return stored["examples"].tobytes() == part.digest and stored["teacher"].tobytes() == teacher


def with_taught(corpus: Corpus, folder: Path) -> Corpus:
    """Return the corpus with its teacher's scores.

    Raises:
        click.ClickException: There are none for some part, they are for other sequences, or of several teachers.
    """
    remedy = "run `python -m training.distil` to its end, with the same --seed and tokenizer"
    teachers, all_stored = set(), []
    for path, part in parts_of(corpus, folder):
        if not path.exists():
            raise click.ClickException(f"{path} is missing: {remedy}")
        stored = _read(path)
        teachers.add(stored["teacher"].tobytes())
        if stored["examples"].tobytes() != part.digest:
            raise click.ClickException(f"{path} is about other examples: {remedy}")
        if len(teachers) > 1:
            raise click.ClickException(f"{path} is by another teacher than those before it: {remedy}")
        all_stored.append(stored)
    is_text, (start, end) = corpus.is_text, np.zeros((2, len(corpus.ids)), np.float16)
    start[is_text], end[is_text], null = (
        np.concatenate([stored[name] for stored in all_stored]) for name in ("start", "end", "null")
    )
    return replace(corpus, taught=Scores(start, end, null))


def write_taught(part: Corpus, scores: Scores, path: Path, *, teacher: bytes) -> None:
    """Write a teacher's scores of the tokens that an answer may have; never a file that is cut short.

    Raises:
        click.ClickException: Some are no numbers, or too large to be kept.
    """
    is_text = part.is_text
    start, end = (ends[is_text].astype(np.float16) for ends in (scores.start, scores.end))
    if not all(np.isfinite(some).all() for some in (start, end, scores.null)):
        raise click.ClickException("the teacher's scores are not finite: train it anew, at a lower --rate")
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as stream:
        np.savez(
            stream,
            examples=np.frombuffer(part.digest, dtype=np.uint8),
            teacher=np.frombuffer(teacher, dtype=np.uint8),
            start=start,
            end=end,
            null=scores.null.astype(np.float32),
        )
    unfinished.replace(path)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)
