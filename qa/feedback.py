"""What people say of answers, checked against the documents before it is kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from index.errors import InvalidParameter, UnknownSpan
from index.records import Span
from qa.engine import Engine
from qa.requests import check, check_span, check_text

MAX_TEXT = 2000
"""Characters of a correction, and of a comment."""

MAX_QUOTE = 20_000
"""Characters of an answer or passage that is judged. Ordinary passages have a tenth of them."""


class Verdict(StrEnum):
    """Whether an answer, or a silence, was right."""

    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Place:
    """Characters of a document, as somebody names them. That they are there is still to be seen."""

    doc_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What somebody says of what was answered.

    Attributes:
        answer: As it was given; None where the documents did not say.
        place: Where the answer stands; of a silence, the nearest passage that was read, where it is known.
        corrected: What would have been right, "" for: the documents do not say. None where nobody said.
        index_version: Of the response that is judged.
    """

    question: str
    verdict: Verdict
    answer: str | None
    place: Place | None
    corrected: str | None
    comment: str
    index_version: int


@dataclass(frozen=True, slots=True)
class Quoted:
    """Characters of a document, as they were when they were judged.

    Attributes:
        sha256: Of the document's file.
    """

    doc_id: str
    span: Span
    quote: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A judgement as it is kept: the attributes that the two share mean the same.

    Attributes:
        time: UTC, ISO 8601.
        place: Of the answer; of a silence, the nearest passage. None where there was none.
        reader, encoder: The names of those that were in use.
    """

    entry_id: str
    time: str
    question: str
    verdict: Verdict
    answer: str | None
    place: Quoted | None
    corrected: str | None
    comment: str
    index_version: int
    reader: str
    encoder: str


def judge(engine: Engine, judgement: Judgement) -> Entry:
    """Return a judgement as it is kept, once it is checked against the documents.

    Where a silence comes without its passage, the nearest one of the whole collection is taken.

    Raises:
        InputError: It is too long, or contradicts itself.
        UnknownDocument: There is no such document.
        UnknownSpan: The document has not these words in this place.
        Overloaded: Too many questions wait already.
    """
    said = _checked(judgement)
    index_version = engine.status().index_version
    if not 0 <= said.index_version <= index_version:
        raise InvalidParameter(f"index_version is {said.index_version}: it has to be from 0 to {index_version}")
    place = said.place or _nearest(engine, said.question)
    quoted = quote(engine, place) if place else None
    if said.answer is not None and quoted is not None and said.answer != quoted.quote:
        raise UnknownSpan(
            f"{quoted.doc_id} has {quoted.quote[:80]!r} from {quoted.span.start:,} to {quoted.span.end:,}, and not "
            f"{said.answer[:80]!r}: the document was changed since; ask again, and judge the new answer"
        )
    return Entry(
        entry_id=secrets.token_hex(8),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        question=said.question,
        verdict=said.verdict,
        answer=said.answer,
        place=quoted,
        corrected=said.corrected,
        comment=said.comment,
        index_version=said.index_version,
        reader=engine.reader.name,
        encoder=engine.source.encoder_name,
    )


def quote(engine: Engine, place: Place) -> Quoted:
    """Return a place with its words, cut from the document itself.

    Raises:
        InvalidText, InvalidParameter: It is no document's id or no span, or a longer one than is judged.
        UnknownDocument, UnknownSpan: It is not there.
    """
    check_text(place.doc_id, "doc_id")
    document = engine.document(place.doc_id).document
    span = check_span(place.start, place.end, document)
    if len(span) > MAX_QUOTE:
        raise InvalidParameter(f"the span has {len(span):,} characters, and the limit is {MAX_QUOTE:,}")
    words = span.of(document.text)
    if not words.strip():
        raise InvalidParameter(f"from {place.start:,} to {place.end:,} {place.doc_id} has nothing but white space")
    return Quoted(document.doc_id, span, words, document.sha256)


def _checked(judgement: Judgement) -> Judgement:
    """Return a judgement that may be true: what needs no look at the documents is checked."""
    question = check(judgement.question).text
    corrected = None if judgement.corrected is None else _short(judgement.corrected, "corrected")
    if judgement.answer is not None:
        check_text(judgement.answer, "the answer")
        if judgement.place is None:
            raise InvalidParameter("an answer stands somewhere: give its citation")
    if judgement.verdict is Verdict.RIGHT and corrected is not None:
        raise InvalidParameter("what is right needs no correction: leave corrected out, or say that it is wrong")
    if judgement.answer is None and corrected == "":
        raise InvalidParameter("that the documents do not say was the answer: say that it is right, or what is")
    return replace(judgement, question=question, corrected=corrected, comment=_short(judgement.comment, "comment"))


def _short(text: str, what: str) -> str:
    check_text(text, what)
    if len(text) > MAX_TEXT:
        raise InvalidParameter(f"{what} has {len(text):,} characters, and the limit is {MAX_TEXT:,}")
    return text.strip()


def _nearest(engine: Engine, question: str) -> Place | None:
    hits = engine.search(check(question, k=1)).hits
    return next((Place(hit.passage.doc_id, hit.passage.span.start, hit.passage.span.end) for hit in hits), None)
