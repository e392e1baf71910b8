import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.parsing import parse
from index.passages import PassageSettings, context_of, cut, encoded_text, head_of_run
from index.records import Document, Heading, Span
from index.sentences import sentence_spans
from tests.standins import HashingEncoder

TOKENS = HashingEncoder().token_spans


def plain(text, headings=()):
    return Document("a.txt", "A", text, "", "text/plain", headings)


def texts(document, **settings):
    return [
        piece.span.of(document.text) for piece in cut(document, TOKENS, PassageSettings(context_tokens=0, **settings))
    ]


def test_a_short_document_is_one_passage():
    assert texts(plain("One. Two. Three."), max_tokens=20, overlap_tokens=5) == ["One. Two. Three."]


def test_passages_are_windows_of_whole_sentences_that_overlap_by_whole_sentences():
    document = plain("I am one. I am two. I am three. I am four. I am five.")  # four tokens each, with the stop
    assert texts(document, max_tokens=8, overlap_tokens=4) == [
        "I am one. I am two.",
        "I am two. I am three.",
        "I am three. I am four.",
        "I am four. I am five.",
    ]
    assert texts(document, max_tokens=8, overlap_tokens=3) == [
        "I am one. I am two.",
        "I am three. I am four.",
        "I am five.",
    ]


def test_an_overlap_as_large_as_a_passage_still_moves_on():
    document = plain("I am one. I am two. I am three.")
    assert texts(document, max_tokens=8, overlap_tokens=100) == ["I am one. I am two.", "I am two. I am three."]


def test_a_passage_never_reaches_over_a_heading():
    document = parse(b"Intro.\n\n# One\n\nFirst.\n\n## Two\n\nSecond.", doc_id="a.md", sha256="")
    pieces = cut(document, TOKENS, PassageSettings(50, 0, 10))
    assert [(piece.span.of(document.text), piece.heading) for piece in pieces] == [
        ("Intro.", ""),
        ("# One\n\nFirst.", "One"),
        ("## Two\n\nSecond.", "One › Two"),
    ]


def test_headings_with_nothing_between_them_are_one_section_and_no_passage_is_only_a_heading():
    document = parse(b"Title\n=====\n\n## One\n\n### Deep\n\nText.\n\n## Two\n\nMore.", doc_id="a.md", sha256="")
    assert texts(document, max_tokens=50, overlap_tokens=0) == [
        "Title\n=====\n\n## One\n\n### Deep\n\nText.",
        "## Two\n\nMore.",
    ]


def test_a_sentence_that_is_too_long_is_cut_between_words():
    document = plain("one two three four five six seven eight nine ten")
    assert texts(document, max_tokens=4, overlap_tokens=0) == ["one two three four", "five six seven eight", "nine ten"]


def test_a_word_that_no_encoder_knows_counts_by_its_characters():
    pieces = texts(plain("x" * 100), max_tokens=30, overlap_tokens=0)
    assert [len(piece) for piece in pieces] == [30, 30, 30, 10]


WORDS = st.sampled_from(["Yes.", "a", "b,c", "long" * 8, "😀", "\n\n", "ok! ", "x" * 50, "\u200b", "  ", "né", "- "])


@given(
    st.lists(WORDS, max_size=80).map(" ".join),
    st.lists(st.integers(0, 300), max_size=4),
    st.integers(1, 12),
    st.integers(0, 12),
)
def test_every_character_that_is_not_space_is_in_a_passage_and_no_passage_is_too_long(text, cuts_at, size, overlap):
    starts = sorted({at for at in cuts_at if at < len(text)})
    document = plain(text, tuple(Heading(at, 1 + at % 3, "h") for at in starts))
    pieces = cut(document, TOKENS, PassageSettings(size, 0, overlap))
    held = {index for piece in pieces for index in range(piece.span.start, piece.span.end)}
    assert all(index in held for index, character in enumerate(text) if not character.isspace())
    assert all(len(TOKENS(piece.span.of(text))) <= size for piece in pieces)
    assert [piece.span.start for piece in pieces] == sorted({piece.span.start for piece in pieces})


