import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import FileError, NoText, UndecodableFile, UnsupportedType
from index.parsing import FORMATS, parse
from index.records import Span


def parsed(content, doc_id="page.html"):
    return parse(content if isinstance(content, bytes) else content.encode(), doc_id=doc_id, sha256="")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("naïve café".encode(), "naïve café"),
        ("naïve café".encode("utf-8-sig"), "naïve café"),
        ("naïve café".encode("utf-16"), "naïve café"),
        ("naïve café".encode("utf-32"), "naïve café"),
        (b"one\r\ntwo\rthree\n", "one\ntwo\nthree\n"),
        (
            "Les élèves étaient déjà arrivés à l'école où l'été s'achève. Ça a été très gêné.".encode("cp1252"),
            "Les élèves étaient déjà arrivés à l'école où l'été s'achève. Ça a été très gêné.",
        ),
        (
            "Żółta łódź płynie powoli po rzece, gdyż dzień jest piękny i ciepły.".encode("cp1250"),
            "Żółta łódź płynie powoli po rzece, gdyż dzień jest piękny i ciepły.",
        ),
        (
            "Мост был открыт в тысяча восемьсот девяностом году после семи лет работ.".encode("cp1251"),
            "Мост был открыт в тысяча восемьсот девяностом году после семи лет работ.",
        ),
    ],
)
def test_text_is_decoded_by_mark_by_validity_or_by_guess_and_its_line_ends_are_one(content, text):
    assert parsed(content, "a.txt").text == text


@pytest.mark.parametrize("content", [b"\x00\x01\x02binary\x00", b"text\x00more"])
def test_binary_data_is_refused(content):
    with pytest.raises(UndecodableFile, match="binary"):
        parsed(content, "a.txt")


@pytest.mark.parametrize("doc_id", ["a.txt", "a.md", "a.html"])
@pytest.mark.parametrize("content", [b"", b" \n\t\r\n"])
def test_a_file_without_text_is_said_to_be_empty(doc_id, content):
    with pytest.raises(NoText):
        parsed(content, doc_id)


def test_a_type_without_parser_is_refused_with_the_list_of_those_that_have_one():
    with pytest.raises(UnsupportedType, match=r"\.txt, \.md"):
        parsed("x", "a.exe")


@given(content=st.binary(max_size=400), suffix=st.sampled_from(sorted(FORMATS)))
def test_any_bytes_are_a_document_or_a_file_error(content, suffix):
    try:
        document = parse(content, doc_id="a" + suffix, sha256="")
    except FileError:
        return
    document.text.encode()  # no lone surrogates
    assert document.text.strip()
    assert "\r" not in document.text
    assert "\0" not in document.text
    assert all(0 <= heading.start < len(document.text) for heading in document.headings)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("The Forth Bridge\n\nIt opened in 1890.", "The Forth Bridge"),
        ("The Forth Bridge\n================\nIt opened.", "The Forth Bridge"),
        ("It opened in 1890.\nIt is long.", "a"),
        ("x" * 200 + "\n\nlong first line", "a"),
        ("It opened in 1890.", "a"),
        ("It opened in 1890.\n\nIt is long.", "a"),
    ],
)
def test_a_plain_text_is_titled_by_a_first_line_that_stands_alone(text, title):
    assert parsed(text, "a.txt").title == title


MARKDOWN = """---
title: "Front *page*"
date: 2022-02-07
---

# The *Observatory* `OBS`

Intro.

```sh
# not a heading
```

Rules
-----

## Inner

Text.
"""


def test_the_canonical_text_of_markdown_is_the_file_itself():
    assert parsed(MARKDOWN, "a.md").text == MARKDOWN


def test_headings_are_those_of_the_markdown_grammar():
    document = parsed(MARKDOWN, "a.md")
    assert [(heading.level, heading.title) for heading in document.headings] == [
        (1, "The Observatory OBS"),
        (2, "Rules"),
        (2, "Inner"),
    ]
    assert [document.text[heading.start :].split("\n")[0] for heading in document.headings] == [
        "# The *Observatory* `OBS`",
        "Rules",
        "## Inner",
    ]


def test_a_markdown_title_is_the_front_matters_then_the_first_main_headings_then_the_files():
    assert parsed(MARKDOWN, "a.md").title == "Front *page*"
    assert parsed("intro\n\n# Main\n\n# Other", "a.md").title == "Main"
    assert parsed("just text", "notes/b.md").title == "b"


