"""What a reader is shown of a table: before each cell the names of its column and its row.

"£40" is the deposit for a touring kayak by the head of its column, which is many lines above, and by the first cell of
its row. A reader of few layers seldom follows both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from index.records import Span

_LEAST_COLUMNS = 3
"""In two columns a value stands beside its name as it is."""
_LEAST_PLAIN_ROWS = 2
"""Below the head of a table that no rule marks as one."""
_LONGEST_NAME = 60
"""Characters; what is longer is a text, and no name."""
_PIPE, _TAB, _SPACES = re.compile(r"(?<!\\)\|"), re.compile(r"\t"), re.compile(r" {2,}")
_RULE = frozenset("-=+|: \t")
"""What the line under the head of a table is made of."""
_OF_DATES = re.compile(
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|st|nd|rd|th|am|pm"
    r"|jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|(?:nov|dec)(?:ember)?",
    re.IGNORECASE,
)
"""Words that dates have beside their numbers."""
_CODE = re.compile(r"[^\W\d]{1,3}[ -]?\d\w*")
"""As in "B17", by which people may ask for a row, too."""
_MARKUP = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")
_MOST_COLUMNS = 100
"""A line of more cells is no row."""
_HEAD_OF_SPACES = re.compile(r"[\w(#£$€%](?:[^.!?]*|\w{,2}\.)")
"""What a head's cell looks like where nothing but spaces tells cells from prose or code."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A line as a row of a table.

    Attributes:
        separator: What sets its cells apart.
        start: Of the line.
        cells: Without the white space around them.
    """

    separator: re.Pattern[str]
    start: int
    cells: tuple[Span, ...]


@dataclass(slots=True)
class _Run:
    """Rows one after another, alike in what sets cells apart.

    Attributes:
        n_over_rule: Rows over the first rule between them; 0 where there is none.
    """

    rows: list[_Row]
    n_over_rule: int = 0

    @property
    def separator(self) -> re.Pattern[str]:
        return self.rows[0].separator


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as it is shown to a reader.

    Attributes:
        text: With the names.
        places: (len(text),), each character's index in the source; for one of a name, that of the cell behind it.
        is_name: (len(text),), which characters are not in the source.
    """

    text: str
    places: NDArray[np.int32]
    is_name: NDArray[np.bool_]

    def in_source(self, offsets: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return where the source has what stands at some offsets, (n, 2); of a name, no characters before its cell."""
        starts, lasts = offsets[:, 0], offsets[:, 1] - 1
        ends = self.places[lasts] + ~self.is_name[lasts]
        return np.stack([self.places[starts], ends], axis=1)


def with_names(text: str, *, before: str | None = "") -> Shown:
    """Return a text with names before the cells of its tables, as in "Deposit, Touring kayak: £40".

    A table has three columns or more, and a head: the line over a rule of dashes or, of lines whose cells are set apart
    by tabs or by two spaces, the first, if fewer of its cells have a digit than of those below it on average. Cells set
    apart by spaces belong to the head that they stand below, others to that of the same place in a row of as many; a
    row in which that is not to be told is left as it is. A row is named by the first of its first two cells that is no
    number, date or code, or else by its first; that cell has no name before it, and a code before it stands behind it
    in the name.

    Args:
        before: The lines before the text, as the head of a table whose middle it is; None where it begins in the middle
            of what is not known.
    """
    written: list[str] = []
    places: list[NDArray[np.int32]] = []
    is_name: list[NDArray[np.bool_]] = []
    begin = 0
    n_before = len(before or "")
    names = [
        (at - n_before, name)
        for at, name in _names((before or "") + text, has_beginning=before is not None)
        if at >= n_before
    ]
    for at, name in [*names, (len(text), "")]:
        written += [text[begin:at], name]
        places += [np.arange(begin, at, dtype=np.int32), np.full(len(name), at, dtype=np.int32)]
        is_name += [np.zeros(at - begin, dtype=np.bool_), np.ones(len(name), dtype=np.bool_)]
        begin = at
    return Shown("".join(written), np.concatenate(places), np.concatenate(is_name))


def _names(text: str, *, has_beginning: bool) -> Iterator[tuple[int, str]]:
    """Yield, in order, before which character of the text to show what."""
    for head, rows in _tables(text, has_beginning=has_beginning):
        names = [_as_name(cell.of(text)) for cell in head.cells]
        for row in rows:
            naming = _naming_cells(row, text)
            for cell, column in _columns(row, head).items():
                of_row = [_as_name(other.of(text)) for other in naming if other != cell]
                known = [name for name in (names[column], " ".join(filter(None, of_row))) if name]
                if len(cell) and cell != naming[0] and known:
                    yield cell.start, f"{', '.join(known)}: "


def _naming_cells(row: _Row, text: str) -> Sequence[Span]:
    """Return the cell that a row is named by, and the one before it if that is a code as "B17"."""
    # Among spaces an empty cell is none, but what the line is indented by.
    cells = [cell for cell in row.cells if len(cell)] if row.separator is _SPACES else row.cells
    naming = next((cell for cell in cells[:2] if _is_name(cell.of(text))), row.cells[0])
    has_code = naming != cells[0] and _CODE.fullmatch(cells[0].of(text))
    return [naming, cells[0]] if has_code else [naming]


def _as_name(cell: str) -> str:
    """Return a cell as others are named by it; "" where it is too long for that."""
    if len(cell) > 2 * _LONGEST_NAME:
        return ""
    name = " ".join(_MARKUP.sub("", cell).split()).rstrip(":")
    return name if len(name) <= _LONGEST_NAME else ""


def _is_name(cell: str) -> bool:
    """Return whether a cell can be what its row is about: a number, a date or a short code is not."""
    words = re.findall(r"[^\W\d]{2,}", cell)
    return bool(cell) and not (_has_digit(cell) and (all(map(_OF_DATES.fullmatch, words)) or _CODE.fullmatch(cell)))


def _has_digit(cell: str) -> bool:
    return any(map(str.isdecimal, cell))


def _columns(row: _Row, head: _Row) -> dict[Span, int]:
    """Return the columns of a row's cells, but for what a line is indented by; none where they are not to be told."""
    if row.separator is not _SPACES:
        return _in_order(row.cells, range(len(head.cells)))
    cells = [cell for cell in row.cells if len(cell)]
    extents = _extents(head)
    columns = {}
    for cell in cells:
        start, end = cell.start - row.start, cell.end - row.start
        below = [number for number, (first, last) in enumerate(extents) if start < last and first < end]
        if len(below) == 1:
            columns[cell] = below[0]
    # Where nothing stands over the first cells, there may be several of them.
    named = [column for column in columns.values() if len(head.cells[column])]
    if len(columns) == len(cells) and len(named) == len(set(named)):
        return columns
    # Where no cell is empty there is no doubt, however wide they are.
    return _in_order(cells, [number for number, cell in enumerate(head.cells) if len(cell)])


def _in_order(cells: Sequence[Span], columns: Sequence[int]) -> dict[Span, int]:
    return dict(zip(cells, columns, strict=True)) if len(cells) == len(columns) else {}


def _extents(head: _Row) -> list[tuple[int, int]]:
    """Return where the cells of a head are in its line; what stands before its first has no name."""
    first, second = head.cells[:2]
    extents = [(cell.start - head.start, cell.end - head.start) for cell in head.cells]
    return extents if len(first) else [(0, second.start - head.start), *extents[1:]]


def _tables(text: str, *, has_beginning: bool) -> Iterator[tuple[_Row, Sequence[_Row]]]:
    """Yield the head of each table and the rows below it.

    Args:
        has_beginning: The first line of the text is not one in the middle of a table.
    """
    blank = None if has_beginning else re.search(r"\n\s*\n", text)
    known_from = 0 if has_beginning else blank.end() if blank else len(text)
    for run in _runs(text):
        over = run.rows[: run.n_over_rule]
        # Among spaces or tabs a rule may also stand over a sum.
        is_marked = bool(over) and (run.separator is _PIPE or not any(_n_with_digit(row, text) for row in over[1:]))
        begin = run.n_over_rule - 1 if is_marked else 0
        head, rows = run.rows[begin], run.rows[begin + 1 :]
        if not (_is_head(head, rows, text) if run.separator is _SPACES else len(head.cells) >= _LEAST_COLUMNS):
            continue
        is_known = run.separator is not _PIPE and head.start >= known_from
        if is_marked or (is_known and _has_fewer_digits(head, rows, text)):
            yield head, rows


def _is_head(head: _Row, rows: Sequence[_Row], text: str) -> bool:
    """Return whether a line with spaces can be the head of others, and is no prose or code."""
    cells = [cell.of(text) for cell in head.cells if len(cell)]
    looks_so = all(map(_HEAD_OF_SPACES.fullmatch, cells))
    return looks_so and any(len(_columns(row, head)) >= _LEAST_COLUMNS for row in rows)


def _has_fewer_digits(head: _Row, rows: Sequence[_Row], text: str) -> bool:
    """Return whether the rows, of which there are enough to tell, have more cells with a digit than their head has."""
    n_digits = [_n_with_digit(row, text) for row in rows]
    return len(rows) >= _LEAST_PLAIN_ROWS and _n_with_digit(head, text) < sum(n_digits) / len(rows)


def _n_with_digit(row: _Row, text: str) -> int:
    return sum(_has_digit(cell.of(text)) for cell in row.cells)


def _runs(text: str) -> Iterator[_Run]:
    """Yield the runs of a text's rows, of which the first has three cells or more.

    A line between rows that is none, as a title over some of them, is passed over, but not among pipes. A row without
    digits after it is a new head.
    """
    run: _Run | None = None
    has_other = False
    for line in _lines(text):
        content, row = line.of(text).strip(), _row(text, line)
        is_rule = _RULE.issuperset(content) and not {"-", "="}.isdisjoint(content)
        is_row = len(row.cells) > 1 and bool(content) and not is_rule
        is_alike = is_row and run is not None and row.separator is run.separator
        if run and is_rule:
            run.n_over_rule = run.n_over_rule or len(run.rows)
            has_other = False
        elif run and is_alike and not (has_other and not _n_with_digit(row, text)):
            run.rows.append(row)
            has_other = False
        elif run and content and not is_row and not has_other and run.separator is not _PIPE:
            has_other = True
        else:
            if run:
                yield run
            run = _Run([row]) if is_row and len(row.cells) >= _LEAST_COLUMNS else None
            has_other = False
    if run:
        yield run


def _lines(text: str) -> Iterator[Span]:
    start = 0
    for line in text.split("\n"):
        yield Span(start, start + len(line))
        start += len(line) + 1


def _row(text: str, line: Span) -> _Row:
    """Return a line's cells; the pipes at its ends are none between cells, the tabs are."""
    content, start, end = line.of(text), line.start, line.end
    separator = next((some for some in (_PIPE, _TAB) if some.search(content)), _SPACES)
    if separator is not _TAB:
        end = start + len(content.rstrip())
    if separator is _PIPE:
        first = end - len(text[start:end].lstrip())
        start = first + 1 if text.startswith("|", first) else start
        end = end - 1 if text.endswith("|", start, end) else end
    gaps = [match.span() for match in islice(separator.finditer(text, start, end), _MOST_COLUMNS)]
    if len(gaps) == _MOST_COLUMNS:
        return _Row(separator, line.start, ())
    starts, ends = [start, *(after for _, after in gaps)], [*(before for before, _ in gaps), end]
    return _Row(separator, line.start, tuple(_trimmed(text, *cell) for cell in zip(starts, ends, strict=True)))


def _trimmed(text: str, start: int, end: int) -> Span:
    cell = text[start:end]
    start += len(cell) - len(cell.lstrip())
    return Span(start, start + len(cell.strip()))
