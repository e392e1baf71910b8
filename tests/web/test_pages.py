import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import lxml.html
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from index.errors import CitespanError
from index.records import Span
from qa.requests import MAX_QUESTION
from qa.web import views
from qa.web.app import create_app
from qa.web.problems import HTTP_CODES
from tests.standins import build_engine

_HOSTILE_NAME = "hostile/<b>&\"' ?#%.md"
_LONG_WORD = "Donaudampfschiff" * 40
_FILES: dict[str, str | bytes] = {
    "bridges/forth.md": (
        "# The Forth Bridge\n\nThe Forth Bridge was opened on 4 March 1890 by the Prince of Wales.\n\n"
        "It carries a railway across the Firth of Forth. It is painted in a red of its own.\n"
    ),
    "bridges/old/tay.txt": "The first Tay Bridge fell in a storm in December 1879 while a train was on it.\n",
    "unicode/emoji.md": "# 🌱 Newsletter 🌱\r\n\r\n🌱🐝 Bees gave 73 kilograms of honey 🍯 last summer.\r\n\r\nWasps gave none.\r\n",
    "unicode/hebrew.txt": "הגשר נפתח בשנת 1890 בסקוטלנד.\nשאר הטקסט עוסק בדברים אחרים.\n",
    _HOSTILE_NAME: (
        "# <script>alert('title')</script>\n\n"
        '<img src="x" onerror="alert(1)"> Wombats dig long burrows </blockquote></mark><script>alert(2)</script>.\n\n'
        f"{_LONG_WORD}\n"
    ),
    "page.html": "<title>Saved page</title><main><h1>Saved page</h1><p>Owls hunt quietly at night.</p></main>",
    "broken.txt": b"\x00\x01\x02binary",
    "picture.png": b"\x89PNG",
}
_ANSWERED = "When was the Forth Bridge opened?"
_UNANSWERED = "Quelle heure?"
_HOSTILE_QUESTION = "<script>Wombats dig long burrows"
_PAGES = {
    "start": "/",
    "start within a folder": "/?path=bridges&media_type=text/markdown&k=3",
    "answers": "/?" + urlencode({"q": _ANSWERED}),
    "hostile answers": "/?" + urlencode({"q": _HOSTILE_QUESTION}),
    "no answer": "/?" + urlencode({"q": _UNANSWERED}),
    "explained answers": "/?" + urlencode({"q": _ANSWERED, "explain": "1"}),
    "explained hostile answers": "/?" + urlencode({"q": _HOSTILE_QUESTION, "explain": "1"}),
    "explained silence": "/?" + urlencode({"q": _UNANSWERED, "explain": "1", "max_risk": "0.1"}),
    "nothing found": "/?" + urlencode({"q": _ANSWERED, "path": "nowhere"}),
    "refused": "/?q=",
    "refused with several filters": "/?q=x&k=0&path=a&path=b&media_type=text/html&media_type=x/y",
    "documents": "/documents",
    "documents of a folder": "/documents?path=bridges/old",
    "documents of no folder": "/documents?path=nowhere",
    "documents after an update": "/documents?updated=7&changes=2",
    "document": "/documents/bridges/forth.md",
    "document with a span": "/documents/unicode/emoji.md?start=19&end=40",
    "hostile document": "/documents/" + quote(_HOSTILE_NAME) + "?start=2&end=30",
    "unknown document": "/documents/nowhere.md",
    "feedback": "/feedback",
    "feedback after one was taken back": "/feedback?taken_back=1",
    "error codes": "/errors",
    "unknown page": "/nowhere",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with closing(build_engine(tmp_path_factory.mktemp("pages"), _FILES)) as engine:
        client = create_app(engine).test_client()
        for question in (_ANSWERED, _HOSTILE_QUESTION):
            _judge(client, question)
        yield client


def _judge(client: FlaskClient, question: str) -> None:
    response = client.get("/api/v1/ask", query_string={"question": question}).get_json()
    answer = response["answers"][0]
    place = {name: answer["citation"][name] for name in ("doc_id", "start", "end")}
    said = {"verdict": "wrong", "corrected": question, "comment": question, "index_version": response["index_version"]}
    kept = client.post(
        "/api/v1/feedback", json={"question": question, "answer": answer["text"], "citation": place, **said}
    )
    assert kept.status_code == 201


def _tree(response: TestResponse) -> lxml.html.HtmlElement:
    return lxml.html.document_fromstring(response.text)


def _one(tree: lxml.html.HtmlElement, selector: str) -> lxml.html.HtmlElement:
    (element,) = tree.xpath(selector)
    assert isinstance(element, lxml.html.HtmlElement)
    return element


# What every page is


@pytest.mark.parametrize("path", _PAGES.values(), ids=_PAGES)
def test_every_page_has_one_heading_a_title_a_language_and_its_landmarks(client, path):
    tree = _tree(client.get(path))
    assert len(tree.xpath("//h1")) == 1
    assert _one(tree, "//h1").text_content().strip()
    assert _one(tree, "//title").text_content().strip()
    assert _one(tree, "/html").get("lang") == "en"
    assert len(tree.xpath("//main")) == len(tree.xpath("//body/header")) == len(tree.xpath("//body/footer")) == 1


@pytest.mark.parametrize("path", _PAGES.values(), ids=_PAGES)
def test_no_page_holds_a_script_or_a_style_of_its_own(client, path):
    response = client.get(path)
    assert "<script" not in response.text
    assert not re.search(r"<[^>]*\s(style|on\w+)=", response.text)
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", _PAGES.values(), ids=_PAGES)
def test_every_control_of_every_page_has_a_label(client, path):
    tree = _tree(client.get(path))
    for control in tree.xpath("//input[not(@type='hidden')] | //select | //textarea"):
        assert _one(tree, f"//label[@for='{control.get('id')}']").text_content().strip()


@pytest.mark.parametrize("path", _PAGES.values(), ids=_PAGES)
def test_no_page_gives_an_id_twice(client, path):
    ids = _tree(client.get(path)).xpath("//@id")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", _PAGES.values(), ids=_PAGES)
def test_every_link_of_every_page_leads_somewhere(client, path):
    tree = _tree(client.get(path))
    for link in {str(href) for href in tree.xpath("//a/@href | //link/@href | //img/@src")}:
        parts = urlsplit(link)
        # A response holds its file open where it is one of the static ones.
        with client.get(f"{parts.path}?{parts.query}" if parts.path else path) as target:
            assert target.status_code == 200 or not parts.path, link
            if parts.fragment:
                assert _tree(target).xpath(f"//*[@id='{parts.fragment}']"), link


def test_a_page_asked_by_another_name_than_its_own_tells_that_name(client):
    response = client.get("/?question=When%3F")
    assert response.status_code == 400
    assert "known are q, k, path" in response.get_data(as_text=True)


def test_states_can_be_told_apart_by_their_titles(client):
    states = (
        *("start", "answers", "no answer", "nothing found", "refused"),
        *("documents", "document", "feedback", "unknown page"),
    )
    titles = {_one(_tree(client.get(_PAGES[state])), "//title").text for state in states}
    assert len(titles) == len(states)


# Answers


@pytest.mark.parametrize(
    "question",
    [_ANSWERED, "Bees gave 73 kilograms of honey?", "הגשר נפתח בשנת 1890 בסקוטלנד", "Wombats dig long burrows"],
)
def test_the_marked_quote_is_exactly_the_cited_characters(client, question):
    response = client.get("/api/v1/ask", query_string={"question": question}).json
    quotes = [answer["citation"]["quote"] for answer in response["answers"]]
    marks = [mark.text_content() for mark in _tree(client.get("/", query_string={"q": question})).xpath("//mark")]
    assert quotes
    assert marks == quotes


def test_a_quote_is_marked_inside_its_whole_passage(client):
    response = client.get("/api/v1/ask", query_string={"question": _ANSWERED}).json
    rank = response["answers"][0]["passage_rank"]
    passage = next(passage for passage in response["passages"] if passage["rank"] == rank)
    block = _tree(client.get(_PAGES["answers"])).xpath("//blockquote")[0]
    assert block.text_content() == passage["text"]
    before = response["answers"][0]["citation"]["start"] - passage["start"]
    assert (block.text or "") == passage["text"][:before]


def test_an_answer_names_its_document_its_line_and_its_confidence(client):
    article = _tree(client.get(_PAGES["answers"])).xpath("//article")[0]
    assert _one(article, ".//h2/a").text_content() == "The Forth Bridge"
    assert _one(article, ".//*[@class='path']").text_content() == "bridges/forth.md:3"
    assert re.fullmatch(r"(High|Fair|Low) confidence, \d{1,2}%", article.xpath(".//p")[0].text_content())


def test_an_answer_links_to_its_span_in_its_document(client):
    (mark,) = _tree(client.get(_PAGES["answers"])).xpath("(//article)[1]//mark")
    link = _tree(client.get(_PAGES["answers"])).xpath("(//article)[1]//h2/a/@href")[0]
    assert link.endswith("#span")
    assert _one(_tree(client.get(link.removesuffix("#span"))), "//mark").text_content() == mark.text_content()


def test_an_answer_is_explained_on_demand(client):
    assert not _tree(client.get("/?" + urlencode({"q": _ANSWERED}))).xpath("//*[@id='why']")
    (why,) = _tree(client.get(_PAGES["explained answers"])).xpath("//section[@aria-labelledby='why']")
    text = " ".join(why.text_content().split())
    assert "Answers are given from a confidence of 50.0 % on, which is the reader’s own threshold" in text
    assert why.xpath(".//a[contains(@href, 'forth.md?start=')]")


def test_a_silence_is_explained_on_demand(client):
    (why,) = _tree(client.get(_PAGES["explained silence"])).xpath("//section[@aria-labelledby='why']")
    text = " ".join(why.text_content().split())
    assert "from a confidence of 90.0 % on, from which on no more answers are wrong than was asked for" in text
    assert "The best candidate, “" in text


def test_how_seldom_answers_may_be_wrong_is_chosen_in_the_form(client):
    found = _tree(client.get("/?" + urlencode({"q": _ANSWERED, "max_risk": "0.1"})))
    assert found.xpath("//select[@name='max_risk']/option[@selected]/@value") == ["0.1"]
    assert found.xpath("//select[@name='max_risk']/option/@value") == ["", "0.05", "0.1", "0.5"]
    assert found.xpath("//details[@open]")


def test_the_same_answer_elsewhere_is_linked(tmp_path: Path):
    sentence = "The bridge opened in 1890."
    with closing(build_engine(tmp_path, {"a.txt": f"{sentence} It is long.", "b.txt": f"Iron. {sentence}"})) as engine:
        found = _tree(create_app(engine).test_client().get("/?q=When+was+the+bridge+opened%3F"))
    (elsewhere,) = found.xpath("//p[@class='elsewhere']")
    assert "Also in" in elsewhere.text_content()
    assert elsewhere.xpath("./a/@href")


def test_each_passage_is_shown_once_be_it_quoted_or_only_read(client):
    response = client.get("/api/v1/ask", query_string={"question": _ANSWERED}).json
    quoted = {answer["passage_rank"] for answer in response["answers"]}
    others = [passage["text"] for passage in response["passages"] if passage["rank"] not in quoted]
    shown = _tree(client.get(_PAGES["answers"])).xpath("//ol[@class='passages']//blockquote")
    assert others
    assert [block.text_content() for block in shown] == others


def test_passages_show_their_ranks_by_meaning_and_by_words(client):
    passages = client.get("/api/v1/ask", query_string={"question": _UNANSWERED}).json["passages"]
    shown = [
        [dd.text_content() for dd in ranks.xpath(".//dd")]
        for ranks in _tree(client.get(_PAGES["no answer"])).xpath("//dl[@class='ranks']")
    ]
    assert shown == [
        [str(passage["dense_rank"] or "not found"), str(passage["lexical_rank"] or "not found"), str(passage["rank"])]
        for passage in passages
    ]


def test_documents_that_do_not_say_are_a_page_with_the_nearest_passages(client):
    response = client.get(_PAGES["no answer"])
    assert response.status_code == 200
    assert _one(_tree(response), "//h1").text == "The documents do not say."
    assert "Nearest passages" in response.text


def test_a_filter_that_excludes_everything_says_so_and_offers_to_ask_without_it(client):
    tree = _tree(client.get(_PAGES["nothing found"]))
    assert _one(tree, "//h1").text == "Nothing was found there."
    assert tree.xpath("//section//a[text()='Ask all documents']/@href") == [_PAGES["answers"]]


def test_the_fields_that_a_form_sends_empty_do_not_restrict(client):
    full = client.get(_PAGES["answers"] + "&k=&path=&media_type=")
    assert full.status_code == 200
    assert _tree(full).xpath("//mark")


def test_a_path_restricts_the_answers(client):
    tree = _tree(client.get(_PAGES["answers"] + "&path=bridges/old"))
    places = tree.xpath("//main//*[@class='path']/text()")
    assert places
    assert all(place.startswith("bridges/old/") for place in places)


def test_the_form_keeps_what_was_sent(client):
    tree = _tree(client.get("/?q=a%22%3E%3Cb%3E&k=0&path=a&path=b&media_type=x%2Fy"))
    assert _one(tree, "//input[@name='q']").get("value") == 'a"><b>'
    assert _one(tree, "//input[@name='k']").get("value") == "0"
    assert tree.xpath("//input[@name='path']/@value") == ["a", "b"]
    assert tree.xpath("//option[@selected]/@value") == ["x/y"]
    assert tree.xpath("//details/@open")


def test_a_nul_nobody_can_see_is_not_put_back_into_the_box(client):
    assert _one(_tree(client.get("/?q=a%00b")), "//input[@name='q']").get("value") == "ab"


def test_the_kinds_of_file_to_choose_from_are_those_of_the_index(client):
    assert _tree(client.get("/")).xpath("//select[@name='media_type']/option/@value") == [
        "",
        "text/html",
        "text/markdown",
        "text/plain",
    ]


def test_the_question_box_has_the_focus_on_the_start_page_only(client):
    assert _tree(client.get("/")).xpath("//input[@autofocus]/@name") == ["q"]
    assert not _tree(client.get(_PAGES["answers"])).xpath("//*[@autofocus]")


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.0, "Low confidence, 1%"),
        (0.449, "Low confidence, 45%"),
        (0.45, "Fair confidence, 45%"),
        (0.75, "High confidence, 75%"),
        (1.0, "High confidence, 99%"),
    ],
)
def test_a_confidence_is_told_in_words_and_per_cent_and_is_never_certain(probability, words):
    assert views.confidence(probability) == words


