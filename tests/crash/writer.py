"""A process that writes indexes and is killed while it does.

It forks for each order that it reads, so that imports are paid for once; an order is a line of JSON. The fork
is the writer: it edits, updates and rebuilds, notes in a journal what it is at, and is killed by itself at a
fault point or by its parent after some time. The answer is a line with its exit status and how long it took.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import index.update as index_update
from index.errors import NoPreviousIndex
from index.rollback import prune, roll_back
from index.store import faults
from index.store.database import Database
from index.store.folder import current_database
from tests.crash.edits import Edit, carry_out, root_of
from tests.standins import ENCODERS, HashingEncoder, update_with

ANYWHERE = "*"

_ROOT = Path(__file__).parent.parent.parent


class Round(NamedTuple):
    """Edits, and what is done to the index after them: one of `tests.crash.trial.COMMANDS`."""

    edits: Sequence[Edit]
    command: str


@dataclass(frozen=True, slots=True)
class Order:
    """A life of a writer.

    Attributes:
        home: Holds documents, index and journal.
        point: Where it is killed, when it comes there for the nth time; `ANYWHERE` counts all of them.
        after_s: When it is killed if not at a point; None for not at all.
        settled_after_ns: How old a file has to be for its stamp to be relied on.
        group: Passages encoded together.
        encoder: The name of one of the stand-ins.
    """

    home: str
    rounds: Sequence[Round]
    point: str | None = None
    nth: int = 1
    after_s: float | None = None
    settled_after_ns: int = 2 * 10**9
    group: int = 128
    encoder: str = "hashing"


@dataclass(frozen=True, slots=True)
class End:
    """How a writer ended: its exit status, negative for a signal, and how long it lived."""

    status: int
    took_s: float

    @property
    def was_killed(self) -> bool:
        return self.status == -signal.SIGKILL


class Writer:
    """The process, for the length of a context."""

    def __enter__(self) -> Self:
        # The fork must not inherit threads, and numpy's arithmetic starts some.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.writer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env=environment,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with self._process:  # closes the pipes, at which it ends, and waits
            pass

    def live(self, order: Order) -> End:
        """Have a life lived to its end."""
        (Path(order.home) / "journal").write_text("")
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return End(*json.loads(self._process.stdout.readline()))


def read_journal(home: Path) -> list[list[str]]:
    """Return what the last writer noted, line by line in words."""
    return [line.split() for line in (home / "journal").read_text().splitlines()]


def _serve() -> None:
    for line in sys.stdin:
        order = Order(**json.loads(line))
        started = time.monotonic()
        writer = os.fork()
        if writer == 0:
            _live_and_exit(order)
        if order.after_s is not None:
            time.sleep(order.after_s)
            os.kill(writer, signal.SIGKILL)
        _, status = os.waitpid(writer, 0)
        end = End(os.waitstatus_to_exitcode(status), time.monotonic() - started)
        print(json.dumps([end.status, end.took_s]), flush=True)


def _live_and_exit(order: Order) -> None:
    status = 1
    try:
        _live(order)
        status = 0
    except BaseException:  # noqa: BLE001 -- the end of a process
        traceback.print_exc()
    finally:
        os._exit(status)


def _live(order: Order) -> None:
    home = Path(order.home)
    index_update._SETTLED_AFTER_NS = order.settled_after_ns
    index_update._GROUP = order.group
    if order.point:
        faults.arm(_killing(order.point, order.nth))
    with _journal(home) as note:
        for number, (edits, command) in enumerate(order.rounds):
            note("editing", number)
            for edit in edits:
                carry_out(edit, home)
            note("writing", number)
            _carry_out_command(command, home, ENCODERS[order.encoder])
            with closing(Database(current_database(home / "index"))) as database:
                note("done", number, database.index_version)


def _carry_out_command(command: str, home: Path, encoder: HashingEncoder) -> None:
    folder = home / "index"
    match command:
        case "checkpoint":
            with closing(Database(current_database(folder))) as database:
                database.checkpoint()
        case "rollback":
            with suppress(NoPreviousIndex):
                roll_back(folder)
        case "prune":
            prune(folder)
        case _:
            update_with(encoder, root_of(home), folder, rebuild=command == "rebuild")


def _killing(point: str, nth: int) -> Callable[[str], None]:
    n_left = nth

    def hook(reached: str) -> None:
        nonlocal n_left
        if point in (reached, ANYWHERE):
            n_left -= 1
            if n_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


@contextmanager
def _journal(home: Path) -> Iterator[Callable[..., int]]:
    # Written by the operating system at once, so that what was noted is not lost with the process.
    descriptor = os.open(home / "journal", os.O_WRONLY | os.O_APPEND)
    try:
        yield lambda *words: os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    _serve()
