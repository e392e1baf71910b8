"""Do answers stay whole, and how much longer do they take, while documents change all the time?

    python -m benchmarks.load [--clients 8] [--edits-per-minute 500] [--seconds 120]

Serves documents of two halves that name the same version, and watches them. Clients ask for both halves over HTTP,
first while nothing changes, then while documents are replaced at random, one after another. An answer is mixed where
two passages of one document name different versions. Exits with 1 if there was one, or an error.
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.ask import served

_SEED = 20261124
_N_DOCUMENTS = 40
_HALVES = ("first", "second")
_VERSION = re.compile(r"version (\d+)")
_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Phase:
    """What the clients saw; appended to by all of their threads.

    Attributes:
        n_compared: Answers in which both halves of a document were seen.
        index_versions: Those that answers were given from.
    """

    took_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    index_versions: set[int] = field(default_factory=set)
    n_compared: int = 0
    n_edits: int = 0


def write_document(folder: Path, number: int, version: int) -> None:
    """Replace a document in one step, as editors do: what is half written is not what is measured here."""
    halves = (f"# The {half} half\n\nThe {half} half of marker {number} is version {version}." for half in _HALVES)
    staged = folder / ".staged"
    staged.write_text("\n\n".join(halves), encoding="utf-8")
    staged.replace(folder / f"marker-{number}.md")


def disagreements(body: dict[str, Any]) -> tuple[list[str], bool]:
    """Return the documents whose passages name different versions, and whether two halves of one were seen."""
    versions: dict[str, list[str]] = defaultdict(list)
    for passage in body["passages"]:
        versions[passage["doc_id"]] += _VERSION.findall(passage["text"])
    mixed = [f"{doc_id}: versions {found}" for doc_id, found in versions.items() if len(set(found)) > 1]
    return mixed, any(len(found) > 1 for found in versions.values())


def ask_until(stopped: threading.Event, port: int, phase: Phase, seed: int) -> None:
    """Be one client: ask, check, ask again."""
    chance = random.Random(seed)
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    while not stopped.is_set():
        number = chance.randrange(_N_DOCUMENTS)
        question = f"Which version are the first half and the second half of marker {number}?"
        started = time.perf_counter()
        try:
            connection.request("GET", "/api/v1/ask?" + urlencode({"question": question, "k": 10}))
            response = connection.getresponse()
            body = json.loads(response.read())
        except (OSError, ValueError) as error:
            phase.errors.append(f"{type(error).__name__}: {error}")
            connection.close()
            continue
        phase.took_ms.append((time.perf_counter() - started) * 1000)
        if response.status != 200:
            phase.errors.append(f"{response.status}: {body}")
            continue
        mixed, is_compared = disagreements(body)
        phase.mixed += mixed
        phase.n_compared += is_compared
        phase.index_versions.add(body["index_version"])
    connection.close()


def run_phase(port: int, *, n_clients: int, seconds: float, edit: Callable[[], float] | None) -> Phase:
    """Let clients ask for some time.

    Args:
        edit: Changes a document and returns for how long to wait then; None to change nothing.
    """
    phase, stopped = Phase(), threading.Event()
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(n_clients) as clients:
        asking = [clients.submit(ask_until, stopped, port, phase, _SEED + seed) for seed in range(n_clients)]
        try:
            due = time.monotonic()
            while time.monotonic() < end:
                if edit is None:
                    due = end
                else:
                    due += edit()
                    phase.n_edits += 1
                time.sleep(max(0.0, due - time.monotonic()))
        finally:
            stopped.set()
        for one in asking:
            one.result()
    return phase


def print_phases(quiet: Phase, loaded: Phase) -> None:
    """Print both phases side by side, and how many times as long answers take."""
    table = Table("", "quiet", "while documents change", "times as long")
    counts: list[tuple[str, Callable[[Phase], int]]] = [
        ("questions", lambda phase: len(phase.took_ms)),
        ("edits", lambda phase: phase.n_edits),
        ("index versions that answered", lambda phase: len(phase.index_versions)),
        ("both halves seen", lambda phase: phase.n_compared),
        ("mixed", lambda phase: len(phase.mixed)),
        ("errors", lambda phase: len(phase.errors)),
    ]
    for name, q in (("median", 50), ("95th percentile", 95)):
        before, after = np.percentile(quiet.took_ms, q), np.percentile(loaded.took_ms, q)
        table.add_row(name, f"{before:.0f} ms", f"{after:.0f} ms", f"{after / before:.2f}")
    for name, count_of in counts:
        table.add_row(name, f"{count_of(quiet):,}", f"{count_of(loaded):,}")
    console = Console()
    console.print(table)
    for problem in [*quiet.errors, *loaded.errors, *quiet.mixed, *loaded.mixed][:10]:
        console.print(problem, markup=False)


@click.command()
@click.option("--clients", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--edits-per-minute", type=click.IntRange(min=1), default=500, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=1), default=120.0, show_default=True, help="Of each phase.")
def main(clients: int, edits_per_minute: int, seconds: float) -> None:
    """Ask while nothing changes, then while documents do."""
    chance, version = random.Random(_SEED), count(1)
    with tempfile.TemporaryDirectory(prefix="citespan-load-") as folder:
        documents = Path(folder) / "documents"
        documents.mkdir()
        for number in range(_N_DOCUMENTS):
            write_document(documents, number, 0)

        def edit() -> float:
            write_document(documents, chance.randrange(_N_DOCUMENTS), next(version))
            return 60 / edits_per_minute

        with served(Path(folder), "--watch") as (port, _):
            run_phase(port, n_clients=1, seconds=3, edit=None)  # loads the models
            quiet = run_phase(port, n_clients=clients, seconds=seconds, edit=None)
            loaded = run_phase(port, n_clients=clients, seconds=seconds, edit=edit)
    print_phases(quiet, loaded)
    sys.exit(bool(quiet.errors or loaded.errors or quiet.mixed or loaded.mixed))


if __name__ == "__main__":
    main()
