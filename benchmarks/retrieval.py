"""What each choice of retrieval brings: the rows of docs/retrieval.md.

    python -m benchmarks.retrieval FOLDER --split train [--collection var/eval/NAME]

Searches the index that `citespan eval FOLDER` leaves, for the queries of a folder in BEIR's form, with one choice after
another changed, and prints nDCG@10, R@5 and R@20 of the documents. Nothing is encoded but the queries. Then it makes
queries of other kinds from the passages themselves, and prints how often the passage comes first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from unittest.mock import patch

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from index.encoder import Encoder, open_encoder
from index.records import Filter, Passage, Ranked
from index.retriever import CANDIDATES, Run, fuse
from index.sentences import sentence_spans
from index.store import words
from index.store.embedded import EmbeddedStore
from index.store.protocol import Snapshot
from qa.evaluation.judged import Judged, corpus_id_of, read_beir
from qa.evaluation.ranking import DEPTH, measure_rankings

_DEEPEST = 300
_N_OF_A_KIND = 300
_SEED = 20261124
_WORD = re.compile(r"\w+")
_OF_KINDS = ("meaning alone", "words alone", "reciprocal ranks, k = 60", "standard scores (the default)")
_SHOWN = ("nDCG@10", "R@5", "R@20")

Scores: TypeAlias = NDArray[np.float64]
Fusion: TypeAlias = Callable[[Sequence[Ranked], Sequence[Ranked]], list[Ranked]]
"""Rankings by meaning and by words to one."""


def standard(dense: Sequence[Ranked], lexical: Sequence[Ranked], depth: int = CANDIDATES) -> list[Ranked]:
    """Fuse as the service does."""
    return fuse([Run.of(dense[:depth], depth=depth), Run.of(lexical[:depth], depth=depth)])


def reciprocal(dense: Sequence[Ranked], lexical: Sequence[Ranked], k: int) -> list[Ranked]:
    """Fuse by reciprocal ranks (Cormack et al. 2009), 100 deep."""
    total: dict[int, float] = {}
    for ranking in (dense[:100], lexical[:100]):
        for rank, entry in enumerate(ranking, start=1):
            total[entry.passage_id] = total.get(entry.passage_id, 0.0) + 1 / (k + rank)
    return _best_first(total)


def weighted(
    dense: Sequence[Ranked], lexical: Sequence[Ranked], of_meaning: float, scale: Callable[[Scores], Scores]
) -> list[Ranked]:
    """Fuse scaled scores with a weight for meaning, from 0 to 1."""
    runs = [Run.of(ranking[:CANDIDATES], depth=CANDIDATES) for ranking in (dense, lexical)]
    ids = list(dict.fromkeys(entry.passage_id for run in runs for entry in run.ranking))
    total = np.zeros(len(ids))
    for run, weight in zip(runs, (of_meaning, 1 - of_meaning), strict=True):
        found = {entry.passage_id: entry.score for entry in run.ranking}
        total += weight * scale(np.array([found.get(one, run.floor) for one in ids]))
    return _best_first(dict(zip(ids, map(float, total), strict=True)))


def by_deviation(scores: Scores) -> Scores:
    """Return scores in standard deviations from their mean."""
    spread = float(scores.std()) or 1.0
    return np.asarray((scores - scores.mean()) / spread)


def by_range(scores: Scores) -> Scores:
    """Return scores from 0 to 1."""
    width = float(np.ptp(scores)) or 1.0
    return np.asarray((scores - scores.min()) / width)


def _best_first(total: Mapping[int, float]) -> list[Ranked]:
    return [Ranked(one, score) for one, score in sorted(total.items(), key=lambda item: (-item[1], item[0]))]


@contextmanager
def bm25(*, context: float | None = None, repetition: float | None = None) -> Iterator[None]:
    """Search by words otherwise for as long as the context lasts."""
    fields = {"context": words.FIELDS["context"] if context is None else context}
    repeated = words.REPETITION if repetition is None else repetition
    with patch.dict(words.FIELDS, fields), patch.object(words, "REPETITION", repeated):
        yield


def one_words(passages: Sequence[Passage]) -> list[str]:
    """Return for each passage a word that no other has, such as a name or a code; "" where it has none."""
    texts = [words.content_words(passage.text) for passage in passages]
    n_passages = Counter(word for found in texts for word in found)
    plain = [
        {word: next(iter(words.content_words(word)), "") for word in _WORD.findall(some.text)} for some in passages
    ]
    return [next((word for word, stem in found.items() if n_passages[stem] == 1), "") for found in plain]


def longest_sentences(passages: Sequence[Passage]) -> list[str]:
    """Return the longest sentence of each passage, "" where it has none."""
    return [
        max((span.of(some.text) for span in sentence_spans(some.text)), key=len, default="")[:300] for some in passages
    ]


def titles(passages: Sequence[Passage]) -> list[str]:
    """Return the title of each passage's document."""
    return [passage.title for passage in passages]


KINDS: Mapping[str, Callable[[Sequence[Passage]], list[str]]] = {
    "a word of this passage alone": one_words,
    "its document's title": titles,
    "its longest sentence": longest_sentences,
}


