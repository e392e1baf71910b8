"""Passages by words: BM25, by tantivy. Nothing else imports tantivy.

Derived from the truth and held in memory (docs/decisions/0004-derived-indexes-in-memory.md), in segments
(docs/decisions/0019-segments-are-emptied-whole.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice

import numpy as np
import tantivy
from numpy.typing import NDArray

from index.passages import context_of
from index.records import Passage, Ranked
from index.store.vectors import IDs, Order, ranked

# Of a thread, and enough for a segment of 17,000 passages.
_HEAP_BYTES = 64 * 2**20
# A change costs as much as the segments it touches are long, and tantivy merges eight of about the same length:
# six where they are worth it, and one that holds what was changed last.
_N_SEGMENTS = 6
_SEGMENT = 1_500
# Segments of fewer passages are written again with every change, so that they do not become many.
_SMALL = 1_000
# Passages in memory at a time.
_BATCH = 1_000
_LONGEST_WORD = 64
_TOKENIZER = "words"
# Weights of the fields where a query's words may stand.
FIELDS = {"text": 1.0, "context": 0.25}
REPETITION = 4.0
"""How much a word counts that the query repeats: BM25's k3. At 0 no more than once, without bound as it grows."""


# Words that say what is asked for, not what about; the rest of the function words are tantivy's list.
_QUESTION_WORDS = "what which who whom whose when where why how did do does has have had can could from".split()


def _analyzer(*, has_stop_words: bool) -> tantivy.TextAnalyzer:
    """Return what turns a text into words as they are compared: lower case, without accents, stemmed."""
    builder = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(_LONGEST_WORD))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
    )
    if not has_stop_words:
        builder = builder.filter(tantivy.Filter.stopword("english")).filter(
            tantivy.Filter.custom_stopword(_QUESTION_WORDS)
        )
    return builder.filter(tantivy.Filter.stemmer("english")).build()


_CONTENT_WORDS = _analyzer(has_stop_words=False)


def content_words(text: str) -> Counter[str]:
    """Return the words of a text that say what it is about, stemmed, and how often each stands in it."""
    return Counter(_CONTENT_WORDS.analyze(text))


