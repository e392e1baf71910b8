"""Passages to answers: the Reader protocol, and the sentence reader."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import log
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.encoder import Encoder, Vectors
from index.passages import context_of
from index.records import HEADING_SEPARATOR, Passage, Span
from index.sentences import sentence_spans
from index.store.words import content_words
from qa.confidence import Calibration
from qa.verbs import PAST_FORMS

_WORD = re.compile(r"[^\W_]+")
_STEMMED_VERBS = {
    stem: verb for form, base in PAST_FORMS.items() for stem in content_words(form) for verb in content_words(base)
}
_NO_PROSE = ("---\n", "```", "~~~")
_WEIGHTS = "weights/sentence_reader.json"


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A span of a passage's text that may hold the answer.

    Attributes:
        score: Logit of one softmax over the spans of all passages of a question.
    """

    span: Span
    score: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in one passage.

    Attributes:
        spans: Best first; empty where there is nothing to choose from.
        no_answer: The score of "not in this passage", on the scale of the spans' scores.
    """

    spans: tuple[ScoredSpan, ...]
    no_answer: float


class Reader(Protocol):
    """What finds the answer's span. Scores of all passages of one call are on one scale."""

    @property
    def calibration(self) -> Calibration:
        """How its margins become probabilities."""
        ...

    def read(self, question: str, passages: Sequence[Passage]) -> list[Reading]:
        """Return a reading per passage, in the order of the passages."""
        ...


@dataclass(frozen=True, slots=True)
class SentenceWeights:
    """How much each kind of nearness counts. Fitted by `training.sentence_reader`."""

    similarity: float
    overlap: float


class SentenceReader:
    """Cuts out the sentence that is nearest to the question.

    Nearness is the cosine of encoder vectors, the sentence encoded after the title and the headings
    over it, and the share of the question's content words that stand in the sentence or over it. It reads
    no grammar and knows no answer types: an honest reader without a model of its own.
    """

    def __init__(self, encoder: Encoder, *, weights: SentenceWeights, calibration: Calibration) -> None:
        self._encoder = encoder
        self._weights = weights
        self._calibration = calibration
        self._vectors = _SentenceVectors(encoder)

    @property
    def calibration(self) -> Calibration:
        return self._calibration

    def read(self, question: str, passages: Sequence[Passage]) -> list[Reading]:
        spans = [answer_spans(passage) for passage in passages]
        weights = np.array([self._weights.similarity, self._weights.overlap])
        scores = iter(self.nearness(question, passages, spans) @ weights)
        readings = []
        for passage_spans in spans:
            scored = [ScoredSpan(span, float(next(scores))) for span in passage_spans]
            scored.sort(key=lambda candidate: (-candidate.score, candidate.span))
            readings.append(Reading(tuple(scored), no_answer=0.0))
        return readings

    def nearness(
        self, question: str, passages: Sequence[Passage], spans: Sequence[Sequence[Span]]
    ) -> NDArray[np.float64]:
        """Return cosine and word overlap of each sentence, (n, 2), passage after passage."""
        sentences, contexts = [], []
        for passage, some in zip(passages, spans, strict=True):
            context = context_of(passage.doc_id, passage.title, passage.heading)
            contexts += [context] * len(some)
            sentences += [span.of(passage.text) for span in some]
        encoded = [f"{context}\n{text}" if context else text for context, text in zip(contexts, sentences, strict=True)]
        similarity = self._vectors.of(encoded) @ self._encoder.encode_questions([question])[0]
        return np.stack([similarity, word_overlap(question, sentences, contexts)], axis=1)


def answer_spans(passage: Passage) -> list[Span]:
    """Return the passage's sentences that may be answers, in order.

    Left out are its headings, single words and marks without words, code and front matter.
    """
    headings = {tuple(_words(title)) for title in (*passage.heading.split(HEADING_SEPARATOR), passage.title)}
    return [
        span
        for span in sentence_spans(passage.text)
        if len(words := tuple(_words(span.of(passage.text)))) > 1
        and words not in headings
        and not span.of(passage.text).startswith(_NO_PROSE)
    ]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def word_overlap(question: str, sentences: Sequence[str], contexts: Sequence[str]) -> NDArray[np.float64]:
    """Return for each sentence the share of the question's content words that it holds, in [0, 1].

    Words count by their rarity among the sentences, log(1 + n / (1 + df)): what stands in every
    sentence tells none from another. A word in a sentence's context counts half.
    """
    asked = _about(question)
    held = [_about(sentence) & asked for sentence in sentences]
    frequency = Counter(word for words in held for word in words)
    rarity = {word: log(1 + len(sentences) / (1 + frequency[word])) for word in asked}
    whole = sum(rarity.values())
    shares = []
    for words, context in zip(held, contexts, strict=True):
        above = (_about(context) & asked) - words
        found = sum(rarity[word] for word in words) + sum(rarity[word] for word in above) / 2
        shares.append(found / whole if whole else 0.0)
    return np.array(shares, dtype=np.float64)


def _about(text: str) -> set[str]:
    """Return a text's content words, stemmed, the irregular past forms of verbs under the verb."""
    return {_STEMMED_VERBS.get(word, word) for word in content_words(text)}


def open_sentence_reader(encoder: Encoder) -> SentenceReader:
    """Return the sentence reader with the weights that ship with Citespan."""
    stored = json.loads(files("qa").joinpath(_WEIGHTS).read_text(encoding="utf-8"))
    return SentenceReader(
        encoder,
        weights=SentenceWeights(**stored["weights"]),
        calibration=Calibration(**stored["calibration"]),
    )


class _SentenceVectors:
    """Vectors of sentences, the most recent ones kept: good passages are read for many questions."""

    _KEPT = 8192

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._turn = threading.Lock()

    def of(self, sentences: Sequence[str]) -> Vectors:
        """Return a row for each sentence."""
        with self._turn:
            found = {sentence: self._kept[sentence] for sentence in sentences if sentence in self._kept}
        missing = sorted(set(sentences) - found.keys())
        # Copied: a row of a batch would keep all of the batch alive.
        found.update(
            (text, row.copy()) for text, row in zip(missing, self._encoder.encode_passages(missing), strict=True)
        )
        with self._turn:
            for sentence, vector in found.items():
                self._kept[sentence] = vector
                self._kept.move_to_end(sentence)
            while len(self._kept) > self._KEPT:
                self._kept.popitem(last=False)
        if not sentences:
            return np.empty((0, self._encoder.dimension), dtype=np.float32)
        return np.stack([found[sentence] for sentence in sentences])
