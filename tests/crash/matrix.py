"""Many trials, shared out over the fault points."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

from index.store.faults import POINTS
from tests.crash.trial import run_trial
from tests.crash.writer import Writer

_AT_RANDOM = "at a random time"
# A killed process loses nothing that it handed to the operating system, on a disk or in memory.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
_MAX_DRAWS = 60
"""Of edits, until a writer comes to the point where it shall be killed."""


@dataclass(frozen=True, slots=True)
class Result:
    """A trial's row of the table, what it is known by, and what was wrong."""

    row: str
    name: str
    problems: tuple[str, ...]


def trials(n_trials: int, *, seed: str, point: str | None = None) -> Iterator[Result]:
    """Yield the results of so many trials: a fifth at random times, the others at each point in turn.

    Args:
        point: This one alone.
    """
    took_s = 0.1
    points = iter(_shares(n_trials, point))
    with Writer() as writer, tempfile.TemporaryDirectory(dir=IN_MEMORY, prefix="citespan-crash-") as folder:
        for number, chosen in enumerate(points):
            problems: tuple[str, ...] = ()
            for draw in count():
                name = f"{seed}/{chosen}/{number}/{draw}"
                home = Path(folder) / f"{number}-{draw}"
                home.mkdir()
                try:
                    outcome = run_trial(writer, home, point=chosen, after_s=0.8 * took_s, rng=Random(name))
                except Exception as error:  # noqa: BLE001 -- an index that cannot be opened is a result too
                    problems += (f"{type(error).__name__}: {error}",)
                    break
                problems += outcome.problems
                if outcome.was_killed:
                    break
                took_s += (outcome.took_s - took_s) / 10
                if draw == _MAX_DRAWS:
                    problems += ("the writer never came to this point",)
                    break
            yield Result(chosen or _AT_RANDOM, name, problems)


def _shares(n_trials: int, point: str | None) -> Iterator[str | None]:
    for number in range(n_trials):
        if point is not None:
            yield point
        elif number % 5 == 4:
            yield None
        else:
            yield POINTS[(number - number // 5) % len(POINTS)]


def table(results: Sequence[Result]) -> str:
    """Return trials and inconsistent ones for each place of killing, in Markdown."""
    lines = ["| killed | trials | inconsistent |", "|---|---|---|"]
    for row in (*POINTS, _AT_RANDOM):
        some = [result for result in results if result.row == row]
        if some:
            lines.append(f"| `{row}` | {len(some)} | {sum(bool(one.problems) for one in some)} |")
    n_bad = sum(bool(one.problems) for one in results)
    return "\n".join([*lines, f"| all | {len(results):,} | {n_bad} |"])
