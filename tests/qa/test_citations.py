import pytest

from index.errors import DamagedIndex
from index.records import Document, Heading, Passage, Span
from qa.citations import cite


def test_a_citation_quotes_the_document_and_says_where():
    text = "Intro.\n\n# Size\n\nIt is big."
    document = Document("a.md", "A", text, "f" * 64, "text/markdown", (Heading(8, 1, "Size"),))
    span = Span(16, 26)
    citation = cite(document, span, passage=Passage(1, "a.md", "A", "", Span(8, 26), text[8:26], "Size"))
    assert (citation.quote, citation.heading, citation.line, citation.span) == ("It is big.", "Size", 5, span)


def test_a_passage_that_differs_from_its_document_is_never_cited():
    document = Document("a.md", "A", "It is small.", "", "")
    with pytest.raises(DamagedIndex, match="passage 1 differs"):
        cite(document, Span(0, 5), passage=Passage(1, "a.md", "A", "", Span(0, 10), "It was big", ""))
