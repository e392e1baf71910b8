"""Notices that are made up, by chance, of what `everyday.toml` says, with what can be asked on them."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from training.tables import MARKDOWN, STYLES, CharSpan, Notice, capital, gaps, write_table
from training.values import Values

_N_NOTICES = 3
"""Of a house."""
_AGAIN = ("hours", "hours", "limits", "prices", "prices", "prices", "facts")
"""Kinds of notices that come more often: tables of two columns, and opening beside closing times, are the hardest."""


def read_said(name: str = "everyday.toml") -> dict[str, Any]:
    """Return what notices, or what another file beside them says, are made of, and how they are asked about."""
    return tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))


class Author:
    """Writes notices of one house.

    Attributes:
        kind: What `everyday.toml` says of such houses.
        org: What the house is called in a sentence.
        name: The same without an article.
        title: Over all its notices.
    """

    def __init__(
        self, said: Mapping[str, Any], rng: random.Random, *, is_held_out: bool, like: Author | None = None
    ) -> None:
        """Choose a house.

        Args:
            said: What `everyday.toml` holds.
            is_held_out: Of the kinds of houses and facts that are to tune on, instead of all others.
            like: Who writes for a house of the same kind.
        """
        self._said, self._rng = said, rng
        self._known_facts = [some for some in said["facts"] if some.get("is_held_out", False) == is_held_out]
        kinds = [some for some in said["kinds"].values() if some.get("is_held_out", False) == is_held_out]
        # Shops twice, for a weight beside a price is easily taken for it.
        kinds += [some for some in kinds if "measure" in some]
        self.kind: Mapping[str, Any] = like.kind if like else rng.choice(kinds)
        self._items: list[list[str]] = self.kind["items"]
        self._price: Mapping[str, Any] = said["cells"]["price"]
        begin, end = (some.split() for some in said["names"]["places"])
        place, house = rng.choice(begin) + rng.choice(end), rng.choice(self.kind["names"])
        owner = rng.choice(said["names"]["people"][1].split())
        self.org = rng.choice((f"{place} {house}", f"the {place} {house}", f"{owner}'s {house}"))
        self.name = self.org.removeprefix("the ")
        self.title = capital(rng.choice(said["headings"]["titles"]).format(org=self.org))
        self._values = Values(said, rng, place=place)
        self._makers: dict[str, Callable[[], Notice]] = {
            "hours": self._hours,
            "people": self._people,
            "reach": self._reach,
            "events": self._events,
            "limits": self._limits,
            "prices": self._prices,
            "facts": self._facts,
        }

    def notices(self) -> list[Notice]:
        """Return three notices of different kinds."""
        kinds: list[str] = []
        while len(kinds) < _N_NOTICES:
            kind = self._rng.choice((*self._makers, *_AGAIN))
            kinds += [kind] if kind not in kinds else []
        return [self.notice(kind) for kind in kinds]

    def notice(self, kind: str) -> Notice:
        """Return a notice of a kind."""
        return self._makers[kind]()

    def _prices(self) -> Notice:
        rng, notice, manner = self._rng, self._begun("prices"), self._rng.random()
        items = rng.sample(self._items, rng.randint(3, min(len(self._items), 7)))
        others = [item for item in self._items if item not in items]
        beside = {name: self._said["cells"][name] for name in self.kind["beside"]}
        measure = self.kind.get("measure")
        if measure and manner > 0.2 and rng.random() < 0.3:
            items = [[f"{item[0]}, {self._values.of(measure)}", *item[1:]] for item in items]
            del beside[measure]
        shown = rng.sample(list(beside.values()), min(len(beside), rng.choice((0, 1, 1, 2))))
        if manner < 0.2:
            shown = shown[:1]
            self._write_prices(notice, items, shown)
        elif manner < 0.45:
            shown = []
            columns = rng.choice([some for some in self._said["columns"] if not (measure and "people" in some)])
            # Of people are some items, too: a child has no row, and yet a price in a column.
            others = [] if "people" in columns else others
            self._write_several_prices(notice, items, columns)
        else:
            self._write_cells(notice, items, [self._price, *shown])
        unsaid = [some for some in beside.values() if some not in shown]
        notice.unanswered += [self._ask_of(item, self._price) for item in others]
        notice.unanswered += [self._ask_of(item, some) for some in unsaid for item in items[:2]]
        return self._ended(notice)

    def _write_prices(
        self, notice: Notice, items: Sequence[Sequence[str]], beside: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write items in sentences: what stands beside the price, and the price."""
        for number, item in enumerate(items):
            is_first = number % 2 == 0
            notice.write(capital(item[1]) if is_first else item[1])
            for some in beside:
                notice.write(f" ({some['heads'][0].lower()}: ")
                self._write_asked(notice, item, some)
                notice.write(")")
            notice.write(f" {self._rng.choice(('costs', 'is', 'comes to'))} ")
            self._write_asked(notice, item, self._price)
            notice.write(", and " if is_first and item is not items[-1] else ". ")

    def _write_several_prices(self, notice: Notice, items: Sequence[Sequence[str]], columns: Mapping[str, Any]) -> None:
        """Write a table of items with a price in each column."""
        rng = self._rng
        prices = [(item[0], *(self._values.of("money") for _ in columns["heads"])) for item in items]
        places = self._table(notice, ("", *columns["heads"]), prices, needs_head=True)
        for item, cells in zip(items, places, strict=True):
            for asked, cell in zip(columns["asked"], cells, strict=True):
                what = f"{rng.choice(item[1:])} {rng.choice(asked)}"
                notice.asked.append((self._filled(rng.choice(self._price["asks"]), what=what), cell))

    def _write_cells(self, notice: Notice, items: Sequence[Sequence[str]], cells: Sequence[Mapping[str, Any]]) -> None:
        """Write a table of items with a column for each kind of value, in any order."""
        columns = self._rng.sample(cells, len(cells))
        head = (self._rng.choice(self._said["lists"]["items"]), *(self._rng.choice(some["heads"]) for some in columns))
        rows = [(item[0], *(self._values.of(some["value"]) for some in columns)) for item in items]
        # A bare number says nothing of what it is.
        needs_head = any(some["value"] in ("number", "code") for some in columns)
        if needs_head and self._rng.random() < 0.3:
            head = ("#", *head)
            rows = [(str(number), *row) for number, row in enumerate(rows, start=1)]
        for item, places in zip(items, self._table(notice, head, rows, needs_head=needs_head), strict=True):
            of_columns = places[-len(columns) :]
            notice.asked += [(self._ask_of(item, some), place) for some, place in zip(columns, of_columns, strict=True)]

    def _limits(self) -> Notice:
        rng, notice, limits = self._rng, self._begun("limits"), self._said["limits"]
        people, amounts = rng.sample(limits["people"], rng.randint(3, 5)), rng.sample(limits["amounts"], 4)
        shown = amounts[: rng.randint(2, 3)]
        rows = [(one[0], *(self._values.of("amount") for _ in shown)) for one in people]
        places = self._table(notice, ("", *(amount[0] for amount in shown)), rows, needs_head=True)
        for one, cells in zip(people, places, strict=True):
            for amount, cell in zip(shown, cells, strict=True):
                notice.asked.append((self._filled(rng.choice(amount[1:]), what=rng.choice(one[1:])), cell))
        notice.unanswered += [self._filled(rng.choice(amounts[-1][1:]), what=rng.choice(one[1:])) for one in people]
        return self._ended(notice)

    def _hours(self) -> Notice:
        rng, notice, lists = self._rng, self._begun("hours"), self._said["lists"]
        days_of = dict(some.split(":") for some in rng.choice(lists["opening_days"]))
        known = " ".join(days_of.values()).split()
        others = [day for day in lists["days"] if day not in known]
        closed = rng.choice(list(days_of)) if not others and rng.random() < 0.6 else ""
        form = rng.choice(self._said["hours"])
        notice.write(form.get("head", ""))
        for label, days in days_of.items():
            day, is_closed = rng.choice(days.split()), label == closed
            places = notice.write_filled(
                form["closed" if is_closed else "open"],
                label=label,
                closed="closed",
                opens=self._values.time(6, 11),
                pauses=self._values.time(12, 12),
                resumes=self._values.time(13, 14),
                closes=self._values.time(15, 22),
            )
            if is_closed:
                notice.asked += [(self._ask(kind, day=day), places["closed"]) for kind in ("opens", "open")]
                notice.asked += [(question, places["label"]) for question in self._ask_twice("closed")]
            else:
                notice.asked.append((self._ask("opens", day=day), places["opens"]))
                notice.asked += [(question, places["closes"]) for question in self._ask_twice("closes", day=day)]
                if form["is_joint"]:
                    notice.asked.append((self._ask("open", day=day), (places["opens"][0], places["closes"][1])))
        notice.unanswered += [self._ask("opens", day=day) for day in others]
        notice.unanswered.append(self._ask_of(("", "a gift voucher"), self._price))
        notice.unanswered += [] if closed or others else self._ask_twice("closed")
        return self._ended(notice)

    def _people(self) -> Notice:
        rng, notice, roles = self._rng, self._begun("people"), self._said["roles"]
        chosen, beside = rng.sample(list(roles), rng.randint(3, 7)), ["phone", "email"]
        shown = ["person", *rng.sample(beside, rng.choice((0, 1, 1, 2)))]
        columns = [self._said["contacts"][name] for name in shown]
        rows = [(role, *(self._values.of(name) for name in shown)) for role in chosen]
        if len(shown) == 1 and rng.random() < 0.7:
            places = []
            for role, name in rows:
                places.append([notice.write(name)])
                notice.write(f" {roles[role][0]}. ")
        else:
            places = self._table(notice, ("Role", *(rng.choice(some["heads"]) for some in columns)), rows)
        for role, cells in zip(chosen, places, strict=True):
            for some, cell in zip(columns, cells, strict=True):
                notice.asked.append((self._ask_of(("", *roles[role]), some), cell))
        unsaid = [self._said["contacts"][name] for name in beside if name not in shown]
        notice.unanswered += [self._ask_of(("", *roles[role]), columns[0]) for role in roles if role not in chosen]
        notice.unanswered += [self._ask_of(("", *roles[role]), some) for some in unsaid for role in chosen]
        return self._ended(notice)

    def _reach(self) -> Notice:
        rng, notice, ways = self._rng, self._begun("reach"), list(self._said["reach"])
        chosen = rng.sample(ways, rng.randint(2, 4))
        if rng.random() < 0.4:
            for way in chosen:
                place = notice.write_filled(way["text"], value=self._values.of(way["value"]))["value"]
                notice.asked.append((self._filled(rng.choice(way["asks"])), place))
        else:
            rows = [(rng.choice(way["heads"]), self._values.of(way["value"])) for way in chosen]
            for way, (cell,) in zip(chosen, self._table(notice, ("", ""), rows), strict=True):
                notice.asked.append((self._filled(rng.choice(way["asks"])), cell))
        notice.unanswered += [self._filled(rng.choice(way["asks"])) for way in ways if way not in chosen]
        return self._ended(notice)

    def _events(self) -> Notice:
        rng, notice, lists = self._rng, self._begun("events"), self._said["lists"]
        chosen, form = rng.sample(lists["events"], rng.randint(3, 6)), rng.choice(self._said["events"])
        notice.write(form.get("head", ""))
        for event in chosen:
            places = notice.write_filled(
                form["text"],
                event=event,
                Event=capital(event),
                when=self._values.of("date"),
                begins=self._values.time(9, 20),
                where=rng.choice(lists["where"]),
            )
            for kind in ("when", "begins", "where"):
                if kind in places:
                    notice.asked.append((self._ask(kind, event=event), places[kind]))
                else:
                    notice.unanswered.append(self._ask(kind, event=event))
            notice.unanswered.append(self._ask("fee", event=event))
        notice.unanswered += [self._ask("when", event=event) for event in lists["events"] if event not in chosen]
        return self._ended(notice)

    def _facts(self) -> Notice:
        rng, notice = self._rng, self._begun("facts")
        chosen = rng.sample(self._known_facts, rng.randint(2, 5))
        before, after = rng.choice((("", " "), ("", " "), ("", "\n"), ("", "\n\n"), ("- ", "\n")))
        for fact in chosen:
            notice.write(before)
            asks = iter(fact["asks"])
            for number, (text, name) in enumerate(gaps(fact["text"])):
                notice.write(text)
                if name == "Org":
                    notice.write(capital(self.org))
                elif name:
                    value = self._values.of(name)
                    place = notice.write(value if number or text else capital(value))
                    notice.asked.append((self._filled(rng.choice(next(asks))), place))
            notice.write(after)
        others = [fact for fact in self._known_facts if fact not in chosen]
        notice.unanswered += [self._filled(rng.choice(rng.choice(fact["asks"]))) for fact in others]
        return self._ended(notice)

    def _begun(self, kind: str) -> Notice:
        """Return a notice with its heading."""
        rng = self._rng
        notice = Notice(kind, rng.choice(self._said["headings"][kind]))
        name = notice.heading if rng.random() < 0.7 else f"{notice.heading} – {self.org}"
        notice.write(
            rng.choice((f"## {name}\n\n", f"# {name}\n\n", f"{name}\n\n", f"{name}\n{'-' * len(name)}\n\n", ""))
        )
        return notice

    def _ended(self, notice: Notice) -> Notice:
        """Return the notice with a few remarks at its end."""
        if remarks := self._rng.sample(self._said["lists"]["remarks"], self._rng.randint(0, 3)):
            notice.write("\n\n" + " ".join(remarks))
        return notice

    def _table(
        self, notice: Notice, head: Sequence[str], rows: Sequence[Sequence[str]], *, needs_head: bool = False
    ) -> list[list[CharSpan]]:
        style = self._rng.choice(STYLES[:3] if needs_head else STYLES)
        has_head = needs_head or style is MARKDOWN or (style in STYLES[:3] and self._rng.random() < 0.5)
        return write_table(notice, head if has_head else [""], rows, style)

    def _write_asked(self, notice: Notice, item: Sequence[str], of_what: Mapping[str, Any]) -> None:
        """Write a value of an item, and ask for it."""
        notice.asked.append((self._ask_of(item, of_what), notice.write(self._values.of(of_what["value"]))))

    def _ask_of(self, item: Sequence[str], of_what: Mapping[str, Any]) -> str:
        """Return a question for a value of an item, by one of the names that follow its first."""
        return self._filled(self._rng.choice(of_what["asks"]), what=self._rng.choice(item[1:]))

    def _ask(self, kind: str, **of_what: str) -> str:
        return self._filled(self._rng.choice(self._said["questions"][kind]), **of_what)

    def _ask_twice(self, kind: str, **of_what: str) -> list[str]:
        """Return two questions for the same in other words."""
        return [self._filled(template, **of_what) for template in self._rng.sample(self._said["questions"][kind], 2)]

    def _filled(self, template: str, **of_what: str) -> str:
        return capital(template.format(org=self.org, **of_what))
