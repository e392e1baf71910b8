"""What a person may ask for, checked the same way at every door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from index.errors import EmptyQuestion, InvalidParameter, InvalidText, QuestionTooLong
from index.parsing import FORMATS
from index.records import Filter

MAX_QUESTION = 1000
"""Characters. The encoder sees about this much of a question."""

MEDIA_TYPES = tuple(sorted({format_.media_type for format_ in FORMATS.values()}))
MAX_K = 50
DEFAULT_K = 5
MAX_FILTER_VALUES = 50
_MAX_FILTER_VALUE = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """A question or query that can be answered.

    Attributes:
        text: Stripped, not empty, at most `MAX_QUESTION` characters.
        k: Passages to find (and read), 1 to `MAX_K`.
    """

    text: str
    k: int
    restriction: Filter


def check(text: str, *, k: int = DEFAULT_K, paths: Sequence[str] = (), media_types: Sequence[str] = ()) -> Request:
    """Return a request that can be answered.

    Raises:
        EmptyQuestion: There is no text, or nothing but white space.
        QuestionTooLong: It has more than `MAX_QUESTION` characters.
        InvalidText: It, or a filter, is not Unicode text.
        InvalidParameter: `k` or a filter is out of range.
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
    return Request(stripped, k, Filter(tuple(path for path in map(check_path, paths) if path), tuple(media_types)))


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
