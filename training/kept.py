"""What a language model wrote and judged, kept in this repository: without a GPU it need not be done again.

Passages are named by their digest, since their texts belong to the data sets; so are questions that were altered from a
data set's own. A row has the passage, the question, the spans of its answer and how likely the passage answers it.
"""

from __future__ import annotations

import csv
import hashlib
import lzma
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from training.examples import Example, TrainingPassage

KEPT = Path(__file__).parent / "kept.csv.xz"

_FIELDS = ("source", "passage", "question", "spans", "answered")


def digest(text: str) -> str:
    """Return 64 bits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_kept(examples: Iterable[Example], path: Path) -> int:
    """Write those of the examples that a model judged; return how many."""
    rows = [_row(example) for example in examples if example.passages[0].answered is not None]
    with lzma.open(path, "wt", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, _FIELDS)
        writer.writeheader()
        # What is alike stands together, so that the file is short.
        writer.writerows(sorted(rows, key=lambda row: (row["source"], row["passage"], row["question"])))
    return len(rows)


def _row(example: Example) -> dict[str, str]:
    passage = example.passages[0]
    is_altered = _is_altered(example.source)
    return {
        "source": example.source,
        "passage": digest(passage.text),
        "question": digest(example.question) if is_altered else example.question,
        "spans": " ".join(f"{start}-{end}" for start, end in passage.spans),
        "answered": f"{passage.answered:.4f}",
    }


def read_kept(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file that `write_kept` wrote.

    Raises:
        click.ClickException: It is no such file.
    """
    try:
        with lzma.open(path, "rt", encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            if tuple(rows.fieldnames or ()) != _FIELDS:
                raise click.ClickException(f"{path} has not the columns {', '.join(_FIELDS)}")
            return list(rows)
    except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} is damaged ({error}): take it from the repository again") from error


def with_verdicts(examples: Sequence[Example], kept: Sequence[Mapping[str, str]]) -> list[Example]:
    """Return the examples, the altered ones with how likely the passage answers where that is kept."""
    verdicts = {(row["passage"], row["question"]): float(row["answered"]) for row in kept if _is_altered(row["source"])}
    found = []
    for example in examples:
        passage = example.passages[0]
        if _is_altered(example.source):
            answered = verdicts.get((digest(passage.text), digest(example.question)))
            found.append(replace(example, passages=(replace(passage, answered=answered),)))
        else:
            found.append(example)
    return found


def written(passages: Iterable[TrainingPassage], kept: Sequence[Mapping[str, str]]) -> list[Example]:
    """Return the questions that were written on some passages."""
    by_digest = {digest(passage.text): passage for passage in passages}
    found = []
    for row in kept:
        if _is_altered(row["source"]) or row["passage"] not in by_digest:
            continue
        spans = tuple(
            (int(start), int(end)) for start, _, end in (some.partition("-") for some in row["spans"].split())
        )
        passage = replace(by_digest[row["passage"]], spans=spans, answered=float(row["answered"]))
        found.append(Example(row["question"], (passage,), row["source"]))
    return found


def _is_altered(source: str) -> bool:
    return source.endswith("/altered")
