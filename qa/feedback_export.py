"""Feedback as a data set in the form of SQuAD 2.0. Pure.

The title is a document's id, as in a golden set (`docs/evaluation.md`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from index.errors import NothingToExport, UnknownDocument
from index.records import Document, Span
from qa.feedback import Entry, Quoted, Verdict

_BLANK_LINES = re.compile(r"\n\s*\n")
_MAX_CONTEXT = 4000
"""Characters. A text without blank lines would be one paragraph; then the lines of the answer are the context."""


@dataclass(frozen=True, slots=True)
class Export:
    """A data set, and what is not in it.

    Attributes:
        squad: The file's JSON.
        n_answerable, n_impossible: Questions.
        left_out: Why entries are not in it, to how many there are of each.
    """

    squad: dict[str, Any]  # JSON
    n_answerable: int
    n_impossible: int
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Example:
    """A question with its context, and with its answer if that has one; both spans of the document's text."""

    entry: Entry
    document: Document
    context: Span
    answer: Span | None


class _LeftOut(Exception):
    """An entry cannot be exported; the message says why."""


def export(newest: Iterable[Entry], *, document: Callable[[str], Document], doc_ids: Mapping[str, str]) -> Export:
    """Return what the entries say as questions with gold answers.

    A right answer is gold where it stands. In the place of a wrong one its correction is, where it stands
    nearest in the document that was cited; "" makes the question an unanswerable one, as a right silence does.
    The last word on a question counts.

    Args:
        newest: Newest first.
        document: Gives a document by its id, or raises UnknownDocument.
        doc_ids: The ids of the documents by their files' SHA-256, to follow those that were renamed.

    Raises:
        NothingToExport: Not one entry can be exported.
    """
    examples, left_out, judged = [], Counter[str](), set[str]()
    for entry in newest:
        question = " ".join(entry.question.casefold().split())
        try:
            if question in judged:
                raise _LeftOut("the question was judged again later")
            judged.add(question)
            examples.append(_example(entry, document, doc_ids))
        except _LeftOut as reason:
            left_out[str(reason)] += 1
    if not examples:
        raise NothingToExport(f"nothing can be exported: {told(left_out) or 'there is no feedback yet'}")
    n_answerable = sum(example.answer is not None for example in examples)
    return Export(_squad(examples), n_answerable, len(examples) - n_answerable, left_out)


def told(left_out: Mapping[str, int]) -> str:
    """Return in words what is left out, "" where that is nothing."""
    return "; ".join(
        f"{n:,} {'entry was' if n == 1 else 'entries were'} left out: {reason}" for reason, n in left_out.items()
    )


def _example(entry: Entry, document: Callable[[str], Document], doc_ids: Mapping[str, str]) -> _Example:
    if entry.verdict is Verdict.WRONG and entry.corrected is None:
        raise _LeftOut("it says what is wrong, and not what would be right")
    if entry.place is None:
        raise _LeftOut("no passage had been read")
    found = _document(entry.place, document, doc_ids)
    place = _place(entry.place, found)
    if entry.corrected:
        answer: Span | None = _nearest(entry.corrected, found.text, place)
    else:
        answer = place if entry.verdict is Verdict.RIGHT and entry.answer is not None else None
    if answer is None and entry.answer is None:
        # Just what was read: what stands around it may well answer the question.
        return _Example(entry, found, place, None)
    return _Example(entry, found, _paragraph(found.text, answer or place), answer)


def _document(place: Quoted, document: Callable[[str], Document], doc_ids: Mapping[str, str]) -> Document:
    try:
        return document(place.doc_id)
    except UnknownDocument as error:
        if place.sha256 not in doc_ids:
            raise _LeftOut("the document is no longer there") from error
        return document(doc_ids[place.sha256])


def _place(place: Quoted, document: Document) -> Span:
    """Return where a quote stands now: where it stood, or where alone it stands in a document that was changed."""
    if document.sha256 == place.sha256 and document.text[place.span.start : place.span.end] == place.quote:
        return place.span
    found = _occurrences(place.quote, document.text)
    if len(found) != 1:
        raise _LeftOut("the document was changed, and does not hold the quote just once")
    return found[0]


def _nearest(words: str, text: str, place: Span) -> Span:
    found = _occurrences(words, text)
    if not found:
        raise _LeftOut("the correction does not stand in the document")
    return min(found, key=lambda span: max(span.start - place.end, place.start - span.end, 0))


def _occurrences(words: str, text: str) -> list[Span]:
    """Return where some words stand, as whole words and however they are spaced, in their order."""
    pattern = r"\s+".join(re.escape(word) for word in words.split())
    return [Span(*match.span()) for match in re.finditer(rf"(?:\b|(?=\W)){pattern}(?:\b|(?<=\W))", text)]


def _paragraph(text: str, span: Span) -> Span:
    """Return what stands between the blank lines around a span."""
    start = max((blank.end() for blank in _BLANK_LINES.finditer(text, 0, span.start)), default=0)
    after = _BLANK_LINES.search(text, span.end)
    end = after.start() if after else len(text)
    if end - start > _MAX_CONTEXT:
        start = text.rfind("\n", 0, span.start) + 1
        end = span.end + len(text[span.end :].partition("\n")[0])
    return Span(start, end)


def _squad(examples: Iterable[_Example]) -> dict[str, Any]:  # JSON
    """Return the file: by document and by place in it, so that the same feedback gives the same file."""
    documents: dict[str, dict[Span, dict[str, Any]]] = {}
    for example in sorted(
        examples, key=lambda example: (example.document.doc_id, example.context, example.entry.entry_id)
    ):
        text, start = example.document.text, example.context.start
        golds = [{"text": span.of(text), "answer_start": span.start - start} for span in [example.answer] if span]
        paragraphs = documents.setdefault(example.document.doc_id, {})
        paragraph = paragraphs.setdefault(example.context, {"context": example.context.of(text), "qas": []})
        paragraph["qas"].append(
            {
                "id": example.entry.entry_id,
                "question": example.entry.question,
                "answers": golds,
                "is_impossible": not golds,
            }
        )
    return {
        "version": "v2.0",
        "data": [
            {"title": doc_id, "paragraphs": list(paragraphs.values())} for doc_id, paragraphs in documents.items()
        ],
    }
