"""The records that pass between the parts: frozen, and nothing else.

Every offset in the system counts Unicode code points of one document's canonical text.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HEADING_SEPARATOR = " › "
"""Between the headings over a place, outermost first."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The characters [start, end) of one text, in Unicode code points."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: [{self.start}, {self.end})")

    def __len__(self) -> int:
        return self.end - self.start

    def overlaps(self, other: Span) -> bool:
        """Return whether there is a character in both."""
        return self.start < other.end and other.start < self.end

    def of(self, text: str) -> str:
        """Return the characters of `text` that this span holds.

        Raises:
            ValueError: The span ends after the text does. A slice would cut it short in silence.
        """
        if self.end > len(text):
            raise ValueError(f"[{self.start}, {self.end}) is outside a text of {len(text)} characters")
        return text[self.start : self.end]

    def shifted(self, by: int) -> Span:
        """Return the same characters seen from a text that begins `by` characters earlier."""
        return Span(self.start + by, self.end + by)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a document: its section runs to the next one of the same or a higher level."""

    start: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class SourceLine:
    """The characters from `start` on stand at `line` (from 1) of the source file."""

    start: int
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    r"""A file's text, decoded and normalised once. Every offset in the system refers to `text`.

    Attributes:
        doc_id: POSIX path below the collection's root.
        text: Canonical text: no BOM, line ends as "\n".
        sha256: Of the file's bytes, hexadecimal.
        headings: In order of `start`.
        source_lines: Where the canonical text's lines are not the file's (HTML): where each of the
            file's lines begins in the text, in order of `start`. Empty where they are the same.
    """

    doc_id: str
    title: str
    text: str
    sha256: str
    media_type: str
    headings: tuple[Heading, ...] = ()
    source_lines: tuple[SourceLine, ...] = ()

    def line_of(self, offset: int) -> int:
        """Return the line (from 1) of the source file in which the character at `offset` stands."""
        if not self.source_lines:
            return self.text.count("\n", 0, offset) + 1
        n_before = bisect_right(self.source_lines, offset, key=lambda anchor: anchor.start)
        return self.source_lines[n_before - 1].line if n_before else 1

    def heading_at(self, offset: int) -> str:
        """Return the headings over `offset`, outermost first, joined by " › "; "" where there is none."""
        n_before = bisect_right(self.headings, offset, key=lambda heading: heading.start)
        paths = list(heading_paths(self.headings[:n_before]))
        return HEADING_SEPARATOR.join(paths[-1]) if paths else ""


def heading_paths(headings: Iterable[Heading]) -> Iterator[tuple[str, ...]]:
    """Yield for each heading the titles from the outermost heading over it down to its own."""
    path: list[Heading] = []
    for heading in headings:
        while path and path[-1].level >= heading.level:
            path.pop()
        path.append(heading)
        yield tuple(outer.title for outer in path)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, short enough to encode. Its text is `span.of(document.text)`.

    Attributes:
        passage_id: Never used again for another passage.
        text: Cut from the document's text when the passage was loaded, by its span.
        heading: The headings over the passage's text, outermost first, joined by " › ".
        before: Where the passage has cells and begins within a run of lines, as in the middle of a table, those at the
            run's head, and what its own first line has before it; None where the run began too long ago. Only of
            passages that were asked for by their ids.
    """

    passage_id: int
    doc_id: str
    title: str
    media_type: str
    span: Span
    text: str
    heading: str
    before: str | None = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which documents a search may look at. An empty field does not restrict.

    Attributes:
        paths: Prefixes of document ids, by whole path components: "news" holds "news/a.md" and not
            "newsletter.md". A document of any of them passes.
        media_types: As in `Document.media_type`. A document of any of them passes.
    """

    paths: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.paths or self.media_types)


@dataclass(frozen=True, slots=True)
class Ranked:
    """One entry of one retriever's ranking. `score` compares within that ranking only."""

    passage_id: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found.

    Attributes:
        rank: From 1.
        score: Fused: the mean of its standard scores in the two rankings.
        dense_rank, lexical_rank: In the two rankings that were fused, from 1; None where it was not in.
        relevance: Log-odds, by the reader, that it answers the query; None where the reader did not rerank it.
    """

    passage: Passage
    rank: int
    score: float
    dense_rank: int | None
    lexical_rank: int | None
    relevance: float | None = None


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """One line of a listing."""

    doc_id: str
    title: str
    media_type: str
    n_characters: int
    n_passages: int


@dataclass(frozen=True, slots=True)
class IndexState:
    """Which version of an index it is, and what is known of how well it says what the folder says.

    Attributes:
        reconciled_at: When the last update that was carried through began to look at the folder: UTC, ISO 8601.
            None where no update noted it yet.
        n_failed: Files that could not be read then.
    """

    index_version: int
    reconciled_at: str | None
    n_failed: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What an index holds."""

    n_documents: int
    n_passages: int
    n_failed: int
