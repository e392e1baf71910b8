"""Questions on tables whose rows are named by what stands in Wikipedia, so that nothing helps but to look them up.

In a notice that is made up (`training.notices`) a good guess helps: a price is money, and goods have weights. Here a
row may be called "steam engine" and a column "deposit", several columns have values of one kind, and a reader finds a
cell by both of its names or not at all. Some columns are held out, to tune on.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from index.sentences import sentence_spans
from training.examples import Example, TrainingPassage
from training.notices import read_said
from training.tables import ALIGNED, MARKDOWN, TABBED, CharSpan, Notice, capital, write_table
from training.values import Values

LOOKUP = "lookup"
"""Source of examples."""

_MANNERS = (MARKDOWN, MARKDOWN, TABBED, TABBED, ALIGNED)
_ROWS, _COLUMNS = (3, 8), (2, 6)
_PER_TABLE = 4
"""Questions with an answer; half as many without."""
_NAME = re.compile(
    r"\b(?:[A-Z][a-z]{2,}(?: (?:of |the )?[A-Z][a-z]{2,}){1,2}"
    r"|(?<=the )[a-z]{4,} [a-z]{4,}(?= (?:of|in|was|is|to)\b))"
)
"""What a paragraph calls something: a name of two or three words, or two words between "the" and a small one."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a table: what stands over it, how its cells are made and asked for."""

    head: str
    value: Callable[[], str]
    asks: Sequence[str]


def lookup_examples(
    n: int, paragraphs: Sequence[TrainingPassage], *, seed: int, is_held_out: bool = False
) -> list[Example]:
    """Return so many questions on made-up tables.

    Beside half of those with an answer stands another table, which has the same rows or the same columns. The first
    passage has the answer.

    Args:
        paragraphs: To take names from.
        is_held_out: Of the columns that are to tune on, instead of all others.
    """
    rng = random.Random(seed)
    maker = _Maker(rng, is_held_out=is_held_out)
    found: list[Example] = []
    while len(found) < n:
        paragraph = rng.choice(paragraphs)
        names = _names(paragraph.text)
        if len(names) > _ROWS[0]:
            found += maker.examples(paragraph, names)
    rng.shuffle(found)
    return found[:n]


def _names(text: str) -> list[str]:
    """Return what a paragraph names, in the order in which it does, without what is part of another name."""
    names = list({name.casefold(): name for name in _NAME.findall(text)}.items())
    return [name for folded, name in names if not any(folded != other and folded in other for other, _ in names)]


