"""Markdown: the canonical text is the source as it was written, marks and all.

A citation then points at the very characters of the file. The parser is asked only where the
headings are: a line that begins with "#" inside a fence is none.
"""

from __future__ import annotations

import re
from itertools import accumulate, pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from index.parsing.content import Content
from index.records import Heading

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
_FRONT_TITLE = re.compile(r"^title:[ \t]*(?P<quote>[\"']?)(?P<title>.+?)(?P=quote)[ \t]*$", re.MULTILINE)


def read(text: str) -> Content:
    """Return the text, titled by its front matter or its first heading of the highest level."""
    front = _FRONT_MATTER.match(text)
    # Blanked, not cut: the lines that follow keep their numbers.
    body = "\n" * front.group().count("\n") + text[front.end() :] if front else text
    headings = _headings(body, text)
    named = _FRONT_TITLE.search(front.group()) if front else None
    title = named["title"] if named else next((heading.title for heading in headings if heading.level == 1), "")
    return Content(text, title=title, headings=headings)


def _headings(body: str, text: str) -> tuple[Heading, ...]:
    line_starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    tokens = MarkdownIt("commonmark").parse(body)
    return tuple(
        Heading(line_starts[opening.map[0]], int(opening.tag[1]), title)
        for opening, inline in pairwise(tokens)
        if opening.type == "heading_open" and opening.map and (title := _plain(inline))
    )


def _plain(inline: Token) -> str:
    """Return a heading's text without its marks."""
    parts = (token.content if token.type in ("text", "code_inline") else " " for token in inline.children or ())
    return " ".join("".join(parts).split())
