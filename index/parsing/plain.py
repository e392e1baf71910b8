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
    """Return the first line where a title would be: short, no sentence, apart from what follows."""
    first, *rest = text.strip().split("\n", 2)
    is_apart = bool(rest) and (not rest[0].strip() or _is_rule(rest[0]))
    is_short = len(first) <= _MAX_TITLE and not first.rstrip().endswith((".", "!", ";", ","))
    return first.strip() if is_apart and is_short else ""


def _is_rule(line: str) -> bool:
    """Return whether a line underlines the one above it, as in "=====" or "-----"."""
    characters = set(line.strip())
    return len(characters) == 1 and characters <= set("=-~*_#")