@given(st.text(), st.data())
def test_a_text_cut_by_a_span_is_whole_and_marks_the_span(text, data):
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    cut = views.MarkedText.of(text, Span(start, end))
    assert cut.before + cut.marked + cut.after == text
    assert (len(cut.before), len(cut.marked)) == (start, end - start)


# Bad input


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/?q=", 400, "question_empty"),
        ("/?q=%20%09%0A", 400, "question_empty"),
        ("/?q=&path=bridges", 400, "question_empty"),
        ("/?q=" + "a" * (MAX_QUESTION + 1), 400, "question_too_long"),
        ("/?q=a%00b", 400, "text_invalid"),
        ("/?q=x&k=0", 400, "parameter_invalid"),
        ("/?q=x&k=-1", 400, "parameter_invalid"),
        ("/?q=x&k=51", 400, "parameter_invalid"),
        ("/?q=x&k=1000000000", 400, "parameter_invalid"),
        ("/?q=x&k=abc", 400, "parameter_invalid"),
        ("/?q=x&k=5.5", 400, "parameter_invalid"),
        ("/?q=x&k=3&k=4", 400, "parameter_invalid"),
        ("/?q=x&q=y", 400, "parameter_invalid"),
        ("/?q=x&path=../etc", 400, "parameter_invalid"),
        ("/?q=x&path=/etc", 400, "parameter_invalid"),
        ("/?q=x&sort=up", 400, "parameter_unknown"),
        ("/?question=x", 400, "parameter_unknown"),
        ("/documents?order=up", 400, "parameter_unknown"),
        ("/documents?path=../..", 400, "parameter_invalid"),
        ("/documents?path=a%00b", 400, "text_invalid"),
        ("/documents?page=two", 400, "parameter_invalid"),
        ("/documents?page=9999999999999", 400, "parameter_invalid"),
        ("/documents?updated=<b>", 400, "parameter_invalid"),
        ("/documents/nowhere.md", 404, "document_unknown"),
        ("/documents/..%2fserve.py", 404, "document_unknown"),
        ("/documents/..%2f..%2f..%2fetc%2fpasswd", 404, "document_unknown"),
        ("/documents/bridges%2F..%2Fpage.html", 404, "document_unknown"),
        ("/documents/a%00b", 404, "document_unknown"),
        ("/documents/%ff%fe", 404, "document_unknown"),
        ("/documents/update", 404, "document_unknown"),
        ("/documents/page.html?start=0", 400, "parameter_invalid"),
        ("/documents/page.html?end=3", 400, "parameter_invalid"),
        ("/documents/page.html?start=a&end=3", 400, "parameter_invalid"),
        ("/documents/page.html?start=-1&end=3", 400, "parameter_invalid"),
        ("/documents/page.html?start=%EF%BC%91&end=3", 400, "parameter_invalid"),
        ("/documents/page.html?start=3&end=2", 400, "parameter_invalid"),
        ("/documents/page.html?start=3&end=3", 400, "parameter_invalid"),
        ("/documents/page.html?start=0&end=1000", 404, "span_unknown"),
        ("/documents/page.html?start=1000&end=1001", 404, "span_unknown"),
        ("/documents/page.html?span=1", 400, "parameter_unknown"),
        ("/errors?x=1", 400, "parameter_unknown"),
        ("/nowhere", 404, "not_found"),
    ],
)
def test_bad_input_is_told_by_its_status_and_its_code_on_a_page(client, path, status, code):
    response = client.get(path)
    assert response.status_code == status
    assert response.mimetype == "text/html"
    assert _one(_tree(response), "//footer//code").text == code


