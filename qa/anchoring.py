"""Where a quote stands in a text that may have changed since it was quoted. Pure, and bounded in time.

A quote with some characters before and after it is the TextQuoteSelector of the Web Annotation Data Model
(https://www.w3.org/TR/annotation-model/#text-quote-selector), the old offset its TextPositionSelector.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from typing import Literal

from index.records import Span

MAX_PLACES = 10
"""That are told where a quote stands at several."""

_MAX_OCCURRENCES = 1000
# So many characters of quote and agreeing context are no coincidence: "1890" alone stands in many a document.
_EVIDENCE = 32
# By so many characters of context a place has to be better than the next one, where neither agrees in full.
_LEAD = 8

# The longest answer has 200 word pieces (--max-answer-tokens), and no more words than that.
_MAX_WORDS = 200
_CONTEXT_WORDS = 16
_REGION = 25_000
"""Characters on each side of the old place that are searched for something similar."""

# Of scripts that do not part words each character counts as one.
_WORD = re.compile(r"[^\W\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff]+|\S")
_PIECE = re.compile(_WORD.pattern + r"|\s+")


@dataclass(frozen=True, slots=True)
class Quotation:
    """A quote as it was taken.

    Attributes:
        quote: Not empty.
        prefix, suffix: What stood right before and after it; "" where that is not known, or there was nothing.
        start: Where it began.
    """

    quote: str
    prefix: str
    suffix: str
    start: int

    @property
    def span(self) -> Span:
        """Where it stood."""
        return Span(self.start, self.start + len(self.quote))


@dataclass(frozen=True, slots=True)
class Edit:
    """A run of characters: "equal" in both texts, or to "delete" or "insert" to get from the first to the second."""

    op: Literal["equal", "delete", "insert"]
    text: str


@dataclass(frozen=True, slots=True)
class Similar:
    """What stands in the place of a quote.

    Attributes:
        difference: The quote is what is equal and deleted, the text in `span` what is equal and inserted.
    """

    span: Span
    difference: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Anchored:
    """Where a quote stands now.

    Attributes:
        places: One; or several that cannot be told apart, nearest to the old one first, at most `MAX_PLACES`;
            or none.
        similar: What stands in its place, where there is none and something is like it.
    """

    places: tuple[Span, ...]
    similar: Similar | None = None


def locate(text: str, quotation: Quotation) -> Anchored:
    """Return where a quote stands in a text: where it stood, or where it is found again, or what is there instead."""
    if text[quotation.start : quotation.span.end] == quotation.quote:
        return Anchored((quotation.span,))
    places = anchor(text, quotation)
    if places:
        return Anchored(places)
    similar = find_similar(text, quotation)
    if similar and similar.span.of(text) == quotation.quote:
        # Its context has changed too much to be compared by characters, and not by words.
        starts = islice(_starts(text, quotation.quote), _MAX_OCCURRENCES)
        return Anchored(_nearest(starts, quotation))
    return Anchored((), similar)


def anchor(text: str, quotation: Quotation) -> tuple[Span, ...]:
    """Return where a quote stands now, as far as the characters of quote and context tell.

    The occurrences of the quote compete by how many characters of prefix and suffix agree, outwards from the
    quote. One that agrees in full is believed, and so is one whose quote and agreeing context are long
    enough to be no coincidence, if it leads clearly. Nearness orders places that cannot be told apart
    and does not decide between them: after an insertion the nearest is as likely another one.

    Returns:
        As `Anchored.places`.
    """
    whole = quotation.prefix + quotation.quote + quotation.suffix
    full = [start + len(quotation.prefix) for start in islice(_starts(text, whole), _MAX_OCCURRENCES)]
    starts = full or list(islice(_starts(text, quotation.quote), _MAX_OCCURRENCES))
    agreements = {start: len(whole) if full else _agreement(text, start, quotation) for start in starts}
    needed = min(_EVIDENCE, len(whole))
    believed = {start: agreed for start, agreed in agreements.items() if agreed >= needed}
    if len(starts) < _MAX_OCCURRENCES:
        best = max(believed.values(), default=0)
        believed = {start: agreed for start, agreed in believed.items() if agreed > best - _LEAD}
    return _nearest(believed, quotation)


def find_similar(text: str, quotation: Quotation) -> Similar | None:
    """Return what is most like a quote and its context, near where it stood; None where nothing is.

    The stretch of text with the most words in common is aligned with prefix, quote and suffix; of it, what falls
    between prefix and suffix is taken. At least half of the words have to agree. Nothing is looked
    for that is like a quote of more words than any answer has.
    """
    before, words, after = (
        [word.casefold() for word in _WORD.findall(part)]
        for part in (quotation.prefix, quotation.quote, quotation.suffix)
    )
    before, after = before[-_CONTEXT_WORDS:], after[:_CONTEXT_WORDS]
    if not 0 < len(words) <= _MAX_WORDS:
        return None
    wanted = [*before, *words, *after]
    offset = max(0, min(quotation.start, len(text)) - _REGION)
    found = list(_WORD.finditer(text, offset, min(quotation.span.end, len(text)) + _REGION))
    there = [match[0].casefold() for match in found]
    near = bisect_left(found, quotation.start, key=lambda match: match.start()) - len(before)
    margin = len(wanted) // 4 + 1
    begin = _best_window(there, Counter(wanted), n=len(wanted), near=near)
    low = max(0, begin - margin)
    window = there[low : begin + len(wanted) + margin]
    blocks = SequenceMatcher(None, wanted, window, autojunk=False).get_matching_blocks()
    pairs = [(block.a + n, low + block.b + n) for block in blocks for n in range(block.size)]
    if 2 * len(pairs) < len(wanted):
        return None
    first, last = _between(pairs, Span(len(before), len(before) + len(words)))
    first, last = max(first, 0), min(last, len(found))
    if first >= last:
        return None  # prefix and suffix are there, and nothing between them
    span = Span(found[first].start(), found[last - 1].end())
    # A word may be as long as a document.
    if len(span) > 2 * len(quotation.quote) + 200:
        return None
    return Similar(span, difference(quotation.quote, span.of(text)))


def difference(former: str, present: str) -> tuple[Edit, ...]:
    """Return how to get from one text to another, word by word."""
    a, b = _PIECE.findall(former), _PIECE.findall(present)
    edits: list[Edit] = []
    for op, a_start, a_end, b_start, b_end in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if op == "equal":
            edits.append(Edit("equal", "".join(a[a_start:a_end])))
        else:
            sides: tuple[tuple[Literal["delete", "insert"], str], ...] = (
                ("delete", "".join(a[a_start:a_end])),
                ("insert", "".join(b[b_start:b_end])),
            )
            edits.extend(Edit(side, pieces) for side, pieces in sides if pieces)
    return tuple(edits)


def _starts(text: str, wanted: str) -> Iterator[int]:
    """Yield where some text begins, overlapping or not."""
    start = text.find(wanted)
    while start >= 0:
        yield start
        start = text.find(wanted, start + 1)


def _nearest(starts: Iterable[int], quotation: Quotation) -> tuple[Span, ...]:
    nearest = sorted(starts, key=lambda start: (abs(start - quotation.start), start))
    return tuple(Span(start, start + len(quotation.quote)) for start in nearest[:MAX_PLACES])


def _agreement(text: str, start: int, quotation: Quotation) -> int:
    """Return how many characters agree: those of the quote, and of its context outwards from it."""
    end = start + len(quotation.quote)
    before = text[max(0, start - len(quotation.prefix)) : start]
    after = text[end : end + len(quotation.suffix)]
    return _n_equal(before[::-1], quotation.prefix[::-1]) + len(quotation.quote) + _n_equal(after, quotation.suffix)


def _n_equal(a: str, b: str) -> int:
    """Return how many characters two texts have in common from their beginning."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _best_window(there: Sequence[str], wanted: Counter[str], *, n: int, near: int) -> int:
    """Return where the run of n words begins that has the most in common; of equals, the nearest to `near`."""
    have: Counter[str] = Counter()
    n_common, best, best_start = 0, (-1, 0), 0
    for end, word in enumerate(there):
        if word in wanted:
            have[word] += 1
            n_common += have[word] <= wanted[word]
        start = end - n + 1
        if start > 0 and (gone := there[start - 1]) in wanted:
            n_common -= have[gone] <= wanted[gone]
            have[gone] -= 1
        if (here := (n_common, -abs(start - near))) > best:
            best, best_start = here, max(start, 0)
    return best_start


def _between(pairs: Sequence[tuple[int, int]], words: Span) -> tuple[int, int]:
    """Return from which to before which word of the text the words of a quote stand.

    Args:
        pairs: Which of the wanted words is which of the text; at least one.
        words: Which of the wanted words are the quote's.
    """
    # The match that is nearest to an end of the quote tells best where that is; inside counts more than outside.
    left = [pair for pair in pairs if pair[0] < words.end] or pairs
    i, at = min(left, key=lambda pair: (abs(pair[0] - words.start + (pair[0] < words.start)), -pair[0]))
    first = at - (i - words.start)
    right = [pair for pair in pairs if pair[0] >= words.start] or pairs
    i, at = min(right, key=lambda pair: (abs(pair[0] + 1 - words.end - (pair[0] >= words.end)), pair[0]))
    return first, at + words.end - i
