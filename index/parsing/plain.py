"""Plain text: the canonical text is the file's own."""

from __future__ import annotations

from index.parsing.content import Content

_MAX_TITLE = 100


def read(text: str) -> Content:
    """Return the text, titled by its first line where that line stands alone like a title."""
    return Content(text, title=_title(text))


def declared_encoding(content: bytes) -> None:
    """Return None: plain text declares no encoding."""


def _title(text: str) -> str:
    lines = text.lstrip().split("\n", 2)
    first = lines[0].strip()
    stands_alone = len(lines) == 1 or not lines[1].strip() or _is_rule(lines[1])
    return first if stands_alone and len(first) <= _MAX_TITLE else ""


def _is_rule(line: str) -> bool:
    """Return whether a line underlines the one above it, as in "=====" or "-----"."""
    characters = set(line.strip())
    return len(characters) == 1 and characters <= set("=-~*_#")
