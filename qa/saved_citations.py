"""Citations that somebody kept: JSON to records that can be checked, with the same limits at every door."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from index.errors import InvalidParameter, InvalidRequest
from qa.anchoring import Quotation
from qa.requests import check_text, of_kind, refuse_unknown

MAX_CITATIONS = 100
MAX_QUOTE = 20_000
MAX_CONTEXT = 200
"""Characters of a prefix, and of a suffix."""
_MAX_DOC_ID = 4096
_MAX_OFFSET = 10**12

_REQUIRED = ("doc_id", "start", "end", "quote", "sha256")
# The rest of a citation as an answer has it: a whole one can be sent back.
_KEYS = (*_REQUIRED, "prefix", "suffix", "title", "heading", "line", "url")
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SavedCitation:
    """A citation as it was once given. That it was true then is not known.

    Attributes:
        sha256: Of the document's file, then.
    """

    doc_id: str
    quotation: Quotation
    sha256: str


def parse_citations(value: Any) -> tuple[SavedCitation, ...]:  # JSON
    """Return the citations of a list.

    Raises:
        InvalidRequest: There is no list, or something is missing.
        InputError: Something is of the wrong kind, unknown or out of range.
    """
    if value is None:
        raise InvalidRequest("there is no citations: send a list of them, as they stand in answers")
    listed = of_kind(value, list, "citations", "a list")
    if len(listed) > MAX_CITATIONS:
        raise InvalidParameter(
            f"there are {len(listed):,} citations, and the limit is {MAX_CITATIONS}: send them in parts"
        )
    return tuple(_citation(item, f"citations[{n}]") for n, item in enumerate(listed))


def citations_in(value: Any) -> list[Any]:  # JSON
    """Return the citations in a file's JSON, not looked at yet.

    Args:
        value: One citation, a list, an object with `citations`, or all that `ask` answered.

    Raises:
        InvalidRequest: It is none of these.
    """
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        if "doc_id" in value:
            return [value]
        if isinstance(value.get("citations"), list):
            return list(value["citations"])
        if isinstance(value.get("answers"), list):
            return list(_cited(value))
    raise InvalidRequest(
        "there are no citations in it: give one with its doc_id, a list of them, or all that `ask --json` prints"
    )


def _cited(response: Mapping[str, Any]) -> Iterator[Any]:  # JSON
    for answer in response["answers"]:
        if not isinstance(answer, dict) or not isinstance(answer.get("citations"), list):
            raise InvalidRequest("an answer in it has no citations: give all that `ask --json` prints")
        yield from answer["citations"]


def _citation(value: Any, name: str) -> SavedCitation:  # JSON
    citation = of_kind(value, dict, name, "an object")
    refuse_unknown(citation, _KEYS)
    for key in _REQUIRED:
        if key not in citation:
            raise InvalidRequest(f"{name} has no {key}: it has to have {', '.join(_REQUIRED)}")
    start, end = (of_kind(citation[key], int, f"{name}.{key}", "a whole number") for key in ("start", "end"))
    doc_id, quote = (
        _text(citation[key], f"{name}.{key}", limit) for key, limit in (("doc_id", _MAX_DOC_ID), ("quote", MAX_QUOTE))
    )
    prefix, suffix = (_text(citation.get(key, ""), f"{name}.{key}", MAX_CONTEXT) for key in ("prefix", "suffix"))
    sha256 = of_kind(citation["sha256"], str, f"{name}.sha256", "a string")
    if not 0 <= start < end <= _MAX_OFFSET:
        raise InvalidParameter(f"{name} has no span: start has to be 0 or more, and end more than start")
    if end - start != len(quote):
        raise InvalidParameter(
            f"{name} goes from {start:,} to {end:,}, and its quote has {len(quote):,} characters: offsets count "
            "Unicode code points"
        )
    if not quote.strip():
        raise InvalidParameter(f"{name} quotes nothing but white space")
    if not _SHA256.fullmatch(sha256):
        raise InvalidParameter(f"{name}.sha256 has to be 64 hexadecimal digits, in lower case")
    return SavedCitation(doc_id, Quotation(quote, prefix, suffix, start), sha256)


def _text(value: Any, name: str, limit: int) -> str:  # JSON
    text: str = of_kind(value, str, name, "a string")
    check_text(text, name)
    if len(text) > limit:
        raise InvalidParameter(f"{name} has {len(text):,} characters, and the limit is {limit:,}")
    return text