def test_a_question_that_cannot_be_used_leaves_the_form_on_the_page(client):
    for path in ("/?q=", "/?q=x&k=0", "/?q=a%00b", "/?q=x&sort=up"):
        assert _tree(client.get(path)).xpath("//form[@role='search']"), path


# Documents


@pytest.mark.parametrize("doc_id", [name for name in _FILES if not name.startswith(("broken", "picture"))])
def test_a_document_is_shown_whole_by_the_link_of_the_list(client, doc_id):
    links = _tree(client.get("/documents")).xpath("//table//a/@href")
    text = client.get(f"/api/v1/documents/{quote(doc_id)}").json["text"]
    (link,) = [link for link in links if link == f"/documents/{quote(doc_id)}"]
    assert _one(_tree(client.get(link)), "//div[contains(@class, 'text')]").text_content() == text


@pytest.mark.parametrize("doc_id", ["bridges/forth.md", "unicode/emoji.md", "unicode/hebrew.txt", _HOSTILE_NAME])
@pytest.mark.parametrize("span", [(0, 1), (2, 9), (11, 30), (20, -1)])
def test_the_highlight_of_a_document_is_its_span(client, doc_id, span):
    text = client.get(f"/api/v1/documents/{quote(doc_id)}").json["text"]
    start, end = span[0], span[1] if span[1] > 0 else len(text)
    tree = _tree(client.get(f"/documents/{quote(doc_id)}?start={start}&end={end}"))
    mark = _one(tree, "//mark[@id='span']")
    assert mark.text_content() == text[start:end]
    assert (mark.getparent().text or "") == text[:start]
    assert (mark.tail or "") == text[end:]


