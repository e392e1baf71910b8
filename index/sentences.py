"""Where sentences begin and end. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sentencex

from index.records import Span

# Cells set apart by bars or tabs, or by leaders as in "Puncture ...... 9".
_ROW = re.compile(r"^\s*\||\t|\.{4,}")
_LINE_BREAK = re.compile(r"\n")

_MAX_BLOCK = 10_000
"""Characters segmented at once: the segmenter's worst case is quadratic (7 s for 1 MB of quote marks)."""


def sentence_spans(text: str) -> list[Span]:
    """Return the sentences of a text, in order, without the white space around them.

    Paragraphs, list items and rows of tables end sentences too. Every character that is not white
    space is in exactly one span. The rules for abbreviations are those of English; for the other
    languages that write with full stops they split somewhat more often than needed.
    """
    spans: list[Span] = []
    start = 0
    while start < len(text):
        block = text[start : start + _MAX_BLOCK]
        ends = [start + boundary["end_index"] for boundary in sentencex.get_sentence_boundaries("en", block)]
        if start + len(block) < len(text):
            # The block's end is no border: what comes last is met again, whole, at the start of the next.
            ends = ends[:-1] or [_cut(text, start, start + len(block))]
        for end in ends:
            for row_start, row_end in _rows(text, start, end):
                if span := _trimmed(text, row_start, row_end):
                    spans.append(span)
            start = end
    return spans


def _rows(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a sentence: itself, or the rows of the table that it is."""
    for line_break in _LINE_BREAK.finditer(text, start, end):
        before = text[max(start, text.rfind("\n", start, line_break.start()) + 1) : line_break.start()]
        if _ROW.search(before):
            yield start, line_break.end()
            start = line_break.end()
    yield start, end


def _cut(text: str, start: int, end: int) -> int:
    """Return where to cut a block without sentences: after its last space, or at its end."""
    return next((at for at in range(end, start + 1, -1) if text[at - 1].isspace()), end)


def _trimmed(text: str, start: int, end: int) -> Span | None:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if start < end else None
