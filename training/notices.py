"""Notices that are made up, by chance, of what `everyday.toml` says, with what can be asked on them."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

CharSpan: TypeAlias = tuple[int, int]

_NUMBERS = "two three four five six seven eight nine ten twelve fifteen twenty thirty forty".split()
_UNITS = ("minutes", "hours", "days", "working days", "weeks", "months", "years")
_PENCE = ("", "", ".00", ".20", ".50", ".75", ".90")
_CURRENCIES = ("£{}", "£{}", "£{}", "GBP {}", "€{}", "€ {}", "{} euros", "${}")
_N_NOTICES = 3
"""Of a house."""
_AGAIN = ("hours", "hours", "limits", "prices", "prices", "prices", "facts")
"""Kinds of notices that come more often: tables of two columns, and opening beside closing times, are the hardest."""


def read_said() -> dict[str, Any]:
    """Return what notices are made of, and how they are asked about."""
    return tomllib.loads((Path(__file__).parent / "everyday.toml").read_text(encoding="utf-8"))


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

    def take_in(self, other: Notice) -> None:
        """Append another notice; what neither of them answers is not known."""
        start, _ = self.write(f"\n\n{other.text}")
        self.asked += [(question, (start + 2 + begin, start + 2 + end)) for question, (begin, end) in other.asked]
        self.unanswered = []


class Style(NamedTuple):
    """How rows are written; `fill` widens all first cells to the same width."""

    before: str
    after_first: str
    between: str
    after: str
    fill: str = ""


_MARKDOWN = Style("| ", " | ", " | ", " |\n")
_STYLES = (
    _MARKDOWN,
    Style("", "\t", "\t", "\n"),  # as a table of HTML is read
    Style("", "  ", "  ", "\n", " "),
    Style("", " ", "  ", "\n", "."),
    Style("", ": ", ", ", "\n"),
    Style("- ", ": ", ", ", "\n"),
    Style("", " — ", ", ", "\n"),
)


def write_table(
    notice: Notice, head: Sequence[str], rows: Sequence[Sequence[str]], style: Style
) -> list[list[CharSpan]]:
    """Write rows; return where the cells after each row's first stand."""
    width = max(len(row[0]) for row in rows) + 2 if style.fill else 0
    places = []
    for number, row in enumerate((head, *rows) if any(head) else rows):
        notice.write(style.before)
        first, *others = row
        notice.write(first + style.fill * (width - len(first)) + style.after_first)
        cells = []
        for at, cell in enumerate(others):
            notice.write(style.between if at else "")
            cells.append(notice.write(cell))
        notice.write(style.after)
        places.append(cells)
        if style is _MARKDOWN and number == 0:
            notice.write("|" + " --- |" * len(row) + "\n")
    return places[1:] if any(head) else places


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
        begin, end = (some.split() for some in said["names"]["places"])
        place, house = rng.choice(begin) + rng.choice(end), rng.choice(self.kind["names"])
        owner = rng.choice(said["names"]["last"].split())
        self.org = rng.choice((f"{place} {house}", f"the {place} {house}", f"{owner}'s {house}"))
        self.name = self.org.removeprefix("the ")
        self.title = _capital(rng.choice(said["headings"]["titles"]).format(org=self.org))
        # A house writes them all alike.
        self._currency = rng.choice(_CURRENCIES)
        self._time_form, self._date_form = rng.randrange(3), str(rng.choice(said["lists"]["date_forms"]))
        self._makers: dict[str, Callable[[], Notice]] = {
            "hours": self._hours,
            "people": self._people,
            "reach": self._reach,
            "events": self._events,
            "limits": self._limits,
            "prices": self._prices,
            "facts": self._facts,
        }
        self._values: dict[str, Callable[[], str]] = {
            "money": self._money,
            "duration": self._duration,
            "time": lambda: self._time(6, 22),
            "date": self._date,
            "day": lambda: str(rng.choice(said["lists"]["days"])),
            "number": lambda: rng.choice((str(rng.randint(3, 99)), str(rng.randint(20, 900)), rng.choice(_NUMBERS))),
            "year": lambda: str(rng.randint(1850, 2021)),
            "person": self._person,
            "phone": self._phone,
            "email": lambda: f"{rng.choice(said['names']['last'].split()).lower()}@{place.lower()}.example",
            "address": self._address,
            "place": lambda: rng.choice(begin) + rng.choice(end),
            "code": self._one_of("A{}", "B0{}", "K1{}", "{}07", "{}4"),
            "weight": self._one_of("{}50 g", "{}00 g", "{}.5 kg", "{} kg"),
            "length": self._one_of("{} m", "{}.5 m", "{}20 cm"),
            "volume": self._one_of("{}50 ml", "{}.5 l", "{} litres"),
            "height": self._one_of("{}0 cm", "{}5 cm", "1.{} m"),
            **{
                unit: self._one_of(f"{{}} {unit}", f"1{{}} {unit}", f"{{}}50 {unit}") for unit in said["lists"]["units"]
            },
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
        rng, notice = self._rng, self._begun("prices")
        items = rng.sample(self._items, rng.randint(3, min(len(self._items), 7)))
        others = [item for item in self._items if item not in items]
        price, beside = self._said["cells"]["price"], {name: self._said["cells"][name] for name in self.kind["beside"]}
        measure = self.kind.get("measure")
        if measure and rng.random() < 0.3:
            items = [[f"{item[0]}, {self._values[measure]()}", *item[1:]] for item in items]
            del beside[measure]
        shown = rng.sample(list(beside.values()), min(len(beside), rng.choice((0, 1, 1, 2))))
        manner = rng.random()
        if manner < 0.2:
            shown = shown[:1]
            for number, item in enumerate(items):
                is_first = number % 2 == 0
                notice.write(_capital(item[1]) if is_first else item[1])
                for some in shown:
                    notice.write(f" ({some['heads'][0].lower()}: ")
                    self._write_asked(notice, item, some)
                    notice.write(")")
                notice.write(f" {rng.choice(('costs', 'is', 'comes to'))} ")
                self._write_asked(notice, item, price)
                notice.write(", and " if is_first and item is not items[-1] else ". ")
        elif manner < 0.45:
            shown, columns = [], rng.choice(self._said["columns"])
            prices = [(item[0], self._money(), self._money()) for item in items]
            places = self._table(notice, ("", *columns["heads"]), prices, needs_head=True)
            for item, cells in zip(items, places, strict=True):
                for asked, cell in zip(columns["asked"], cells, strict=True):
                    what = f"{rng.choice(item[1:])} {rng.choice(asked)}"
                    notice.asked.append((self._filled(rng.choice(price["asks"]), what=what), cell))
        else:
            columns = rng.sample([price, *shown], 1 + len(shown))
            head = (rng.choice(self._said["lists"]["items"]), *(rng.choice(some["heads"]) for some in columns))
            rows = [(item[0], *(self._values[some["value"]]() for some in columns)) for item in items]
            for item, cells in zip(items, self._table(notice, head, rows), strict=True):
                notice.asked += [(self._ask_of(item, some), cell) for some, cell in zip(columns, cells, strict=True)]
        unsaid = [some for some in beside.values() if some not in shown]
        notice.unanswered += [self._ask_of(item, price) for item in others]
        notice.unanswered += [self._ask_of(item, some) for some in unsaid for item in items[:2]]
        return self._ended(notice)

    def _limits(self) -> Notice:
        rng, notice, limits = self._rng, self._begun("limits"), self._said["limits"]
        people, amounts = rng.sample(limits["people"], rng.randint(3, 5)), rng.sample(limits["amounts"], 4)
        shown = amounts[: rng.randint(2, 3)]
        rows = [(one[0], *(self._amount() for _ in shown)) for one in people]
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
            places = self._write_filled(
                notice,
                form["closed" if is_closed else "open"],
                label=label,
                closed="closed",
                opens=self._time(6, 11),
                pauses=self._time(12, 12),
                resumes=self._time(13, 14),
                closes=self._time(15, 22),
            )
            if is_closed:
                notice.asked += [(self._ask(kind, day=day), places["closed"]) for kind in ("opens", "open")]
                notice.asked += [(self._ask("closed"), places["label"])] * 2
            else:
                notice.asked += [(self._ask(kind, day=day), places[kind]) for kind in ("opens", "closes", "closes")]
                if form["is_joint"]:
                    notice.asked.append((self._ask("open", day=day), (places["opens"][0], places["closes"][1])))
        notice.unanswered += [self._ask("opens", day=day) for day in others]
        notice.unanswered.append(self._ask_of(("", "entry"), self._said["cells"]["price"]))
        notice.unanswered += [] if closed or others else [self._ask("closed")] * 2
        return self._ended(notice)

    def _people(self) -> Notice:
        rng, notice, roles = self._rng, self._begun("people"), self._said["roles"]
        chosen, beside = rng.sample(list(roles), rng.randint(3, 7)), ["phone", "email"]
        shown = ["person", *rng.sample(beside, rng.choice((0, 1, 1, 2)))]
        columns = [self._said["contacts"][name] for name in shown]
        rows = [(role, *(self._values[name]() for name in shown)) for role in chosen]
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
                place = self._write_filled(notice, way["text"], value=self._values[way["value"]]())["value"]
                notice.asked.append((self._filled(rng.choice(way["asks"])), place))
        else:
            rows = [(rng.choice(way["heads"]), self._values[way["value"]]()) for way in chosen]
            for way, (cell,) in zip(chosen, self._table(notice, ("", ""), rows), strict=True):
                notice.asked.append((self._filled(rng.choice(way["asks"])), cell))
        notice.unanswered += [self._filled(rng.choice(way["asks"])) for way in ways if way not in chosen]
        return self._ended(notice)

    def _events(self) -> Notice:
        rng, notice, lists = self._rng, self._begun("events"), self._said["lists"]
        chosen, form = rng.sample(lists["events"], rng.randint(3, 6)), rng.choice(self._said["events"])
        notice.write(form.get("head", ""))
        for event in chosen:
            places = self._write_filled(
                notice,
                form["text"],
                event=event,
                Event=_capital(event),
                when=self._date(),
                begins=self._time(9, 20),
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
            for at, part in enumerate(re.split(r"\{(.*?)\}", fact["text"])):
                if at % 2 == 0:
                    notice.write(part)
                elif part == "Org":
                    notice.write(_capital(self.org))
                else:
                    value = rng.choice(part.split("|")) if "|" in part else self._values[part]()
                    place = notice.write(_capital(value) if at == 1 and not fact["text"][0].isalpha() else value)
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
        style = self._rng.choice(_STYLES[:3] if needs_head else _STYLES)
        has_head = needs_head or style is _MARKDOWN or (style in _STYLES[:3] and self._rng.random() < 0.5)
        return write_table(notice, head if has_head else [""], rows, style)

    def _write_filled(self, notice: Notice, template: str, **values: str) -> dict[str, CharSpan]:
        """Write a template; return where each value that it names stands."""
        parts = re.split(r"\{(.*?)\}", template)
        written = {}
        for text, name in zip(parts[::2], [*parts[1::2], ""], strict=True):
            notice.write(text)
            if name:
                written[name] = notice.write(values[name])
        return written

    def _write_asked(self, notice: Notice, item: Sequence[str], of_what: Mapping[str, Any]) -> None:
        """Write a value of an item, and ask for it."""
        notice.asked.append((self._ask_of(item, of_what), notice.write(self._values[of_what["value"]]())))

    def _ask_of(self, item: Sequence[str], of_what: Mapping[str, Any]) -> str:
        """Return a question for a value of an item, by one of the names that follow its first."""
        return self._filled(self._rng.choice(of_what["asks"]), what=self._rng.choice(item[1:]))

    def _ask(self, kind: str, **of_what: str) -> str:
        return self._filled(self._rng.choice(self._said["questions"][kind]), **of_what)

    def _filled(self, template: str, **of_what: str) -> str:
        return _capital(template.format(org=self.org, **of_what))

    def _one_of(self, *forms: str) -> Callable[[], str]:
        """Return what chooses a form and fills in a digit."""
        return lambda: self._rng.choice(forms).format(self._rng.randint(1, 9))

    def _money(self) -> str:
        rng = self._rng
        amount = rng.choice((rng.randint(1, 9), rng.randint(5, 60), rng.randint(20, 400)))
        return self._currency.format(f"{amount}{rng.choice(_PENCE) if amount < 60 else ''}")

    def _amount(self) -> str:
        rng = self._rng
        return rng.choice((str(rng.randint(1, 12)), str(rng.randint(1, 40)), rng.choice(_NUMBERS), "no limit"))

    def _duration(self) -> str:
        rng = self._rng
        return f"{rng.choice((str(rng.randint(2, 28)), rng.choice(_NUMBERS)))} {rng.choice(_UNITS)}"

    def _time(self, earliest: int, latest: int) -> str:
        hour, minutes = self._rng.randint(earliest, latest), self._rng.choice(("00", "00", "15", "30", "45"))
        of_twelve = f"{(hour - 1) % 12 + 1}{'' if minutes == '00' else f'.{minutes}'} {'am' if hour < 12 else 'pm'}"
        return (f"{hour:02}:{minutes}", f"{hour}.{minutes}", of_twelve)[self._time_form]

    def _date(self) -> str:
        rng, lists = self._rng, self._said["lists"]
        weekday, month, year = rng.choice(lists["days"]), rng.choice(lists["months"]), rng.randint(2019, 2027)
        return self._date_form.format(weekday=weekday, day=rng.randint(1, 28), month=month, year=year)

    def _person(self) -> str:
        first, last = (self._rng.choice(self._said["names"][name].split()) for name in ("first", "last"))
        return f"{self._rng.choice(('', '', 'Ms ', 'Mr ', 'Dr '))}{first} {last}"

    def _address(self) -> str:
        rng, places = self._rng, self._said["names"]["places"]
        words = (rng.choice(places[0].split()), rng.choice(self._said["lists"]["streets"]))
        return rng.choice(("{n} {} {}", "{} {} {n}", "{n} {} {}, {town}")).format(
            *words, n=rng.randint(1, 150), town=self._values["place"]()
        )

    def _phone(self) -> str:
        rng = self._rng
        return rng.choice(
            (f"0{rng.randint(1000, 9999)} {rng.randint(100000, 999999)}", f"extension {rng.randint(10, 99)}")
        )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
