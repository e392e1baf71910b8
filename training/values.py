"""Values that a house's notices name: money, times, dates, people, weights."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

_NUMBERS = "two three four five six seven eight nine ten twelve fifteen twenty thirty forty".split()
_UNITS = ("minutes", "hours", "days", "working days", "weeks", "months", "years")
_PENCE = ("", "", ".00", ".20", ".50", ".75", ".90")
_CURRENCIES = ("£{}", "£{}", "£{}", "GBP {}", "€{}", "€ {}", "{} euros", "${}")


class Values:
    """Makes values by chance, all of a kind as one house writes them."""

    def __init__(self, said: Mapping[str, Any], rng: random.Random, *, place: str) -> None:
        """Choose how the house writes.

        Args:
            said: What `everyday.toml` holds.
            place: Where the house is.
        """
        self._said, self._rng, self._place = said, rng, place
        self._currency = rng.choice(_CURRENCIES)
        self._time_form, self._date_form = rng.randrange(3), str(rng.choice(said["lists"]["date_forms"]))
        self._makers: dict[str, Callable[[], str]] = {
            "money": self._money,
            "amount": self._amount,
            "duration": self._duration,
            "time": lambda: self.time(6, 22),
            "date": self._date,
            "day": lambda: str(rng.choice(said["lists"]["days"])),
            "number": lambda: rng.choice((str(rng.randint(3, 99)), str(rng.randint(20, 900)), rng.choice(_NUMBERS))),
            "year": lambda: str(rng.randint(1850, 2021)),
            "person": self._person,
            "telephone": self._telephone,
            "phone": lambda: rng.choice((self._telephone(), f"extension {rng.randint(10, 99)}")),
            "email": self._email,
            "address": self._address,
            "place": lambda: self._word("places", 0) + self._word("places", 1),
            "code": self._one_of("A{}", "B0{}", "K1{}", "T-{}07"),
            "weight": self._one_of("{}50 g", "{}00 g", "{}.5 kg", "{} kg"),
            "length": self._one_of("{} m", "{}.5 m", "{}20 cm"),
            "volume": self._one_of("{}50 ml", "{}.5 l", "{} litres"),
            "height": self._one_of("{}0 cm", "{}5 cm", "1.{} m"),
            **{
                unit: self._one_of(f"{{}} {unit}", f"1{{}} {unit}", f"{{}}50 {unit}") for unit in said["lists"]["units"]
            },
        }

    def of(self, kind: str) -> str:
        """Return a value of a kind: its name, one of the lists' units, or what there is to choose from, as "a|b"."""
        return self._rng.choice(kind.split("|")) if "|" in kind else self._makers[kind]()

    def time(self, earliest: int, latest: int) -> str:
        """Return a time of day, between two hours."""
        hour, minutes = self._rng.randint(earliest, latest), self._rng.choice(("00", "00", "15", "30", "45"))
        of_twelve = f"{(hour - 1) % 12 + 1}{'' if minutes == '00' else f'.{minutes}'} {'am' if hour < 12 else 'pm'}"
        return (f"{hour:02}:{minutes}", f"{hour}.{minutes}", of_twelve)[self._time_form]

    def _one_of(self, *forms: str) -> Callable[[], str]:
        """Return what chooses a form and fills in a digit."""
        return lambda: self._rng.choice(forms).format(self._rng.randint(1, 9))

    def _word(self, kind: str, part: int) -> str:
        """Return a word of one of the lists that names are made of."""
        return str(self._rng.choice(self._said["names"][kind][part].split()))

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

    def _date(self) -> str:
        rng, lists = self._rng, self._said["lists"]
        weekday, month, year = rng.choice(lists["days"]), rng.choice(lists["months"]), rng.randint(2019, 2027)
        return self._date_form.format(weekday=weekday, day=rng.randint(1, 28), month=month, year=year)

    def _person(self) -> str:
        return f"{self._rng.choice(('', '', 'Ms ', 'Mr ', 'Dr '))}{self._word('people', 0)} {self._word('people', 1)}"

    def _email(self) -> str:
        return f"{self._word('people', 1).lower()}@{self._place.lower()}.example"

    def _address(self) -> str:
        rng = self._rng
        street = f"{self._word('places', 0)} {rng.choice(self._said['lists']['streets'])}"
        number, town = rng.randint(1, 150), self.of("place")
        return rng.choice((f"{number} {street}", f"{street} {number}", f"{number} {street}, {town}"))

    def _telephone(self) -> str:
        return f"0{self._rng.randint(1000, 9999)} {self._rng.randint(100000, 999999)}"
