"""Does the cost of a change follow the change, and how soon is a saved file answered from?

    python -m benchmarks.scale changes [--documents 100000]
    python -m benchmarks.scale saves [--passages 20000]

`changes` makes a folder of notes of one to three sentences and an index of it. Then it changes one file at a time, and
times `update` in this process, `citespan index` in one of its own, and how long an open store takes to follow.

`saves` makes long documents and an index of them, serves them with --watch, and saves: small files that are new, edits
of them, edits that are renamed over them, as editors do, and sentences added to the long documents. It asks over HTTP
until the answer quotes what was saved.

Every document is a transaction that is synced: most of the time goes into making the 100,000, and in a TMPDIR in memory
it is minutes instead of a quarter of an hour.

What is indexed at first is not encoded, which would take half an hour: its vectors are random and pass for the embedded
encoder's. What is changed afterwards, and every question, is encoded by that.
"""

from __future__ import annotations

import http
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.ask import served
from benchmarks.derived import RandomEncoder, seconds
from index.encoder import EMBEDDED, Encoder, open_encoder
from index.store.embedded import EmbeddedStore
from index.update import update

_SEED = 20261124
_NOTES_PER_FOLDER = 500
_N_WORDS = 30_000
_N_PARAGRAPHS = 45
"""Of a long document. A paragraph of eight sentences is a passage, about."""

_LOOK_EVERY_S = 0.02
_PATIENCE_S = 60.0


class UnreadEncoder(RandomEncoder):
    """Vectors that mean nothing under the name of an encoder, with that one's tokens."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.fingerprint = encoder.fingerprint
        self.dimension = encoder.dimension
        self.max_tokens = encoder.max_tokens
        self._encoder = encoder

    def token_spans(self, text: str) -> NDArray[np.int64]:
        """Return the encoder's own."""
        return self._encoder.token_spans(text)


class Author:
    """Writes sentences of made-up words that are as unevenly frequent as those of a language."""

    def __init__(self) -> None:
        self.chance = random.Random(_SEED)
        self._words = [self.name() for _ in range(_N_WORDS)]
        # Zipf's law.
        self._weights = np.cumsum(1 / np.arange(1, _N_WORDS + 1)).tolist()

    def name(self) -> str:
        """Return a word of two to four syllables."""
        syllables = (self.chance.choice("bdfghklmnprstvw") + self.chance.choice("aeiou") for _ in range(4))
        return "".join(list(syllables)[: self.chance.randint(2, 4)])

    def sentence(self) -> str:
        """Return eight to 24 words."""
        words = self.chance.choices(self._words, cum_weights=self._weights, k=self.chance.randint(8, 24))
        return " ".join(words).capitalize() + "."

    def note(self) -> str:
        """Return one to three sentences."""
        return " ".join(self.sentence() for _ in range(self.chance.randint(1, 3)))

    def document(self) -> str:
        """Return paragraphs under a heading."""
        paragraphs = (" ".join(self.sentence() for _ in range(8)) for _ in range(_N_PARAGRAPHS))
        return "\n\n".join([f"# {self.name()}", *paragraphs])


@dataclass(frozen=True, slots=True)
class Collection:
    """A folder of documents and an index of them, below one folder."""

    folder: Path
    encoder: Encoder

    @property
    def documents(self) -> Path:
        return self.folder / "documents"

    @property
    def index(self) -> Path:
        return self.folder / "index"

    def update(self, encoder: Encoder | None = None) -> None:
        """Bring the index up to the documents in this process."""
        update(self.documents, self.index, encoder=encoder or self.encoder, encoder_name=EMBEDDED)

    def update_by_command(self) -> None:
        """Bring it up by the command line, in a process of its own."""
        arguments = ["index", "--documents", str(self.documents), "--index", str(self.index)]
        command = [sys.executable, "-c", "from qa.cli import citespan; citespan()", *arguments]
        subprocess.run(command, check=True, capture_output=True)


@contextmanager
def collection(texts: Iterable[tuple[str, str]]) -> Iterator[Collection]:
    """Yield a collection of texts by their paths, for as long as the context lasts."""
    encoder = open_encoder()
    encoder.encode_questions(["?"])  # loads it
    with tempfile.TemporaryDirectory(prefix="citespan-scale-") as folder:
        made = Collection(Path(folder), encoder)
        for name, text in texts:
            path = made.documents / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        time.sleep(2.5)  # a file that is younger is read again by the next update
        click.echo(f"indexed, not encoded, in {seconds(lambda: made.update(UnreadEncoder(encoder))):.0f} s", err=True)
        yield made


@click.group()
def main() -> None:
    """Measure what a change costs."""