class _Maker:
    """Makes questions on tables, by chance."""

    def __init__(self, rng: random.Random, *, is_held_out: bool) -> None:
        self._rng, self._values_said = rng, read_said()
        self._said = read_said("lookups.toml")
        self._known = [some for some in self._said["columns"] if some.get("is_held_out", False) == is_held_out]

    def examples(self, paragraph: TrainingPassage, names: Sequence[str]) -> Iterator[Example]:
        """Yield questions on a table whose rows have some of a paragraph's names."""
        rng = self._rng
        values = Values(self._values_said, rng, place=rng.choice(names).split()[0])
        names = rng.sample(names, len(names))
        n_rows = min(rng.randint(*_ROWS), len(names) - 1)
        rows, other_names = names[:n_rows], names[n_rows:]
        n_columns = rng.randint(*_COLUMNS)
        columns = self._columns(n_columns + 2, values, other_names)
        columns, other_columns = columns[:n_columns], columns[n_columns:]
        context = f"{paragraph.context} › {rng.choice(self._said['titles'])}"
        remark = rng.choice([span.of(paragraph.text).strip() for span in sentence_spans(paragraph.text)])
        text, asked = self._table(rows, columns, remark)
        beside = (rows, other_columns) if rng.random() < 0.5 else (other_names, columns)
        other = TrainingPassage(self._table(*beside, "")[0], context) if len(beside[0]) > 1 else None
        for question, span in rng.sample(asked, min(_PER_TABLE, len(asked))):
            wrong = (other,) if other and rng.random() < 0.5 else ()
            yield Example(question, (TrainingPassage(text, context, (span,)), *wrong), LOOKUP)
        for number in range(_PER_TABLE // 2):
            name, column = (rng.choice(rows), rng.choice(other_columns))
            if number % 2 and other_names:
                name, column = rng.choice(other_names), rng.choice(columns)
            # What the other table says would be an answer.
            yield Example(self._asking(name, column), (TrainingPassage(text, context),), LOOKUP)

    def _columns(self, n: int, values: Values, names: Sequence[str]) -> list[_Column]:
        """Return columns, many of them with values of one kind, of which no two answer the same question."""
        rng = self._rng
        known = rng.sample(self._known, len(self._known))
        if rng.random() < 0.6:
            kind = known[0]["value"]
            known.sort(key=lambda some: some["value"] != kind)
        chosen: list[Mapping[str, Any]] = []
        for some in known:
            if all(set(some["tags"]).isdisjoint(other["tags"]) for other in chosen):
                chosen.append(some)
        columns = [self._column(some, values) for some in chosen[:n]]
        if names and rng.random() < 0.3:
            # Named as nothing that has such values would be.
            head = rng.choice(names)
            asks = [some.replace("{column}", head) for some in self._said["generic"]]
            columns[0] = _Column(head, columns[0].value, asks)
        rng.shuffle(columns)
        return columns

    def _column(self, some: Mapping[str, Any], values: Values) -> _Column:
        head, kind = self._rng.choice(some["heads"]), some["value"]
        generic = [ask.replace("{column}", head.lower()) for ask in self._rng.sample(self._said["generic"], 2)]
        return _Column(
            head,
            partial(values.of, kind),
            [*some["asks"], *some["asks"], *generic],
        )

    def _table(
        self, names: Sequence[str], columns: Sequence[_Column], remark: str
    ) -> tuple[str, list[tuple[str, CharSpan]]]:
        """Return a text with a table, and its questions with the characters that answer them."""
        rng, notice = self._rng, Notice(LOOKUP, "")
        if rng.random() < 0.4:
            notice.write(f"{'## ' if rng.random() < 0.5 else ''}{rng.choice(self._said['titles'])}\n\n")
        if remark and rng.random() < 0.3:
            notice.write(f"{remark}\n\n")
            remark = ""
        # A number before the name, as lists have it, is never asked for.
        is_numbered = rng.random() < 0.15
        before = [[str(number)] if is_numbered else [] for number in range(1, len(names) + 1)]
        head = [*(["No."] if is_numbered else []), rng.choice(("", "", "Name", "What", "Item"))]
        head += [column.head for column in columns]
        shown = [capital(name) for name in names]
        cells = [[column.value() for column in columns] for _ in names]
        rows = [[*some, name, *values] for some, name, values in zip(before, shown, cells, strict=True)]
        places = write_table(notice, head, rows, rng.choice(_MANNERS))
        asked = []
        for name, of_row in zip(names, places, strict=True):
            for column, place in zip(columns, of_row[-len(columns) :], strict=True):
                asked.append((self._asking(name, column), place))
        if remark and rng.random() < 0.3:
            notice.write(f"\n{remark}")
        return notice.text.rstrip(), asked + self._reversed(names, columns, cells, notice.text)

    def _reversed(
        self, names: Sequence[str], columns: Sequence[_Column], cells: Sequence[Sequence[str]], text: str
    ) -> list[tuple[str, CharSpan]]:
        """Return a question for the row of a value, if that stands in one row alone."""
        name, of_row = self._rng.choice(list(zip(names, cells, strict=True)))
        number = self._rng.randrange(len(columns))
        if [some[number] for some in cells].count(of_row[number]) > 1 or text.count(capital(name)) > 1:
            return []
        template = self._rng.choice(self._said["reverse"])
        start = text.index(capital(name))
        question = template.format(value=of_row[number], column=columns[number].head.lower())
        return [(question, (start, start + len(name)))]

    def _asking(self, name: str, column: _Column) -> str:
        what = name if name[0].isupper() or self._rng.random() < 0.5 else f"the {name}"
        return capital(self._rng.choice(column.asks).format(what=what))
