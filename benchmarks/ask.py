"""How long does an answer take, and where does the time go?

    python -m benchmarks.ask QUESTIONS COLLECTION [--n 200] [--k 5]

Starts the service on the index that `python -m qa.evaluation open` leaves in COLLECTION, and asks the answerable
ones of QUESTIONS (SQuAD's form), all different, over HTTP, one after another; then it searches for them. Prints the
time from the start of the process to its first answer, and for each stage the median, the 95th and the 99th
percentile. Then, in one process and by turns, the same passages are read by the compiled model and by torch in float32.
"""

from __future__ import annotations

import http
import http.client
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from index.records import Filter
from qa.composition import open_engine
from qa.evaluation.datasets import read_squad
from qa.readers import embedded_folder, open_reader
from qa.requests import Request
from qa.settings import settings_from
from qa.span_reader import SpanReader
from qa.transformers_model import TransformersSpanModel

_SEED = 20261124
_N_INTERLEAVED = 40
_PATIENCE_S = 120.0
_SEARCH_K = 10


@contextmanager
def served(collection: Path, *flags: str) -> Iterator[tuple[int, float]]:
    """Serve a collection's documents with its index; yield the port and when the process was started."""
    arguments = ["--documents", str(collection / "documents"), "--index", str(collection / "index"), "--port", "0"]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "serve.py", *arguments, *flags], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "http://" in line:
                yield int(line.split(":")[2].split()[0]), started
                return
        raise click.ClickException("the service ended before it answered")
    finally:
        process.terminate()
        process.wait()


def ask(
    connection: http.client.HTTPConnection, question: str, k: int, *, route: str = "ask", name: str = "question"
) -> tuple[float, dict[str, float]]:
    """Return how long a question took over HTTP, and by stage, in milliseconds."""
    started = time.perf_counter()
    connection.request("GET", f"/api/v1/{route}?" + urlencode({name: question, "k": k}))
    response = connection.getresponse()
    body = json.loads(response.read())
    if response.status != http.HTTPStatus.OK:
        raise click.ClickException(f"the service answered {response.status}: {body}")
    return (time.perf_counter() - started) * 1000, body["took_ms"]


def over_http(questions: Sequence[str], collection: Path, k: int) -> None:
    """Print the time to the first answer, and those of the questions after it, asked and then searched, by stage."""
    asked: dict[str, list[float]] = {}
    searched: dict[str, list[float]] = {}
    with (
        served(collection) as (port, started),
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection,
    ):
        ask(connection, questions[0], k)
        first_s = time.perf_counter() - started
        for took, route, name, n in ((asked, "ask", "question", k), (searched, "search", "query", _SEARCH_K)):
            for question in track(questions[1:], f"{route} …", console=Console(stderr=True)):
                whole, stages = ask(connection, question, n, route=route, name=name)
                for stage, ms in {**stages, "over HTTP": whole}.items():
                    took.setdefault(stage, []).append(ms)
    for title, took in ((f"asked, {k} passages read", asked), (f"searched for {_SEARCH_K} passages", searched)):
        table = Table("stage", "p50 ms", "p95 ms", "p99 ms", title=f"{len(questions) - 1} questions {title}")
        for stage, values in took.items():
            table.add_row(stage, *(f"{np.percentile(values, q):.1f}" for q in (50, 95, 99)))
        Console().print(table)
    Console().print(f"start of the process to its first answer: {first_s:.2f} s")


def by_turns(questions: Sequence[str], collection: Path, k: int) -> None:
    """Print how long the compiled model and torch take to read the same passages."""
    settings = settings_from({"documents": collection / "documents", "index": collection / "index"})
    compiled = open_reader()
    reference = SpanReader(
        "torch", TransformersSpanModel(embedded_folder()), compiled.maker, calibration=compiled.calibration
    )
    took: dict[str, list[float]] = {"compiled": [], "torch float32": []}
    with closing(open_engine(settings)) as engine:
        found = [engine.search(Request(question, k, Filter())).hits for question in questions[:_N_INTERLEAVED]]
    for reader in (compiled, reference):
        reader.read(questions[0], [hit.passage for hit in found[0]])
    for question, hits in zip(questions, found, strict=False):
        for name, reader in (("compiled", compiled), ("torch float32", reference)):
            started = time.perf_counter()
            reader.read(question, [hit.passage for hit in hits])
            took[name].append((time.perf_counter() - started) * 1000)
    table = Table("reader", "p50 ms", "p99 ms", title=f"the same {k} passages of {len(found)} questions, by turns")
    for name, values in took.items():
        table.add_row(name, *(f"{np.percentile(values, q):.1f}" for q in (50, 99)))
    ratio = np.median(np.array(took["torch float32"]) / np.array(took["compiled"]))
    Console().print(table, f"torch takes {ratio:.2f} times as long (median of the ratios)")


@click.command()
@click.argument("questions_file", type=click.Path(exists=True, path_type=Path))
@click.argument("collection", type=click.Path(exists=True, path_type=Path))
@click.option("--n", default=200, show_default=True, help="Questions.")
@click.option("--k", default=5, show_default=True, help="Passages that are read for each.")
def main(questions_file: Path, collection: Path, n: int, k: int) -> None:
    """Measure the service on an index that is there."""
    asked = sorted({question.text.strip() for question in read_squad(questions_file) if question.is_answerable})
    questions = random.Random(_SEED).sample(asked, min(n + 1, len(asked)))
    over_http(questions, collection, k)
    by_turns(questions, collection, k)


if __name__ == "__main__":
    main()
