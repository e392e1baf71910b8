"""Passages by meaning: exact inner products, by FAISS. Nothing else imports faiss.

Derived from the truth and never written to disk, so no file of it can be stale or damaged
(docs/decisions/0004-derived-indexes-in-memory.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from index.encoder import Vectors
from index.records import Ranked

IDs: TypeAlias = NDArray[np.int64]
"""(n,) passage ids."""

Order = Callable[[Sequence[int]], dict[int, Any]]
"""Passage ids to sort keys, for passages of equal score."""


class VectorIndex:
    """An immutable set of vectors with ids. Searches may run at the same time."""

    def __init__(self, index: faiss.Index, ids: IDs) -> None:
        self._index = index
        self.ids = ids

    @classmethod
    def build(cls, ids: IDs, vectors: Vectors) -> VectorIndex:
        """Return an index of (n, dimension) vectors under their ids."""
        index = faiss.IndexIDMap(faiss.IndexFlatIP(vectors.shape[1]))
        index.add_with_ids(np.ascontiguousarray(vectors), ids)
        return cls(index, ids)

    def changed(self, removed: IDs, ids: IDs, vectors: Vectors) -> VectorIndex:
        """Return another index, without some ids and with some more vectors."""
        index = faiss.clone_index(self._index)
        if len(removed):
            # All at once, for what stands behind is moved.
            index.remove_ids(faiss.IDSelectorBatch(removed))
        index.add_with_ids(np.ascontiguousarray(vectors), ids)
        return VectorIndex(index, np.concatenate([self.ids[~np.isin(self.ids, removed)], ids]))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(
        self, vector: NDArray[np.float32], k: int, *, order: Order, allowed: Sequence[int] | None
    ) -> list[Ranked]:
        """Return the k nearest passages by inner product, best first.

        Args:
            vector: (dimension,), finite: FAISS would rank by NaN without a word.
            order: Sort keys for ties. FAISS leaves them unordered, at the cut too: it is asked for
                more until the last score that counts is met in full.
            allowed: The ids that may be found; None for all.
        """
        n_candidates = len(self) if allowed is None else len(allowed)
        if n_candidates == 0:
            return []
        parameters = None
        if allowed is not None:
            selector = faiss.IDSelectorBatch(np.array(allowed, dtype=np.int64))
            parameters = faiss.SearchParameters()
            parameters.sel = selector
        # Single queries are faster on one thread. OpenMP keeps the number for each calling thread.
        faiss.omp_set_num_threads(1)
        query = np.ascontiguousarray(vector, dtype=np.float32)[None, :]
        n_asked = min(k + 1, n_candidates)
        while True:
            scores, ids = self._index.search(query, n_asked, params=parameters)
            found = [(float(score), int(i)) for score, i in zip(scores[0], ids[0], strict=True) if i >= 0]
            if len(found) <= k or found[-1][0] < found[k - 1][0] or n_asked == n_candidates:
                break
            n_asked = min(2 * n_asked, n_candidates)
        return ranked(found, k, order)


def ranked(found: Sequence[tuple[float, int]], k: int, order: Order) -> list[Ranked]:
    """Return the best k of some (score, id), descending, ties by their sort keys."""
    keys = order([passage_id for _, passage_id in found])
    best = sorted(found, key=lambda pair: (-pair[0], keys[pair[1]]))
    return [Ranked(passage_id, score) for score, passage_id in best[:k]]
