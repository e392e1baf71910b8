"""A notice in the making, and how its tables are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

CharSpan: TypeAlias = tuple[int, int]


@dataclass(slots=True)
class Notice:
    """A text in the making, and what can be asked on it.

    Attributes:
        kind: What it is about; another of the same kind may answer the same questions.
        asked: Questions with the characters that answer them.
        unanswered: Questions that the text does not answer.
    """

    kind: str
    heading: str
    text: str = ""
    asked: list[tuple[str, CharSpan]] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    def write(self, text: str) -> CharSpan:
        """Append a text; return where it stands."""
        start = len(self.text)
        self.text += text
        return start, len(self.text)

    def write_filled(self, template: str, **values: str) -> dict[str, CharSpan]:
        """Append a template; return where each value that it names stands."""
        written = {}
        for text, name in gaps(template):
            self.write(text)
            if name:
                written[name] = self.write(values[name])
        return written

    def take_in(self, other: Notice) -> None:
        """Append another notice; what neither of them answers is not known."""
        start, _ = self.write(f"\n\n{other.text}")
        self.asked += [(question, (start + 2 + begin, start + 2 + end)) for question, (begin, end) in other.asked]
        self.unanswered = []


def capital(text: str) -> str:
    """Return a text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def gaps(template: str) -> Iterator[tuple[str, str]]:
    """Yield what stands before each gap of a template, with the gap's name; "" is the end's."""
    parts = re.split(r"\{(.*?)\}", template)
    yield from zip(parts[::2], [*parts[1::2], ""], strict=True)


class Style(NamedTuple):
    """How rows are written; `fill` widens all first cells to the same width, spaces all others, too."""

    before: str
    after_first: str
    between: str
    after: str
    fill: str = ""


MARKDOWN = Style("| ", " | ", " | ", " |\n")
TABBED = Style("", "\t", "\t", "\n")
"""As a table of HTML is read."""
ALIGNED = Style("", "  ", "  ", "\n", " ")
STYLES = (
    MARKDOWN,
    TABBED,
    ALIGNED,
    Style("", " ", "  ", "\n", "."),
    Style("", ": ", ", ", "\n"),
    Style("- ", ": ", ", ", "\n"),
    Style("", " — ", ", ", "\n"),
)


def write_table(
    notice: Notice, head: Sequence[str], rows: Sequence[Sequence[str]], style: Style
) -> list[list[CharSpan]]:
    """Write rows; return where the cells after each row's first stand."""
    widths = _widths((head, *rows), style)
    places = []
    for number, row in enumerate((head, *rows) if any(head) else rows):
        notice.write(style.before)
        cells = []
        for at, (cell, width) in enumerate(zip(row, widths, strict=False)):
            notice.write(("", style.after_first)[at] if at < 2 else style.between)
            cells.append(notice.write(cell))
            if at < len(row) - 1:
                notice.write(style.fill * (width - len(cell)))
        notice.write(style.after)
        places.append(cells[1:])
        if style is MARKDOWN and number == 0:
            notice.write("|" + " --- |" * len(row) + "\n")
    return places[1:] if any(head) else places


def _widths(rows: Sequence[Sequence[str]], style: Style) -> list[int]:
    """Return how wide each column is at least."""
    n_filled = {"": 0, " ": len(rows[-1])}.get(style.fill, 1)
    return [max(len(row[at]) for row in rows if at < len(row)) if at < n_filled else 0 for at in range(len(rows[-1]))]
