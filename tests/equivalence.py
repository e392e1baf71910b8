"""All that an index says, and in what two of them differ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from index.collection import Failure
from index.encoder import Vectors
from index.records import Document, Filter, Passage, Ranked
from index.store.embedded import EmbeddedStore, Generation
from tests.standins import HashingEncoder

QUERIES = ("when did the bridge open", "iron tower", "same words", "marker of the first half", "king 42")

_K = 20


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """All that one version of an index says.

    Attributes:
        passages: In the order of their documents and places.
        vectors: (n, dimension), one per passage.
        rankings: Of each query the first 20 by meaning, and the first 20 by words.
    """

    documents: tuple[Document, ...]
    passages: tuple[Passage, ...]
    vectors: Vectors
    failures: tuple[Failure, ...]
    rankings: tuple[tuple[Ranked, ...], ...]


def seen(folder: Path, encoder: HashingEncoder) -> Seen:
    """Return what an index says to one that opens it now."""
    with closing(EmbeddedStore(folder)) as store, store.snapshot() as snapshot:
        return seen_in(snapshot, encoder)


def seen_in(snapshot: Generation, encoder: HashingEncoder) -> Seen:
    """Return what an index says to one that has it open."""
    database = snapshot._database
    last = database.last_passage_id()
    passages = list(database.passages_between(1, last))
    ids, vectors = database.vectors_between(1, last)
    assert ids.tolist() == [passage.passage_id for passage in passages]
    order = sorted(range(len(passages)), key=lambda at: (passages[at].doc_id, passages[at].span))
    rankings = []
    for query, vector in zip(QUERIES, encoder.encode_questions(QUERIES), strict=True):
        rankings += [snapshot.dense(vector, _K, Filter()), snapshot.lexical(query, _K, Filter())]
    return Seen(
        tuple(snapshot.document(summary.doc_id) for summary in snapshot.summaries()),
        tuple(passages[at] for at in order),
        vectors[order],
        tuple(snapshot.failures()),
        tuple(map(tuple, rankings)),
    )


def differences(found: Seen, wanted: Seen, *, to_the_bit: bool = False) -> list[str]:
    """Return in what an index is not another one.

    Args:
        to_the_bit: Ids of passages have to be the same too, and numbers without tolerance.
    """
    return list(_differences(found, wanted, to_the_bit=to_the_bit))


def _differences(found: Seen, wanted: Seen, *, to_the_bit: bool) -> Iterator[str]:
    if found.documents != wanted.documents:
        ours, theirs = ({document.doc_id: document for document in one.documents} for one in (found, wanted))
        names = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
        yield f"other documents: {names}"
    if _passages(found, with_ids=to_the_bit) != _passages(wanted, with_ids=to_the_bit):
        yield "other passages"
    elif not _are_near(found.vectors, wanted.vectors, 0 if to_the_bit else 1e-6):
        yield "other vectors"
    if found.failures != wanted.failures:
        yield f"other failures: {set(found.failures) ^ set(wanted.failures)}"
    if [_places(found, ranking) for ranking in found.rankings] != [
        _places(wanted, ranking) for ranking in wanted.rankings
    ]:
        yield "other rankings"
    elif not _are_near(_scores(found), _scores(wanted), 0 if to_the_bit else 1e-5):
        yield "other scores"


def _passages(one: Seen, *, with_ids: bool) -> list[Passage]:
    return [passage if with_ids else replace(passage, passage_id=0) for passage in one.passages]


def _places(one: Seen, ranking: tuple[Ranked, ...]) -> list[tuple[str, int]]:
    passages = {passage.passage_id: passage for passage in one.passages}
    return [(passages[entry.passage_id].doc_id, passages[entry.passage_id].span.start) for entry in ranking]


def _scores(one: Seen) -> Vectors:
    return np.array([entry.score for ranking in one.rankings for entry in ranking], dtype=np.float32)


def _are_near(ours: Vectors, theirs: Vectors, tolerance: float) -> bool:
    return ours.shape == theirs.shape and bool(np.allclose(ours, theirs, rtol=0, atol=tolerance))
