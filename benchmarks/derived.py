"""How long do the derived indexes take to build, to catch up and to search?

    python -m benchmarks.derived DATA [--copies 1]

Wikipedia articles (DATA/squad1-articles) as Markdown documents, several copies under different
titles for larger collections. Vectors are random, for only their number matters here.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from index.encoder import Vectors
from index.records import Filter
from index.store.embedded import EmbeddedStore
from index.update import update
from qa.evaluation.datasets import read_articles, title_of, write_articles

_WORD = re.compile(r"\w+|[^\w\s]")
_QUERIES = 200


class RandomEncoder:
    """Unit vectors that mean nothing."""

    fingerprint = "random"
    dimension = 384
    max_tokens = 254

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    def token_spans(self, text: str) -> NDArray[np.int64]:
        """Return words and marks, about as many as word pieces."""
        return np.array([match.span() for match in _WORD.finditer(text)], dtype=np.int64).reshape(-1, 2)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return random rows."""
        rows = self._random.normal(size=(len(texts), self.dimension))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows.astype(np.float32)

    encode_questions = encode_passages


def seconds(step: Callable[[], object]) -> float:
    """Return how long a step takes."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--copies", default=1, show_default=True, help="How often the articles are taken.")
def main(data: Path, copies: int) -> None:
    """Print build, refresh and search times."""
    encoder = RandomEncoder()
    articles = read_articles(data / "squad1-articles" / "articles.tar.gz")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents = folder / "documents"
        for number in range(copies):
            write_articles({f"{title} {number}": text for title, text in articles.items()}, documents / str(number))

        def bring_up() -> None:
            update(documents, folder / "index", encoder=encoder, encoder_name="random")

        click.echo(f"update, everything new, without encoding  {seconds(bring_up):8.2f} s")
        click.echo(f"update, nothing new                       {seconds(bring_up):8.3f} s")
        opened = time.perf_counter()
        with closing(EmbeddedStore(folder / "index")) as store:
            click.echo(f"open, searchable                          {time.perf_counter() - opened:8.2f} s")
            (documents / "new.md").write_text("# New\n\nA document is added.")
            bring_up()
            click.echo(f"refresh after an addition                 {seconds(store.refresh):8.3f} s")
            (documents / "new.md").write_text("# New\n\nA document is edited.")
            click.echo(f"update, one document edited               {seconds(bring_up):8.3f} s")
            click.echo(f"refresh after an edit                     {seconds(store.refresh):8.3f} s")
            measure_searches(store, encoder, [title_of(name) for name in articles])


def measure_searches(store: EmbeddedStore, encoder: RandomEncoder, titles: Sequence[str]) -> None:
    """Print the median of both searches, 100 deep, with and without a filter."""
    with store.snapshot() as snapshot:
        counts = snapshot.counts()
        click.echo(f"{counts.n_documents:,} documents, {counts.n_passages:,} passages")
        vectors = encoder.encode_questions([""] * _QUERIES)
        queries = [f"When did the history of {titles[n % len(titles)]} begin?" for n in range(_QUERIES)]
        for label, restriction in (("", Filter()), (", below a folder", Filter(paths=("0",)))):
            dense = [seconds(partial(snapshot.dense, vector, 100, restriction)) for vector in vectors]
            lexical = [seconds(partial(snapshot.lexical, query, 100, restriction)) for query in queries]
            click.echo(f"dense{label}, median    {statistics.median(dense) * 1000:8.2f} ms")
            click.echo(f"lexical{label}, median  {statistics.median(lexical) * 1000:8.2f} ms")


if __name__ == "__main__":
    main()