PAGE = """<!doctype html>
<html><head><title>Museum &amp; Co</title><style>p { color: red }</style></head>
<body>
<nav><a href="/">Home</a></nav>
<header>Site name</header>
<main>
<header><h1>Museum of  Measures</h1></header>
<p>Open <em>daily</em>&nbsp;from
   10 to 17, caf&eacute; <a href="x">closed</a>.</p>
<script>alert("no")</script>
<ul><li>Adults: 8&nbsp;€</li><li>Children: free</li></ul>
<table><tr><th>Day</th><th>Hours</th></tr><tr><td>Monday</td><td>closed</td></tr></table>
<pre>a
  b</pre>
<p>one<br>two</p>
<div hidden>secret</div>
<aside>Related articles</aside>
</main>
<footer>Copyright</footer>
</body></html>"""


def test_the_text_of_a_page_is_what_a_reader_of_its_content_sees():
    assert parsed(PAGE).text == (
        "Museum of Measures\n\n"
        "Open daily\xa0from 10 to 17, café closed.\n\n"
        "Adults: 8\xa0€\nChildren: free\n\n"
        "Day\tHours\nMonday\tclosed\n\n"
        "a\n  b\n\n"
        "one\ntwo"
    )


def test_a_page_has_its_main_headings_title_and_its_source_lines():
    document = parsed(PAGE)
    assert document.title == "Museum of Measures"
    assert [(heading.start, heading.level, heading.title) for heading in document.headings] == [
        (0, 1, "Museum of Measures")
    ]
    lines = {
        word: document.line_of(document.text.index(word)) for word in ("Open", "10", "Children", "Hours", "  b", "two")
    }
    assert lines == {"Open": 8, "10": 9, "Children": 11, "Hours": 12, "  b": 14, "two": 15}


def test_a_page_without_main_part_keeps_its_body_without_the_furniture():
    document = parsed("<title>T</title><body><nav>Menu</nav><p>Text.</p><footer>Foot</footer></body>")
    assert (document.text, document.title) == ("Text.", "T")


def test_a_heading_points_at_its_own_first_character():
    document = parsed("<p>Intro.</p><h2> The <em>size</em> </h2><p>Big.</p>")
    (heading,) = document.headings
    assert document.text[heading.start :].startswith("The size\n")


@pytest.mark.parametrize(
    "page",
    [
        "<p>unclosed <b>bold <i>both</b> text",
        "<?xml version='1.0' encoding='iso-8859-1'?><html><body><p>unclosed bold both text</p></body></html>",
        "<div>" * 2000 + "unclosed bold both text",
        "<p>unclosed\x0cbold both text",
    ],
)
def test_broken_deep_and_odd_pages_give_their_text(page):
    assert parsed(page).text == "unclosed bold both text"


def test_a_page_that_the_parser_gives_up_on_is_refused_and_not_indexed_in_part():
    with pytest.raises(UndecodableFile, match="Excessive depth"):
        parsed("<p>start</p>" + "<div>" * 5000 + "end")


@pytest.mark.parametrize(
    "page",
    [
        "<div>Content.</div><aside><article>Teaser</article></aside>",
        "<div>Content.</div><main hidden>Old</main>",
        "<form><input value=x><div>Content.</div><button>Send</button></form>",
        "<main>Content.</main><p>Outside</p>",
        "<div>Content.</div><div class='page cookie-banner'>We use cookies</div><p class=consent>Agree</p>",
        "<div role=main>Content.</div><p>Outside</p>",
        "<title>T</title><main>Content.</main>",
        "<title>T</title><section>Content.</section>",
    ],
)
def test_the_content_of_a_page_is_kept_and_what_is_around_it_is_not(page):
    assert parsed(page).text == "Content."


def test_a_section_on_consent_is_no_cookie_notice():
    assert (
        parsed("<section class=consent><h2>Consent</h2><p>You may refuse.</p></section>").text
        == "Consent\n\nYou may refuse."
    )


