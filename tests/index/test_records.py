import pytest

from index.records import Document, Heading, SourceLine, Span


def test_a_span_past_the_end_of_the_text_is_an_error_and_not_a_shorter_quote():
    with pytest.raises(ValueError, match=r"\[2, 9\) is outside a text of 5 characters"):
        Span(2, 9).of("hello")


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2)])
def test_a_span_that_runs_backwards_or_begins_before_the_text_cannot_be_made(start, end):
    with pytest.raises(ValueError, match="not a span"):
        Span(start, end)


def test_spans_count_code_points_so_an_emoji_is_one_character():
    assert Span(2, 4).of("a😀bc") == "bc"


def test_a_shifted_span_holds_the_same_characters():
    text = "one two three"
    passage = Span(4, 13)
    inner = Span(4, 9)
    assert inner.shifted(passage.start).of(text) == inner.of(passage.of(text)) == "three"


def test_the_heading_over_an_offset_is_the_path_of_sections_it_stands_in():
    headings = (Heading(0, 1, "Bridge"), Heading(10, 2, "Size"), Heading(20, 3, "Span"), Heading(30, 2, "Cost"))
    document = Document("a.md", "Bridge", "x" * 40, "", "text/markdown", headings)
    assert [document.heading_at(offset) for offset in (5, 15, 25, 35)] == [
        "Bridge",
        "Bridge › Size",
        "Bridge › Size › Span",
        "Bridge › Cost",
    ]


def test_lines_are_counted_in_the_text_or_read_from_the_source_where_they_differ():
    plain = Document("a.txt", "", "one\ntwo\nthree", "", "text/plain")
    assert [plain.line_of(offset) for offset in (0, 3, 4, 9)] == [1, 1, 2, 3]
    page = Document("a.html", "", "one\n\ntwo", "", "text/html", (), (SourceLine(0, 12), SourceLine(5, 30)))
    assert [page.line_of(offset) for offset in (0, 4, 5)] == [12, 12, 30]