def of_kinds(snapshot: Snapshot, encoder: Encoder) -> Table:
    """Return how often a passage, or its document, comes first for queries made from it."""
    passages = list(snapshot.passages(range(1, snapshot.counts().n_passages + 1)).values())
    chosen = np.random.default_rng(_SEED).choice(len(passages), min(_N_OF_A_KIND, len(passages)), replace=False)
    fusions = {name: FUSIONS[name] for name in _OF_KINDS}
    table = Table("query", "n", *fusions, title="documents that come first for queries made from a passage")
    for kind, make in KINDS.items():
        queries = make(passages)
        asked = [(queries[n], passages[n].doc_id) for n in chosen if queries[n]]
        vectors = encoder.encode_questions([query for query, _ in asked])
        n_first = Counter[str]()
        for (query, doc_id), vector in zip(asked, vectors, strict=True):
            both = snapshot.dense(vector, _DEEPEST, Filter()), snapshot.lexical(query, _DEEPEST, Filter())
            for name, fusion in fusions.items():
                ranking = fusion(*both)
                if ranking:
                    first = ranking[0].passage_id
                    n_first[name] += snapshot.passages([first])[first].doc_id == doc_id
        table.add_row(kind, f"{len(asked)}", *(f"{n_first[name] / len(asked):.3f}" for name in fusions))
    return table


@dataclass(frozen=True, slots=True)
class Asked:
    """Judged queries, encoded."""

    judged: Judged
    vectors: Mapping[str, NDArray[np.float32]]

    def rankings(self, snapshot: Snapshot) -> dict[str, tuple[list[Ranked], list[Ranked]]]:
        """Return both rankings of each query."""
        return {
            one: (
                snapshot.dense(self.vectors[one], _DEEPEST, Filter()),
                snapshot.lexical(query, _DEEPEST, Filter()),
            )
            for one, query in track(self.judged.queries.items(), console=Console(stderr=True), transient=True)
        }

    def measure(self, snapshot: Snapshot, ranked: Mapping[str, Sequence[Ranked]]) -> list[str]:
        """Return the measures of a ranking of passages for each query, as they are shown."""
        documents = {}
        for one, ranking in ranked.items():
            passages = snapshot.passages([entry.passage_id for entry in ranking])
            ids = dict.fromkeys(corpus_id_of(passages[entry.passage_id].doc_id) for entry in ranking)
            documents[one] = list(ids)[:DEPTH]
        found = measure_rankings(documents, self.judged.qrels)
        return [f"{np.mean(list(found[name].values())):.4f}" for name in _SHOWN]


FUSIONS: Mapping[str, Fusion] = {
    "meaning alone": lambda dense, _lexical: list(dense),
    "words alone": lambda _dense, lexical: list(lexical),
    "standard scores (the default)": standard,
    "standard scores, 100 deep": lambda dense, lexical: standard(dense, lexical, 100),
    "standard scores, 300 deep": lambda dense, lexical: standard(dense, lexical, 300),
    **{
        f"standard scores, meaning {share}": lambda dense, lexical, share=share: weighted(  # type: ignore[misc]  # mypy takes the default for no Fusion
            dense, lexical, share, by_deviation
        )
        for share in (0.4, 0.6)
    },
    **{
        f"scores from 0 to 1, meaning {share}": lambda dense, lexical, share=share: weighted(  # type: ignore[misc]
            dense, lexical, share, by_range
        )
        for share in (0.4, 0.5, 0.6)
    },
    **{
        f"reciprocal ranks, k = {k}": lambda dense, lexical, k=k: reciprocal(dense, lexical, k)  # type: ignore[misc]
        for k in (5, 20, 60)
    },
}
WORDS = {
    **{f"BM25, context {weight}": {"context": weight} for weight in (0.1, 0.5, 1.0)},
    **{f"BM25, repeated words k3 = {k3:g}": {"repetition": k3} for k3 in (0.0, 1.0, 8.0, 1000.0)},
}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--split", default="test", show_default=True, help="Which judgements.")
@click.option("--collection", type=click.Path(path_type=Path), help="Where `citespan eval` left the index.")
def main(folder: Path, split: str, collection: Path | None) -> None:
    """Print a row for each choice."""
    place = collection or Path("var/eval") / folder.resolve().name
    judged = read_beir(folder, split)
    encoder = open_encoder()
    vectors = encoder.encode_questions(list(judged.queries.values()))
    asked = Asked(judged, dict(zip(judged.queries, vectors, strict=True)))
    table = Table("choice", *_SHOWN, title=f"{folder.name} {split}, {len(judged.queries)} queries")
    with closing(EmbeddedStore(place / "index")) as store, store.snapshot() as snapshot:
        found = asked.rankings(snapshot)
        for name, fusion in FUSIONS.items():
            table.add_row(name, *asked.measure(snapshot, {one: fusion(*both) for one, both in found.items()}))
        for name, choice in WORDS.items():
            with bm25(**choice):
                again = asked.rankings(snapshot)
            table.add_row(name, *asked.measure(snapshot, {one: standard(*both) for one, both in again.items()}))
            lexical = {one: both[1] for one, both in again.items()}
            table.add_row(f"{name}, words alone", *asked.measure(snapshot, lexical))
        Console().print(table, of_kinds(snapshot, encoder))


if __name__ == "__main__":
    main()
