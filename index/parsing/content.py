"""What a format's reader finds in a file's text."""

from __future__ import annotations

from dataclasses import dataclass

from index.records import Heading, SourceLine


@dataclass(frozen=True, slots=True)
class Content:
    """Canonical text with its structure; the fields are those of `index.records.Document`.

    Attributes:
        title: "" where the file names none.
    """

    text: str
    title: str = ""
    headings: tuple[Heading, ...] = ()
    source_lines: tuple[SourceLine, ...] = ()
