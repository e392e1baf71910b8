"""Where sentences begin and end. Pure."""

from __future__ import annotations

import sentencex

from index.records import Span

_MAX_BLOCK = 10_000
"""Characters segmented at once: the segmenter's worst case is quadratic (7 s for 1 MB of quote marks)."""


def sentence_spans(text: str) -> list[Span]:
    """Return the sentences of a text, in order, without the white space around them.

    Paragraphs and list items end sentences too. Every character that is not white space is in
    exactly one span. The rules are those of English for abbreviations; for the other languages
    that write with full stops they split somewhat more often than needed.
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
            if span := _trimmed(text, start, end):
                spans.append(span)
            start = end
    return spans


def _cut(text: str, start: int, end: int) -> int:
    """Return where to cut a block without sentences: after its last space, or at its end."""
    return next((at for at in range(end, start + 1, -1) if text[at - 1].isspace()), end)


def _trimmed(text: str, start: int, end: int) -> Span | None:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if start < end else None