class WordIndex:
    """The words of a set of passages, which may change.

    tantivy keeps them in segments that are never written over. It counts a deleted passage in its statistics for as
    long as its segment stands, and would rank otherwise than an index built afresh; a segment without any passage
    is dropped at once. So segments are only ever emptied: what they held besides is written again, to another one.
    """

    def __init__(self, passages: Iterable[Passage], *, n_passages: int = 0) -> None:
        """Build an index.

        Args:
            n_passages: How many there are, about: to tell how many segments they are worth.
        """
        builder = tantivy.SchemaBuilder()
        builder.add_unsigned_field("passage_id", indexed=True, fast=True)
        for field in FIELDS:
            builder.add_text_field(field, tokenizer_name=_TOKENIZER, index_option="freq")
        self._schema = builder.build()
        self._analyzer = _analyzer(has_stop_words=True)
        self._index = tantivy.Index(self._schema)
        self._index.register_tokenizer(_TOKENIZER, self._analyzer)
        self._write(passages, n_passages, n_passages, n_threads=2)

    def change(self, removed: IDs, added: IDs, *, read: Callable[[Sequence[int]], Mapping[int, Passage]]) -> None:
        """Take passages out and put others in. Searchers made before do not see it.

        Args:
            read: Returns passages by their ids: those that are added, and those that have to be written again.
        """
        ids, segments = self._places()
        is_removed = np.isin(ids, removed)
        sizes = np.bincount(segments, minlength=1)
        is_small, is_touched = sizes < _SMALL, np.zeros(len(sizes), dtype=np.bool_)
        is_touched[segments[is_removed]] = True
        if (~is_small).sum() > _N_SEGMENTS:
            # A small one has grown. tantivy would merge eight, and the next change would have them all to write.
            is_touched[np.where(is_small, len(ids), sizes).argmin()] = True
        is_small, is_touched = is_small[segments], is_touched[segments]
        self._delete(ids[is_touched | is_small])
        # What changes now is likely to change again: it is kept apart from what does not.
        for written in (ids[is_touched & ~is_small & ~is_removed], np.append(ids[is_small & ~is_removed], added)):
            written.sort()  # a document's passages have ids in a row: they are to be in one segment
            batches = (read(written[n : n + _BATCH].tolist()).values() for n in range(0, len(written), _BATCH))
            self._write(chain.from_iterable(batches), len(written), len(ids) + len(added), n_threads=1)

    def searcher(self) -> WordSearcher:
        """Return a view of the passages there are now, which later changes do not touch."""
        return WordSearcher(self._schema, self._analyzer, self._index.searcher())

    def _places(self) -> tuple[IDs, NDArray[np.int64]]:
        """Return the ids (n,) of all passages, and the number of each one's segment."""
        searcher = self._index.searcher()
        hits = searcher.search(tantivy.Query.all_query(), max(searcher.num_docs, 1), count=False).hits
        addresses = [address for _, address in hits]
        ids = searcher.fast_field_values("passage_id", addresses)
        return np.array(ids, dtype=np.int64), np.array([place.segment_ord for place in addresses], dtype=np.int64)

    def _delete(self, ids: IDs) -> None:
        if len(ids):
            with self._index.writer(heap_size=_HEAP_BYTES, num_threads=1) as writer:
                writer.delete_documents_by_query(tantivy.Query.term_set_query(self._schema, "passage_id", ids.tolist()))
        self._index.reload()

    def _write(self, passages: Iterable[Passage], n_passages: int, n_all: int, *, n_threads: int) -> None:
        """Write so many passages to new segments of an index that is to hold so many in all.

        Args:
            n_threads: Each writes a segment of its own, so that a document may come to be in as many.
        """
        segment = max(-(-n_all // _N_SEGMENTS), _SEGMENT)
        n_segments = max(round(n_passages / segment), 1)
        rest = iter(passages)
        for first in rest:
            n_threads = min(n_segments, n_threads)
            more = islice(rest, n_threads * segment - 1) if n_segments > n_threads else rest
            n_segments -= n_threads
            with self._index.writer(heap_size=n_threads * _HEAP_BYTES, num_threads=n_threads) as writer:
                for passage in chain([first], more):
                    document = tantivy.Document()
                    document.add_unsigned("passage_id", passage.passage_id)
                    document.add_text("text", passage.text)
                    document.add_text("context", context_of(passage.doc_id, passage.title, passage.heading))
                    writer.add_document(document)
        self._index.reload()


class WordSearcher:
    """An immutable view of a word index. Searches may run at the same time."""

    def __init__(self, schema: tantivy.Schema, analyzer: tantivy.TextAnalyzer, searcher: tantivy.Searcher) -> None:
        self._schema = schema
        self._analyzer = analyzer
        self._searcher = searcher

    def __len__(self) -> int:
        return self._searcher.num_docs

    def search(self, query: str, k: int, *, order: Order, allowed: Sequence[int] | None) -> list[Ranked]:
        """Return the k passages with the highest BM25 for any of the query's words, best first.

        Args:
            query: Plain text; nothing in it is an operator. Function words count only if there are no
                others: in a small collection "which" and "did" are rare, and BM25 takes rare words for
                telling ones.
            order: Sort keys for ties, as in `VectorIndex.search`.
            allowed: The ids that may be found; None for all. Statistics are those of all passages.
        """
        words = content_words(query) or Counter(self._analyzer.analyze(query))
        n_candidates = len(self) if allowed is None else len(allowed)
        if not words or n_candidates == 0:
            return []
        wanted = self._any_of(words)
        if allowed is not None:
            among = tantivy.Query.term_set_query(self._schema, "passage_id", list(allowed))
            wanted = tantivy.Query.boolean_query(
                [
                    (tantivy.Occur.Must, wanted),
                    (tantivy.Occur.Must, tantivy.Query.const_score_query(among, 0.0)),
                ]
            )
        n_asked = min(k + 1, n_candidates)
        while True:
            hits = self._searcher.search(wanted, n_asked, count=False).hits
            if len(hits) <= k or hits[-1][0] < hits[k - 1][0] or n_asked == n_candidates:
                break
            n_asked = min(2 * n_asked, n_candidates)
        ids = self._searcher.fast_field_values("passage_id", [address for _, address in hits])
        found = [(float(score), int(i)) for (score, _), i in zip(hits, ids, strict=True) if i is not None]
        return ranked(found, k, order)

    def _any_of(self, words: Mapping[str, int]) -> tantivy.Query:
        return tantivy.Query.boolean_query(
            [
                (
                    tantivy.Occur.Should,
                    tantivy.Query.boost_query(
                        tantivy.Query.term_query(self._schema, field, word), weight * _repeated(count)
                    ),
                )
                for word, count in sorted(words.items())
                for field, weight in FIELDS.items()
            ]
        )


def _repeated(count: int) -> float:
    """Return what a word counts that a query holds so many times.

    Source: Robertson et al. 1994, "Okapi at TREC-3", section 3.2.
    """
    return (REPETITION + 1) * count / (REPETITION + count)