def test_text_that_is_laid_out_keeps_its_lines_and_they_are_counted():
    document = parsed("<p>x</p>\n<pre>a\n\n  b&#13;c\n</pre>\n<p>tail</p>")
    assert document.text == "x\n\na\n\n  b\nc\n\ntail"
    assert document.line_of(document.text.index("b")) == 4


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (b"<meta charset=iso-8859-1><p>\x93caf\xe9\x94 \x96 8 \x80", "“café” – 8 €"),
        (b"<meta charset='utf-16'><p>plain", "plain"),
        ("<meta charset=gb2312><p>\u4e2d\u6587\u9555".encode("gb18030"), "\u4e2d\u6587\u9555"),
    ],
)
def test_a_declared_encoding_means_what_browsers_take_it_for(page, text):
    assert parsed(page).text == text


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("<tr><th><th>Adult<th>Child<tr><td>Monday<td>£3<td>£2", "\tAdult\tChild\nMonday\t£3\t£2"),
        ("<tr><td>a<td> <td>c<tr><td>d<td>e<td>f", "a\t\tc\nd\te\tf"),
        ("<tr><td>a<td><td><tr><td>b<td>c<td>d", "a\t\t\nb\tc\td"),
        ("<tr><td><td><td><tr><td>b<td>c<td>d", "b\tc\td"),
        ("<tr><td>a<td><td><tr><td><td><td><tr><td>b<td>c<td>d", "a\t\t\nb\tc\td"),
        ("<tr><td>a<td colspan=2>c<tr><td colspan=3>d", "a\tc\t\nd\t\t"),
        ("<thead><tr><th>a<th>b<tbody><tr><td>c<td>d<tfoot><tr><td>e<td>f", "a\tb\nc\td\ne\tf"),
        ("<tr><td>a<br><td>b<br><td>c<br><tr><td>d<td>e", "a\tb\tc\nd\te"),
        ("<tr><td><p>a</p><td><p>b</p><td><tr><td><p>c</p><td><td><p>d</p>", "a\tb\t\nc\t\td"),
        ("<tr><td><p>a</p><p>b</p><td>c<tr><td>d<td>e", "a\n\nb\tc\nd\te"),
        ("<tr><td>a<td><h2>b</h2><p>c</p><ul><li>d</ul><td>e", "a\n\nb\n\nc\n\nd\n\ne"),
        ("<tr><td colspan=3><table><tr><td>a<td>b<tr><td>c<td></table><tr><td>d<td>e", "a\tb\nc\t\n\nd\te"),
        ("<tr><td>a<td>b</table><table><tr><td>c<td>d", "a\tb\n\nc\td"),
        ("<tr><th aria-hidden=true>#<th>b<tr><td>1<td>d", "\tb\n1\td"),
        ("<tr><th hidden>#<th>b<th>c<tr><td hidden>1<td>d<td>e", "b\tc\nd\te"),
        ("<tr><td colspan=2>a<td>c<tr><td>d<td>e<td>f", "a\t\tc\nd\te\tf"),
        ("<tr><td colspan=x>a<td colspan=-1>b<td colspan=' ²'>c<td colspan=0>d<td>e", "a\tb\tc\td\te"),
        ("<tr><td><b>a</b> b<td><i>c</i>", "a b\tc"),
        ("<tr><td>a<td><table><tr><td>b<td><td>c</table><td>d<tr><td>e<td>f", "a\n\nb\t\tc\n\nd\ne\tf"),
    ],
)
def test_a_cells_place_in_its_row_tells_its_column(rows, text):
    assert parsed(f"<p>Prices<table>{rows}</table><p>End".encode()).text == f"Prices\n\n{text}\n\nEnd"


def test_a_table_that_begins_or_ends_a_page_keeps_its_empty_cells():
    page = "<table><tr><th><th>Adult<th>Child<tr><td>Mon<td>3<td>2<tr><td>Sun<td>4<td></table>"
    assert parsed(page).text == "\tAdult\tChild\nMon\t3\t2\nSun\t4\t"


def test_a_row_without_a_table_or_a_table_without_rows_glues_no_words_together():
    assert parsed(b"<p>a<table><td>b<td>c</table>d").text == "a\n\nb\tc\n\nd"
    assert parsed(b"<p>a<tr><td>b<td>c<p>d").text == "a\n\nb\tc\n\nd"


def test_cells_that_claim_many_columns_write_few_tabs():
    text = parsed(b"<p>a<table><tr>" + b"<td colspan=9999>" * 5000 + b"b</table>").text
    assert text.split() == ["a", "b"]
    assert text.count("\t") <= 200


@pytest.mark.parametrize("declared", ["undefined", "utf-7", "unicode_escape", "no-such-encoding", "base64"])
def test_a_declared_encoding_that_cannot_be_does_no_harm(declared):
    document = parsed(f"<meta charset='{declared}'><p>caf\u00e9 \\ud800 +2AA-".encode())
    document.text.encode()
    assert "caf" in document.text


def test_a_declared_encoding_is_used():
    page = "<meta charset='iso-8859-2'><p>Łódź leży w Polsce".encode("iso-8859-2")
    assert parsed(page).text == "Łódź leży w Polsce"


@given(st.lists(st.sampled_from(["<p>", "</p>", "<b>", "</b>", "<br>", "a", " ", "\n", "&amp;", "<li>", "<pre>", "é"])))
def test_the_words_of_a_page_survive_in_order_whatever_the_markup(parts):
    try:
        text = parsed("<body>" + "".join(parts)).text
    except NoText:
        text = ""
    words = "".join(part for part in parts if part in ("a", "é", "&amp;")).replace("&amp;", "&")
    assert "".join(text.split()) == words


def test_spans_of_a_parsed_page_quote_it_exactly():
    document = parsed("<p>Prices: 😀 8 € for adults.</p>")
    start = document.text.index("8 €")
    assert Span(start, start + 3).of(document.text) == "8 €"
