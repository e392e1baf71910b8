"""From a span to a citation that was checked before it leaves."""

from __future__ import annotations

from index.errors import DamagedIndex
from index.records import Document, Passage, Span
from qa.records import Citation

CONTEXT = 32
"""Characters of the document that a citation carries on each side of its quote."""


def cite(document: Document, span: Span, *, passage: Passage) -> Citation:
    """Return the citation of a span, its quote cut from the document itself.

    Raises:
        DamagedIndex: The passage's text is not what the document has in its place, so that the
            index contradicts itself.
    """
    within = span.shifted(-passage.span.start)
    quote = span.of(document.text)
    if within.of(passage.text) != quote:
        raise DamagedIndex(
            f"passage {passage.passage_id} differs from {document.doc_id}: make the index anew with "
            "`citespan index --rebuild`"
        )
    return citation_of(document, span)


def citation_of(document: Document, span: Span) -> Citation:
    """Return the citation of a span of a document, with what it takes to find the quote again."""
    return Citation(
        doc_id=document.doc_id,
        title=document.title,
        span=span,
        quote=span.of(document.text),
        heading=document.heading_at(span.start),
        line=document.line_of(span.start),
        sha256=document.sha256,
        prefix=document.text[max(0, span.start - CONTEXT) : span.start],
        suffix=document.text[span.end : span.end + CONTEXT],
    )
