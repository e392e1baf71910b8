"""What a person may ask for, checked the same way at every door."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from index.errors import (
    EmptyQuestion,
    InvalidParameter,
    InvalidText,
    QuestionTooLong,
    UnknownParameter,
    UnknownSpan,
)
from index.parsing import FORMATS
from index.records import Document, Filter, Span
from index.retriever import Retrieval

MAX_QUESTION = 1000
"""Characters. The encoder sees about this much of a question."""

MEDIA_TYPES = tuple(sorted({format_.media_type for format_ in FORMATS.values()}))
MAX_K = 50
DEFAULT_K = 5
MAX_FILTER_VALUES = 50
_MAX_FILTER_VALUE = 1000
_FRACTION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,18})?")


@dataclass(frozen=True, slots=True)
class Request:
    """A question or query that can be answered.

    Attributes:
        text: Stripped, not empty, at most `MAX_QUESTION` characters.
        k: Passages to find (and read), 1 to `MAX_K`.
        min_confidence: Answer from this confidence on, in [0, 1].
        max_risk: Answer where at most this share of answers is wrong, in [0, 1]. At most one of the two is
            given; with neither it is the service's setting or else the reader's own threshold.
        rerank: Of a search, so many passages are read and put in the order that the reader gives them, 0 to
            `MAX_K`; None for the service's setting.
        retrieval: Which rankings are made; None for the service's setting.
        is_strict: It is answered only if the folder has not changed since the index was made from it.
    """

    text: str
    k: int
    restriction: Filter
    min_confidence: float | None = None
    max_risk: float | None = None
    rerank: int | None = None
    retrieval: Retrieval | None = None
    is_strict: bool = False


def check(
    text: str,
    *,
    k: int = DEFAULT_K,
    paths: Sequence[str] = (),
    media_types: Sequence[str] = (),
    min_confidence: float | None = None,
    max_risk: float | None = None,
    rerank: int | None = None,
    retrieval: str | None = None,
    fresh: str | None = None,
) -> Request:
    """Return a request that can be answered.

    Args:
        fresh: "strict" for a request that `is_strict`.

    Raises:
        EmptyQuestion: There is no text, or nothing but white space.
        QuestionTooLong: It has more than `MAX_QUESTION` characters.
        InvalidText: It, or a filter, is not Unicode text.
        InvalidParameter: `k`, a filter or a threshold is out of range, or both thresholds are given.
    """
    check_text(text, "the question")
    stripped = text.strip()
    if not stripped:
        raise EmptyQuestion("there is no question: write one, such as “When was the bridge opened?”")
    if len(stripped) > MAX_QUESTION:
        raise QuestionTooLong(
            f"the question has {len(stripped):,} characters, and the limit is {MAX_QUESTION:,}: ask one thing at a time"
        )
    if not 1 <= k <= MAX_K:
        raise InvalidParameter(f"k is {k}: it has to be a whole number from 1 to {MAX_K}")
    for name, values in (("paths", paths), ("media_types", media_types)):
        if len(values) > MAX_FILTER_VALUES:
            raise InvalidParameter(f"{name} has {len(values)} values: at most {MAX_FILTER_VALUES} are taken")
        for value in values:
            check_text(value, name)
            if not value.strip() or len(value) > _MAX_FILTER_VALUE:
                raise InvalidParameter(f"{name} holds an empty value or one over {_MAX_FILTER_VALUE} characters")
    for media_type in media_types:
        if media_type not in MEDIA_TYPES:
            raise InvalidParameter(f"there are no documents of type {media_type!r}: there are {', '.join(MEDIA_TYPES)}")
    check_thresholds(min_confidence, max_risk)
    if rerank is not None and not 0 <= rerank <= MAX_K:
        raise InvalidParameter(f"rerank is {rerank}: it has to be a whole number from 0 to {MAX_K}")
    if retrieval is not None and retrieval not in set(Retrieval):
        raise InvalidParameter(f"retrieval is {retrieval[:40]!r}: it has to be one of {', '.join(Retrieval)}")
    if fresh is not None and fresh != "strict":
        raise InvalidParameter(f"fresh is {fresh[:40]!r}: it has to be “strict”, or not be given")
    restriction = Filter(tuple(path for path in map(check_path, paths) if path), tuple(media_types))
    mode = None if retrieval is None else Retrieval(retrieval)
    return Request(stripped, k, restriction, min_confidence, max_risk, rerank, mode, is_strict=fresh == "strict")


def check_thresholds(min_confidence: float | None, max_risk: float | None) -> None:
    """Raise unless at most one of them is given, and it is in [0, 1].

    Raises:
        InvalidParameter: It is not so.
    """
    if min_confidence is not None and max_risk is not None:
        raise InvalidParameter("min_confidence and max_risk are two ways to say the same: give one of them")
    for name, value in (("min_confidence", min_confidence), ("max_risk", max_risk)):
        # Not `value < 0 or value > 1`, by which NaN would pass.
        if value is not None and not 0 <= value <= 1:
            raise InvalidParameter(f"{name} is {value:g}: it has to be a number from 0 to 1")


def check_path(path: str) -> str:
    """Return a path below the collection, normalised.

    Raises:
        InvalidParameter: It is absolute or climbs out of the collection.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\\" in path:
        raise InvalidParameter(
            f"{path!r} is outside the collection: a path is relative to its root and written with “/”, as in news/2022"
        )
    return "/".join(parts)