def test_passages_begin_and_end_with_sentences_where_sentences_fit():
    text = "First one here. Second one there. Third one. " * 30
    borders = {edge for span in sentence_spans(text) for edge in (span.start, span.end)}
    pieces = cut(plain(text), TOKENS, PassageSettings(40, 0, 10))
    assert len(pieces) > 5
    assert all({piece.span.start, piece.span.end} <= borders for piece in pieces)


@pytest.mark.parametrize("text", ["", "   \n\n "])
def test_nothing_gives_no_passages(text):
    assert texts(plain(text)) == []


ROWS = "".join(f"row {number}\n" for number in range(5000))
LONG = f"head\n{ROWS}"
FIRST_LINES = LONG[: LONG.rindex("\n", 0, 1000) + 1]


@pytest.mark.parametrize(
    ("text", "start", "head"),
    [
        ("a\n\nb\nc", 0, ""),
        ("a\n\nb\nc", 3, ""),
        ("a\n\nb\nc", 5, "b\n"),
        ("a\nb", 2, "a\n"),
        ("a b. c d.", 5, "a b. "),
        ("# A\nx\n## B\ny\nz", 13, "## B\ny\n"),  # headings need no blank line
        ("# A\nx\n## B\ny", 6, ""),
        ("a\nb\n#1 c\n#2 d\n", 14, "a\nb\n#1 c\n#2 d\n"),
        ("a\nb\n \t\nc\nd", 9, "c\n"),
        ("a\n\n" + LONG, 3 + LONG.index("row 500"), FIRST_LINES),
        ("a\n\n" + LONG, 7 + LONG.index("row 500"), FIRST_LINES + "row "),
        (LONG, len(ROWS), None),  # too far back
        ("a\n\n" + "word " * 1000, 4000, None),  # no line that ends
        ("a\n\nb\n" + "word " * 1000, 4000, None),
    ],
)
def test_a_passage_in_a_run_of_lines_knows_those_at_its_head(text, start, head):
    cells = " | b"
    text = text[: start + 5] + cells
    assert head_of_run(text, Span(start, len(text))) == head


def test_a_passage_without_cells_needs_no_lines_before_it():
    assert head_of_run("a\nb c\td", Span(2, 5)) == ""


def test_what_is_encoded_for_a_passage_begins_with_its_context_cut_to_its_share():
    document = parse(b"# The old bridge\n\n## Cost and time\n\nIt was cheap.", doc_id="a.md", sha256="")
    (piece,) = cut(document, TOKENS, PassageSettings(50, 5, 0))
    assert piece.heading == "The old bridge › Cost and time"
    assert encoded_text(document, piece, TOKENS, PassageSettings(50, 2, 0)).startswith("The old\n# The old bridge\n")
    assert encoded_text(document, piece, TOKENS, PassageSettings(50, 0, 0)) == document.text


@pytest.mark.parametrize(
    ("doc_id", "title", "heading", "context"),
    [
        ("a.md", "Bridge", "Bridge › Cost", "Bridge › Cost"),
        ("a.html", "Bridges of the world", "Cost", "Bridges of the world › Cost"),
        ("a.txt", "The Forth Bridge", "", "The Forth Bridge"),
        ("forth.txt", "forth", "", ""),
        ("forth.md", "forth", "Cost", "Cost"),
        ("a.html", "A", "About us", "A › About us"),
    ],
)
def test_a_context_is_title_and_headings_and_never_the_files_name(doc_id, title, heading, context):
    assert context_of(doc_id, title, heading) == context


def test_a_document_of_nothing_but_headings_is_cut_in_time():
    document = parse(b"# a\nb\n" * 20_000, doc_id="a.md", sha256="")
    assert len(cut(document, TOKENS, PassageSettings())) == 20_000
