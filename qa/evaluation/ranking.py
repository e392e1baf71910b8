"""How good rankings of documents are, by the field's measures. Nothing else imports ir_measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import ir_measures
from ir_measures import AP, RR, R, nDCG

from index.records import Hit

DEPTH = 100
"""Documents of a ranking that are looked at."""
MAIN = "nDCG@10"
_MEASURES = {MAIN: nDCG @ 10, "R@5": R @ 5, "R@20": R @ 20, "R@100": R @ 100, "MRR@10": RR @ 10, "MAP": AP @ DEPTH}

Values = Mapping[str, Mapping[str, float]]
"""By measure, of each query by its id."""


def documents_of(hits: Iterable[Hit]) -> list[str]:
    """Return the documents of passages, each where its best passage is, at most `DEPTH`."""
    return list(dict.fromkeys(hit.passage.doc_id for hit in hits))[:DEPTH]


def measure_rankings(rankings: Mapping[str, Sequence[str]], qrels: Mapping[str, Mapping[str, int]]) -> Values:
    """Return the measures of rankings of documents, best first, by query.

    Args:
        qrels: By query, grades of documents by their ids. Every query counts, also one without a ranking.
    """
    run = {
        query: {document: 1 / rank for rank, document in enumerate(ranking, start=1)}
        for query, ranking in rankings.items()
    }
    names = {measure: name for name, measure in _MEASURES.items()}
    found: dict[str, dict[str, float]] = {name: {} for name in _MEASURES}
    judgements = {query: dict(grades) for query, grades in qrels.items()}
    for metric in ir_measures.iter_calc(list(_MEASURES.values()), judgements, run):
        found[names[metric.measure]][metric.query_id] = float(metric.value)
    return found