def test_a_document_as_long_as_a_book_is_shown_whole(tmp_path: Path):
    text = "The sea was calm and the sky was grey.\n" * 10_000 + "Then the whale came.\n"
    with closing(build_engine(tmp_path, {"whale.txt": text})) as engine:
        client = create_app(engine).test_client()
        tree = _tree(client.get(f"/documents/whale.txt?start={len(text) - 21}&end={len(text) - 1}"))
    assert _one(tree, "//mark").text == "Then the whale came."
    assert _one(tree, "//div[@class='text plain']").text_content() == text


def test_a_document_without_a_span_has_no_mark(client):
    assert not _tree(client.get("/documents/bridges/forth.md")).xpath("//mark")


def test_a_document_leads_to_asking_it_only(client):
    (link,) = _tree(client.get("/documents/bridges/old/tay.txt")).xpath("//p[@class='actions']/a/@href")
    assert _one(_tree(client.get(link)), "//input[@name='path']").get("value") == "bridges/old/tay.txt"


def test_the_list_names_every_document_and_every_file_that_is_left_out(client):
    tree = _tree(client.get("/documents"))
    paths = tree.xpath("//table//*[@class='path']/text()")
    assert paths == sorted(name for name in _FILES if name not in ("broken.txt", "picture.png"))
    assert tree.xpath("//section[h2/@id='failed']//*[@class='path']/text()") == ["broken.txt"]
    assert tree.xpath("//section[h2/@id='failed']//code/text()") == ["file_undecodable"]
    assert tree.xpath("//section[h2/@id='skipped']//*[@class='path']/text()") == ["picture.png"]


