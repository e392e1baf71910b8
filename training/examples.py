"""What the span reader is trained on: a question, its passages, and where they answer it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrainingPassage:
    """A text that is read for a question.

    Attributes:
        context: Title and headings over it; read, never answered from. May be "".
        spans: The [start, end) characters of `text` that answer the question; none where it does not.
        trap: Those that look like an answer to a question that the passage does not answer, where they are known.
        answered: How likely the passage answers, in [0, 1], where a model has judged it.
    """

    text: str
    context: str = ""
    spans: tuple[tuple[int, int], ...] = ()
    trap: tuple[int, int] | None = None
    answered: float | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A question with one or more passages; its spans are scored by one softmax over all of them.

    Attributes:
        source: The data set and kind it comes from, as in "reqa-squad" or "new_wiki/altered".
        is_weak: The spans are sentences that hold the answer somewhere.
        keeps_context: Its passages are told apart by their contexts alone.
    """

    question: str
    passages: tuple[TrainingPassage, ...]
    source: str
    is_weak: bool = False
    keeps_context: bool = False


def write_examples(examples: Iterable[Example], path: Path) -> None:
    """Write a JSON object a line."""
    with path.open("w", encoding="utf-8") as stream:
        for example in examples:
            stream.write(json.dumps(asdict(example), ensure_ascii=False) + "\n")


def read_examples(path: Path) -> Iterator[Example]:
    """Yield the examples of a file that `write_examples` wrote."""
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            stored = json.loads(line)
            passages = tuple(
                TrainingPassage(
                    some["text"],
                    some["context"],
                    tuple((start, end) for start, end in some["spans"]),
                    tuple(some["trap"]) if some["trap"] else None,
                    some["answered"],
                )
                for some in stored["passages"]
            )
            yield Example(stored["question"], passages, stored["source"], stored["is_weak"], stored["keeps_context"])
