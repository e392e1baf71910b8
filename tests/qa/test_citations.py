import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import DamagedIndex
from index.records import Document, Heading, Passage, Span
from qa.citations import CONTEXT, citation_of, cite


def test_a_citation_quotes_the_document_and_says_where():
    text = "Intro.\n\n# Size\n\nIt is big."
    document = Document("a.md", "A", text, "f" * 64, "text/markdown", (Heading(8, 1, "Size"),))
    span = Span(16, 26)
    citation = cite(document, span, passage=Passage(1, "a.md", "A", "", Span(8, 26), text[8:26], "Size"))
    assert (citation.quote, citation.heading, citation.line, citation.span) == ("It is big.", "Size", 5, span)
    assert (citation.prefix, citation.suffix) == (text[:16], "")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.data())
def test_what_stands_around_a_quote_goes_with_it(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    citation = citation_of(Document("a.txt", "", text, "", ""), Span(start, end))
    around = citation.prefix + citation.quote + citation.suffix
    assert text[start - len(citation.prefix) :].startswith(around)
    assert len(citation.prefix) == min(CONTEXT, start)
    assert len(citation.suffix) == min(CONTEXT, len(text) - end)


def test_a_passage_that_differs_from_its_document_is_never_cited():
    document = Document("a.md", "A", "It is small.", "", "")
    with pytest.raises(DamagedIndex, match="passage 1 differs"):
        cite(document, Span(0, 5), passage=Passage(1, "a.md", "A", "", Span(0, 10), "It was big", ""))