def test_the_list_of_a_folder_holds_what_is_below_it_and_nothing_beside_it(client):
    tree = _tree(client.get("/documents?path=bridges"))
    assert tree.xpath("//table//*[@class='path']/text()") == ["bridges/forth.md", "bridges/old/tay.txt"]
    assert tree.xpath("//ul[@class='folders']//a/@href") == ["/documents?path=bridges%2Fold"]
    assert not _tree(client.get("/documents?path=bridge")).xpath("//table")


def test_a_long_list_has_pages_that_hold_each_document_once(client, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 2)
    seen, link = [], "/documents"
    while link:
        tree = _tree(client.get(link))
        seen += tree.xpath("//table//*[@class='path']/text()")
        link = "".join(tree.xpath("//a[@rel='next']/@href"))
    assert seen == sorted(name for name in _FILES if name not in ("broken.txt", "picture.png"))


def test_a_page_after_the_last_names_the_last(client):
    response = client.get("/documents?page=7")
    assert response.status_code == 200
    assert "There is no page 7" in response.text


def test_updating_takes_in_what_is_new_and_leads_back_to_the_list(tmp_path: Path):
    with closing(build_engine(tmp_path, {"a.md": "Owls hunt at night."})) as engine:
        client = create_app(engine).test_client()
        (tmp_path / "documents" / "b.md").write_text("Larks sing at dawn.")
        response = client.post("/documents/update", headers={"Origin": "http://localhost"})
        assert response.status_code == 303
        tree = _tree(client.get(response.headers["Location"]))
        assert tree.xpath("//table//*[@class='path']/text()") == ["a.md", "b.md"]
        assert _one(tree, "//*[@role='status']").text == "The index is up to date: 1 change, version 2."


