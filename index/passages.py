"""Documents to passages. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePosixPath
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from index.records import HEADING_SEPARATOR, Document, Span, heading_paths
from index.sentences import sentence_spans

TokenSpans: TypeAlias = Callable[[str], NDArray[np.int64]]
"""A text to the (n, 2) array of its tokens' [start, end), in code points, special tokens left out."""

_LONGEST_RUN, _LONGEST_HEAD = 20_000, 1_000
"""Characters: as far back the head of a run of lines is looked for, and so much of it is kept."""
_RUN_BEGINS = re.compile(r"\n[ \t]*\n|\n(?=#{1,6} )")
_BETWEEN_CELLS = ("|", "\t", "  ")
_LONGEST_KNOWN_TOKEN = 20
"""Characters. The longest entry of BERT's vocabulary has 18."""


@dataclass(frozen=True, slots=True)
class PassageSettings:
    """How documents are cut.

    Attributes:
        max_tokens: Of what is encoded for a passage, without special tokens: its context and its text.
        context_tokens: At most this many of them are its context; 0 to encode the text alone.
        overlap_tokens: At most this many tokens, in whole sentences, are repeated at the start of the
            next passage of the same section, so that no answer is torn from its context.
    """

    max_tokens: int = 254
    context_tokens: int = 48
    overlap_tokens: int = 48

    @property
    def text_tokens(self) -> int:
        """Of a passage's text at most; at least 1."""
        return max(self.max_tokens - self.context_tokens, 1)