def check_text(text: str, what: str) -> None:
    """Raise unless a text is Unicode that can be stored and shown.

    Raises:
        InvalidText: It holds NUL characters or lone surrogates.
    """
    if "\0" in text:
        raise InvalidText(f"{what} holds a NUL character: remove it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidText(
            f"{what} holds half a surrogate pair at character {error.start}: send valid Unicode"
        ) from error


def check_span(start: int, end: int, document: Document) -> Span:
    """Return the span of a document that somebody names.

    Raises:
        InvalidParameter: There is nothing between its ends, or it begins before the document does.
        UnknownSpan: The document ends before the span does.
    """
    if not 0 <= start < end:
        raise InvalidParameter(f"there is nothing from {start:,} to {end:,}: a span starts before it ends, from 0 on")
    if end > len(document.text):
        raise UnknownSpan(
            f"{document.doc_id} has {len(document.text):,} characters, and the span ends at {end:,}: "
            "the document was changed since; ask again to find the place"
        )
    return Span(start, end)


def refuse_unknown(given: Collection[str], known: Collection[str]) -> None:
    """Raise for the first name that is not known.

    Raises:
        UnknownParameter: A name that would be ignored in silence otherwise.
    """
    for name in given:
        if name not in known:
            takes = f"known are {', '.join(known)}" if known else "none are taken here"
            raise UnknownParameter(f"there is no parameter {name[:100]!r}: {takes}")


def of_kind(
    value: Any, kind: type[Any] | tuple[type[Any], ...], name: str, description: str
) -> Any:  # a JSON value may be anything
    """Return a JSON value that is of a kind.

    Raises:
        InvalidParameter: It is of another.
    """
    # To Python a truth value is a number.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InvalidParameter(f"{name} has to be {description}")
    return value


def parse_fraction(value: str, what: str) -> float:
    """Return the number that a text says; that it is from 0 to 1 is checked with the request.

    Raises:
        InvalidParameter: It says none.
    """
    if not _FRACTION.fullmatch(value):
        raise InvalidParameter(f"{what} is {value[:40]!r}: it has to be a number from 0 to 1, such as 0.25")
    return float(value)


def parse_switch(value: str, what: str) -> bool:
    """Return whether a text says 1 or 0.

    Raises:
        InvalidParameter: It says neither.
    """
    if value not in ("0", "1"):
        raise InvalidParameter(f"{what} is {value[:40]!r}: it has to be 1 or 0")
    return value == "1"


def parse_number(value: str, what: str) -> int:
    """Return the whole number that a text says.

    Args:
        what: The name it is given by, for the message.

    Raises:
        InvalidParameter: It says none.
    """
    # int() takes "１" and "1_0" too; a number of a query string is ASCII digits.
    if not (value.isascii() and value.removeprefix("-").isdigit()) or len(value) > 12:
        raise InvalidParameter(f"{what} is {value[:40]!r}: it has to be a whole number")
    return int(value)
