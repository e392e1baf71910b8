"""Bytes to documents. One module per family of formats; all of them pure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from index.errors import NoText, UnsupportedType
from index.parsing import html, markdown, plain
from index.parsing.content import Content
from index.parsing.encoding import decode
from index.records import Document

__all__ = ["FORMATS", "parse"]


class Format(NamedTuple):
    """How files of one ending are read."""

    media_type: str
    read: Callable[[str], Content]
    declared_encoding: Callable[[bytes], str | None]


_PLAIN = Format("text/plain", plain.read, plain.declared_encoding)
_MARKDOWN = Format("text/markdown", markdown.read, plain.declared_encoding)
_HTML = Format("text/html", html.read, html.declared_encoding)

FORMATS = MappingProxyType(
    {
        ".txt": _PLAIN,
        ".md": _MARKDOWN,
        ".markdown": _MARKDOWN,
        ".html": _HTML,
        ".htm": _HTML,
    }
)
"""File ending, lower case with the dot, to its format."""


def parse(content: bytes, *, doc_id: str, sha256: str) -> Document:
    """Return the document that a file's bytes are.

    Args:
        doc_id: POSIX path below the root; its ending chooses the format, its stem is the title of
            a document that names none itself.
        sha256: Of `content`, hexadecimal.

    Raises:
        UnsupportedType: No format has this ending.
        UndecodableFile: The bytes are no text.
        NoText: There is nothing but white space in it.
    """
    path = PurePosixPath(doc_id)
    format_ = FORMATS.get(path.suffix.lower())
    if format_ is None:
        raise UnsupportedType(f"no parser for {path.suffix!r}; read are {', '.join(FORMATS)}")
    found = format_.read(decode(content, declared=format_.declared_encoding(content)))
    if not found.text.strip():
        raise NoText("there is no text in it")
    return Document(
        doc_id=doc_id,
        title=found.title or path.stem,
        text=found.text,
        sha256=sha256,
        media_type=format_.media_type,
        headings=found.headings,
        source_lines=found.source_lines,
    )
