"""Passages by words: BM25, by tantivy. Nothing else imports tantivy.

Derived from the truth and held in memory (docs/decisions/0004-derived-indexes-in-memory.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import tantivy

from index.passages import context_of
from index.records import Passage, Ranked
from index.store.vectors import Order, ranked

_HEAP_BYTES = 64 * 2**20
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
    """The words of a set of passages. Built once and added to; never deleted from.

    tantivy counts deleted passages in its statistics until their segment happens to be merged, so an
    index that had deletions would rank otherwise than one built afresh.
    """

    def __init__(self, passages: Iterable[Passage]) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_unsigned_field("passage_id", indexed=True, fast=True)
        for field in FIELDS:
            builder.add_text_field(field, tokenizer_name=_TOKENIZER, index_option="freq")
        self._schema = builder.build()
        self._analyzer = _analyzer(has_stop_words=True)
        self._index = tantivy.Index(self._schema)
        self._index.register_tokenizer(_TOKENIZER, self._analyzer)
        self.add(passages)

    def add(self, passages: Iterable[Passage]) -> None:
        """Add passages. Searchers made before do not see them."""
        with self._index.writer(heap_size=_HEAP_BYTES, num_threads=1) as writer:
            for passage in passages:
                document = tantivy.Document()
                document.add_unsigned("passage_id", passage.passage_id)
                document.add_text("text", passage.text)
                document.add_text("context", context_of(passage.doc_id, passage.title, passage.heading))
                writer.add_document(document)
        self._index.reload()

    def searcher(self) -> WordSearcher:
        """Return a view of the passages there are now, which later additions do not change."""
        return WordSearcher(self._schema, self._analyzer, self._index.searcher())


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