@dataclass(frozen=True, slots=True)
class Cut:
    """A passage, or a section, before it has an id: where it is, and the headings over its text."""

    span: Span
    heading: str


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never cut further: a sentence, or a piece of one that alone is too long."""

    span: Span
    n_tokens: int


def cut(document: Document, token_spans: TokenSpans, settings: PassageSettings) -> list[Cut]:
    """Return the passages of a document, in order.

    A passage is a run of whole sentences of one section, as many as `text_tokens` allow. A sentence
    that alone is longer is cut between tokens, between words where it can be. Every character of
    the document that is not white space is in at least one passage.
    """
    cuts: list[Cut] = []
    for section in _sections(document):
        text = section.span.of(document.text)
        units = [
            _Unit(unit.span.shifted(section.span.start), unit.n_tokens)
            for sentence in sentence_spans(text)
            for unit in _units(text, sentence, token_spans, settings.text_tokens)
        ]
        cuts.extend(Cut(span, section.heading) for span in _windows(units, settings))
    return cuts


def head_of_run(text: str, span: Span) -> str | None:
    r"""Return the first lines of the run in which a passage begins, and what its own first line has before it.

    A run is lines without a blank one; a Markdown heading begins one, too. "" where the passage does, or has no cells,
    and None where the run, or the line, began too long ago.
    """
    start = span.start
    if all(text.find(between, start, span.end) < 0 for between in _BETWEEN_CELLS):
        return ""
    # What is ahead of the passage's start tells whether it begins at a heading.
    found = _RUN_BEGINS.finditer(text, max(start - _LONGEST_RUN, 0), span.end)
    begins = list(takewhile(lambda at: at <= start, (match.end() for match in found)))
    if not begins and start > _LONGEST_RUN:
        return None
    first = begins[-1] if begins else 0
    if start - first <= _LONGEST_HEAD:
        return text[first:start]
    head_end, line = (text.rfind("\n", first, end) + 1 for end in (first + _LONGEST_HEAD, start))
    return text[first:head_end] + text[line:start] if head_end and start - line <= _LONGEST_HEAD else None


def context_of(doc_id: str, title: str, heading: str) -> str:
    """Return what says where a passage stands: its document's title and the headings over it; "" for neither.

    A title that is only the file's name is left out: a file that is renamed is not encoded again.
    """
    is_own = title not in (PurePosixPath(doc_id).stem, heading.split(HEADING_SEPARATOR, maxsplit=1)[0])
    return HEADING_SEPARATOR.join(part for part in (title if is_own else "", heading) if part)


def encoded_text(document: Document, piece: Cut, token_spans: TokenSpans, settings: PassageSettings) -> str:
    """Return what is encoded for a passage: its context, cut to `context_tokens`, and its text."""
    text = piece.span.of(document.text)
    context = context_of(document.doc_id, document.title, piece.heading)
    tokens = token_spans(context)[: settings.context_tokens]
    return f"{context[: int(tokens[-1, 1])]}\n{text}" if len(tokens) else text


def _sections(document: Document) -> Iterator[Cut]:
    """Yield the sections between headings, each with the headings over its first text.

    Headings with nothing between them share a section: a passage that is nothing but a heading
    answers no question.
    """
    text, headings = document.text, document.headings
    ends = [*(heading.start for heading in headings), len(text)]
    start, has_body = 0, bool(text[: ends[0]].strip())
    path: tuple[str, ...] = ()
    for heading, inner, end in zip(headings, heading_paths(headings), ends[1:], strict=True):
        if has_body:
            yield Cut(Span(start, heading.start), HEADING_SEPARATOR.join(path))
            start = heading.start
        path = inner
        # One line is the heading's own; so is the rule under it.
        has_body = "\n" in text[heading.start : end].strip().rstrip("=-").strip()
    yield Cut(Span(start, len(text)), HEADING_SEPARATOR.join(path))


def _units(text: str, sentence: Span, token_spans: TokenSpans, max_tokens: int) -> Iterator[_Unit]:
    """Yield a sentence whole, or, where it alone is too long, in pieces that are not."""
    tokens = _known(token_spans(sentence.of(text))) + sentence.start
    first, start = 0, sentence.start
    while len(tokens) - first > max_tokens:
        last = _piece_end(text, tokens, first, max_tokens)
        end = int(tokens[last, 0])
        yield _Unit(Span(start, start + len(text[start:end].rstrip())), last - first)
        first, start = last, end
    yield _Unit(Span(start, sentence.end), len(tokens) - first)


def _known(tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the tokens with every unknown word taken apart into its characters.

    A word that the encoder does not know is one token to it however long it is. Counted by
    characters, neither such a word nor a piece of one can be longer than it is counted.
    """
    lengths = tokens[:, 1] - tokens[:, 0]
    n_pieces = np.where(lengths > _LONGEST_KNOWN_TOKEN, lengths, 1)
    firsts = np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    starts = np.repeat(tokens[:, 0], n_pieces) + np.arange(len(firsts)) - firsts
    ends = np.where(np.repeat(n_pieces, n_pieces) > 1, starts + 1, np.repeat(tokens[:, 1], n_pieces))
    return np.stack([starts, ends], axis=1)


def _piece_end(text: str, tokens: NDArray[np.int64], first: int, max_tokens: int) -> int:
    """Return the index of the token that begins the next piece.

    Between words if there is a place in the piece's second half: inside a word the encoder would
    see other tokens than were counted.
    """
    limit = first + max_tokens
    for last in range(limit, first + max_tokens // 2, -1):
        at = int(tokens[last, 0])
        if not (text[at - 1].isalnum() and text[at].isalnum()):
            return last
    return limit


def _windows(units: Sequence[_Unit], settings: PassageSettings) -> Iterator[Span]:
    """Yield the spans of runs of units: each as long as it can be, overlapping by whole units."""
    first = 0
    while first < len(units):
        end, n_tokens = first, 0
        while end < len(units) and n_tokens + units[end].n_tokens <= settings.text_tokens:
            n_tokens += units[end].n_tokens
            end += 1
        end = max(end, first + 1)
        yield Span(units[first].span.start, units[end - 1].span.end)
        if end == len(units):
            return
        overlap, first_again = 0, end
        while first_again - 1 > first and overlap + units[first_again - 1].n_tokens <= settings.overlap_tokens:
            first_again -= 1
            overlap += units[first_again].n_tokens
        first = first_again