@main.command()
@click.option("--documents", "n_documents", type=click.IntRange(min=1000), default=100_000, show_default=True)
@click.option("--trials", type=click.IntRange(1, 50), default=5, show_default=True, help="Of each change.")
def changes(n_documents: int, trials: int) -> None:
    """Change one file of many."""
    author = Author()
    names = [f"{n // _NOTES_PER_FOLDER:03}/{n}.txt" for n in range(n_documents)]
    with collection((name, author.note()) for name in names) as made:
        author.chance.shuffle(names)
        paths = (made.documents / name for name in names)
        steps: dict[str, Callable[[], object]] = {
            "nothing": lambda: None,
            "one file added": lambda: next(paths).with_suffix(".md").write_text(author.note(), encoding="utf-8"),
            "one file edited": lambda: next(paths).write_text(author.note(), encoding="utf-8"),
            "one file renamed": lambda: (path := next(paths)).rename(path.with_suffix(".md")),
            "one file deleted": lambda: next(paths).unlink(),
        }
        opened = [seconds(lambda: EmbeddedStore(made.index).close()) for _ in range(trials)]
        table = Table("what has changed", "update", "followed", "citespan index", title=f"{n_documents:,} documents")
        with closing(EmbeddedStore(made.index)) as store:
            for label, step in steps.items():
                took = [measured(made, store, step) for _ in range(trials)]
                table.add_row(label, *(f"{statistics.median(times):.2f} s" for times in zip(*took, strict=True)))
    Console().print(table, f"opened in {statistics.median(opened):.2f} s; medians of {trials}")


def measured(made: Collection, store: EmbeddedStore, step: Callable[[], object]) -> tuple[float, float, float]:
    """Return how long a change takes to update and to follow, and another one by the command."""
    step()
    updated_s, followed_s = seconds(made.update), seconds(store.refresh)
    step()
    by_command_s = seconds(made.update_by_command)
    store.refresh()
    return updated_s, followed_s, by_command_s


@main.command()
@click.option("--passages", "n_passages", type=click.IntRange(min=1000), default=20_000, show_default=True)
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Of each way to save.")
def saves(n_passages: int, trials: int) -> None:
    """Save files and ask for what they say."""
    author = Author()
    names = [f"{n}.md" for n in range(n_passages // _N_PARAGRAPHS)]
    with collection((name, author.document()) for name in names) as made:
        small = [made.documents / f"note-{n}.txt" for n in range(trials)]
        long = [made.documents / names[n * len(names) // trials] for n in range(trials)]
        table = Table("a save of", "median", "longest", title=f"{n_passages:,} passages, {trials} saves of each kind")
        with (
            served(made.folder, "--watch") as (port, _),
            closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection,
        ):
            until_answered(connection, author, (made.documents / "first.txt").write_text)
            for label, paths, save in (
                ("a small file that is new", small, Path.write_text),
                ("a small file, edited", small, Path.write_text),
                ("a small file, edited, by renaming", small, save_by_renaming),
                ("a long document with a sentence more", long, append),
            ):
                took = [until_answered(connection, author, partial(save, path)) for path in paths]
                table.add_row(label, f"{statistics.median(took):.2f} s", f"{max(took):.2f} s")
    Console().print(table)


def save_by_renaming(path: Path, text: str) -> None:
    """Write a file beside another and move it over that."""
    staged = path.with_name(".staged")
    staged.write_text(text, encoding="utf-8")
    staged.replace(path)


def append(path: Path, text: str) -> None:
    """Add a paragraph to a document."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(f"\n\n{text}\n")


def until_answered(connection: http.client.HTTPConnection, author: Author, save: Callable[[str], object]) -> float:
    """Save a fact that is new; return after how many seconds the answer to a question quotes it."""
    town, keeper = author.name().capitalize() + "haven", author.name().capitalize()
    question = {"question": f"Who keeps the lighthouse of {town}?", "min_confidence": 0}
    former = get(connection, "status", {})["index_version"]
    started = time.perf_counter()
    save(f"The lighthouse of {town} is kept by {keeper}, who was born there.")
    while (took_s := time.perf_counter() - started) < _PATIENCE_S:
        # Asked again and again, the models would take the cores that the update is to have.
        if get(connection, "status", {})["index_version"] == former:
            time.sleep(_LOOK_EVERY_S)
        elif any(keeper in answer["text"] for answer in get(connection, "ask", question)["answers"]):
            return time.perf_counter() - started
    raise click.ClickException(f"{keeper} of {town} was not answered in {took_s:.0f} s")


def get(connection: http.client.HTTPConnection, route: str, parameters: dict[str, object]) -> dict[str, Any]:
    """Return what a route of the API answers."""
    connection.request("GET", f"/api/v1/{route}?{urlencode(parameters)}")
    response = connection.getresponse()
    body: dict[str, Any] = json.loads(response.read())
    if response.status != http.HTTPStatus.OK:
        raise click.ClickException(f"the service answered {response.status}: {body}")
    return body


if __name__ == "__main__":
    main()