def test_another_site_cannot_start_an_update(client):
    assert client.post("/documents/update", headers={"Origin": "http://elsewhere.example"}).status_code == 403


def test_an_empty_index_says_what_to_do(tmp_path: Path):
    with closing(build_engine(tmp_path, {})) as engine:
        client = create_app(engine).test_client()
        assert "Nothing is indexed yet" in client.get("/").text
        assert "No document is indexed yet" in client.get("/documents").text
        assert _one(_tree(client.get("/?q=owls")), "//h1").text == "Nothing was found."


# Error codes


def _codes(class_: type[CitespanError]) -> Iterator[str]:
    for child in class_.__subclasses__():
        yield child.code
        yield from _codes(child)


def test_every_error_code_is_explained_once(client):
    tree = _tree(client.get("/errors"))
    ids = tree.xpath("//dl/div/@id")
    assert sorted(ids) == sorted({*_codes(CitespanError), *HTTP_CODES.values(), "http_error"})
    assert all(dd.text_content().strip() for dd in tree.xpath("//dl/div/dd"))


def test_the_type_of_a_problem_leads_to_its_explanation(client):
    problem = client.get("/api/v1/ask?question=").json
    page, _, fragment = problem["type"].partition("#")
    assert "There is no question" in _one(_tree(client.get(page)), f"//*[@id='{fragment}']").text_content()
