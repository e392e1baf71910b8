import json
import re
from contextlib import closing
from urllib.parse import parse_qs, urlencode, urlsplit

import lxml.html
import pytest

from qa.feedback import MAX_TEXT
from qa.web import views
from qa.web.app import create_app
from tests.standins import build_engine, write_files

FILES = {
    "news/bridge.md": "# Bridge 😀\n\nThe bridge opened in 1890. It is long.\n\n## Cost\n\nIt cost three million.",
    "lines.txt": "Owls hunt\nquietly at night. They sleep by day.",
    "tower.txt": "The tower opened in 1889. It is made of iron.",
}
ANSWERED = "When was the bridge opened?"
UNANSWERED = "Who composed xylophone zarzuelas?"


@pytest.fixture
def engine(tmp_path):
    with closing(build_engine(tmp_path, FILES)) as engine:
        yield engine


@pytest.fixture
def client(engine):
    return create_app(engine).test_client()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index" / "feedback.db"


def body_for(client, question=ANSWERED, **said):
    """The body that a program would send of an answer that it was given."""
    response = client.get("/api/v1/ask", query_string={"question": question}).get_json()
    citation = response["answers"][0]["citation"] if response["answers"] else None
    return {
        "question": question,
        "verdict": "right",
        "answer": response["answers"][0]["text"] if response["answers"] else None,
        "citation": citation and {name: citation[name] for name in ("doc_id", "start", "end")},
        "index_version": response["index_version"],
        **said,
    }


def listed(client, query=""):
    return client.get(f"/api/v1/feedback{query}").get_json()["feedback"]


def tree(response):
    return lxml.html.document_fromstring(response.text)


# The API


def test_what_is_said_of_an_answer_is_kept_with_the_quote_of_the_document(client):
    sent = body_for(client, verdict="wrong", corrected="three million", comment="Not the year.")
    response = client.post("/api/v1/feedback", json=sent)
    kept = response.get_json()
    assert response.status_code == 201
    assert list(kept) == [
        "id",
        "time",
        "question",
        "verdict",
        "answer",
        "citation",
        "passage",
        "corrected",
        "comment",
        "index_version",
        "reader",
        "encoder",
    ]
    assert list(kept["citation"]) == ["doc_id", "start", "end", "quote", "sha256", "url"]
    document = client.get(f"/api/v1/documents/{kept['citation']['doc_id']}").get_json()
    cut = document["text"][kept["citation"]["start"] : kept["citation"]["end"]]
    assert cut == kept["citation"]["quote"] == kept["answer"] == "The bridge opened in 1890."
    assert kept["citation"]["sha256"] == document["sha256"]
    assert {name: kept[name] for name in sent if name != "citation"} == {
        name: sent[name] for name in sent if name != "citation"
    }
    assert (kept["reader"], kept["encoder"], kept["passage"]) == ("overlap", "hashing", None)
    assert listed(client) == [kept]


def test_what_is_said_of_a_silence_is_kept_with_the_passage_that_was_read(client):
    nearest = client.get("/api/v1/ask", query_string={"question": UNANSWERED}).get_json()["passages"][0]
    passage = {name: nearest[name] for name in ("doc_id", "start", "end")}
    for given in ({}, {"passage": None}, {"passage": passage}):
        kept = client.post("/api/v1/feedback", json=body_for(client, UNANSWERED, **given)).get_json()
        assert (kept["answer"], kept["citation"], kept["corrected"]) == (None, None, None)
        assert kept["passage"]["quote"] == nearest["text"]


def test_the_list_is_newest_first_and_goes_on_before_the_last_of_it(client):
    ids = [client.post("/api/v1/feedback", json=body_for(client)).get_json()["id"] for _ in range(4)]
    first = client.get("/api/v1/feedback?limit=3").get_json()
    assert list(first) == ["feedback", "n_feedback"]
    assert ([entry["id"] for entry in first["feedback"]], first["n_feedback"]) == (ids[:0:-1], 4)
    assert [entry["id"] for entry in listed(client, f"?limit=3&before={ids[1]}")] == [ids[0]]


def test_what_is_taken_back_is_told_once_more_and_gone(client):
    kept = client.post("/api/v1/feedback", json=body_for(client)).get_json()
    assert client.delete(f"/api/v1/feedback/{kept['id']}").get_json() == kept
    assert listed(client) == []
    again = client.delete(f"/api/v1/feedback/{kept['id']}")
    assert (again.status_code, again.get_json(force=True)["code"]) == (404, "feedback_unknown")


BAD_BODIES = [
    ({"question": ""}, 400, "question_empty"),
    ({"question": "x" * 10_000}, 400, "question_too_long"),
    ({"question": 5}, 400, "parameter_invalid"),
    ({"question": ...}, 400, "request_invalid"),
    ({"verdict": ...}, 400, "request_invalid"),
    ({"answer": ...}, 400, "request_invalid"),
    ({"index_version": ...}, 400, "request_invalid"),
    ({"verdict": "Right"}, 400, "parameter_invalid"),
    ({"verdict": True}, 400, "parameter_invalid"),
    ({"verdict": ["right"]}, 400, "parameter_invalid"),
    ({"verdict": None}, 400, "parameter_invalid"),
    ({"answer": 1890}, 400, "parameter_invalid"),
    ({"answer": "in 1890"}, 404, "span_unknown"),
    ({"answer": ""}, 404, "span_unknown"),
    ({"answer": None}, 400, "parameter_invalid"),
    ({"citation": ...}, 400, "parameter_invalid"),
    ({"citation": None}, 400, "parameter_invalid"),
    ({"citation": []}, 400, "parameter_invalid"),
    ({"citation": {"doc_id": "tower.txt", "start": 0}}, 400, "request_invalid"),
    ({"citation": {"doc_id": "tower.txt", "start": 0, "end": 5, "quote": "false"}}, 400, "parameter_unknown"),
    ({"citation": {"doc_id": "tower.txt", "start": 0, "end": 5}}, 404, "span_unknown"),
    ({"citation": {"doc_id": "tower.txt", "start": 0, "end": 10**9}}, 404, "span_unknown"),
    ({"citation": {"doc_id": "tower.txt", "start": -1, "end": 5}}, 400, "parameter_invalid"),
    ({"citation": {"doc_id": "tower.txt", "start": 5, "end": 5}}, 400, "parameter_invalid"),
    ({"citation": {"doc_id": "tower.txt", "start": 0.0, "end": 5}}, 400, "parameter_invalid"),
    ({"citation": {"doc_id": "tower.txt", "start": False, "end": 5}}, 400, "parameter_invalid"),
    ({"citation": {"doc_id": "tower.txt", "start": "0", "end": "5"}}, 400, "parameter_invalid"),
    ({"citation": {"doc_id": 7, "start": 0, "end": 5}}, 400, "parameter_invalid"),
    ({"citation": {"doc_id": "nowhere.md", "start": 0, "end": 5}}, 404, "document_unknown"),
    ({"citation": {"doc_id": "/etc/passwd", "start": 0, "end": 5}}, 404, "document_unknown"),
    ({"citation": {"doc_id": "a\ud800", "start": 0, "end": 5}}, 400, "text_invalid"),
    ({"passage": {"doc_id": "tower.txt", "start": 0, "end": 5}}, 400, "parameter_invalid"),
    ({"corrected": "in 1890"}, 400, "parameter_invalid"),
    ({"verdict": "wrong", "corrected": 1890}, 400, "parameter_invalid"),
    ({"verdict": "wrong", "corrected": "x" * (MAX_TEXT + 1)}, 400, "parameter_invalid"),
    ({"verdict": "wrong", "corrected": "nul \0"}, 400, "text_invalid"),
    ({"comment": "x" * (MAX_TEXT + 1)}, 400, "parameter_invalid"),
    ({"comment": "half \ud800"}, 400, "text_invalid"),
    ({"comment": None}, 400, "parameter_invalid"),
    ({"index_version": "3"}, 400, "parameter_invalid"),
    ({"index_version": 3.0}, 400, "parameter_invalid"),
    ({"index_version": -1}, 400, "parameter_invalid"),
    ({"index_version": 10**18}, 400, "parameter_invalid"),
    ({"k": 5}, 400, "parameter_unknown"),
    ({"id": "0"}, 400, "parameter_unknown"),
    ({"quote": "false"}, 400, "parameter_unknown"),
    ({"comment": "x" * 100_000}, 413, "request_too_large"),
]


@pytest.mark.parametrize(("said", "status", "code"), BAD_BODIES, ids=lambda value: str(value)[:60])
def test_a_bad_body_is_a_problem_with_its_code_and_nothing_is_kept(client, path, said, status, code):
    body = {name: value for name, value in (body_for(client) | said).items() if value is not ...}
    response = client.post("/api/v1/feedback", data=json.dumps(body), content_type="application/json")
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert response.get_json(force=True)["code"] == code
    assert not path.exists()


@pytest.mark.parametrize(
    ("method", "url", "status", "code"),
    [
        ("get", "?limit=0", 400, "parameter_invalid"),
        ("get", "?limit=-1", 400, "parameter_invalid"),
        ("get", "?limit=1001", 400, "parameter_invalid"),
        ("get", "?limit=5.5", 400, "parameter_invalid"),
        ("get", "?limit=", 400, "parameter_invalid"),
        ("get", "?before=nothing", 404, "feedback_unknown"),
        ("get", "?before=a%00b", 404, "feedback_unknown"),
        ("get", "?sort=up", 400, "parameter_unknown"),
        ("post", "", 400, "request_invalid"),
        ("put", "", 405, "method_not_allowed"),
        ("delete", "", 405, "method_not_allowed"),
        ("delete", "/nothing", 404, "feedback_unknown"),
        ("delete", "/nothing?force=1", 400, "parameter_unknown"),
        ("get", "/nothing", 405, "method_not_allowed"),
    ],
)
def test_a_bad_request_is_a_problem_with_its_code(client, method, url, status, code):
    response = getattr(client, method)(f"/api/v1/feedback{url}")
    assert (response.status_code, response.get_json(force=True)["code"]) == (status, code)


def test_a_damaged_file_is_a_problem_of_its_own_and_questions_are_answered_beside_it(client, path):
    client.post("/api/v1/feedback", json=body_for(client))
    path.write_bytes(path.read_bytes()[:3000])
    for response in (client.get("/api/v1/feedback"), client.post("/api/v1/feedback", json=body_for(client))):
        assert (response.status_code, response.get_json(force=True)["code"]) == (500, "feedback_damaged")
    assert path.stat().st_size == 3000
    assert client.get("/feedback").status_code == 500
    assert client.get("/", query_string={"q": ANSWERED}).status_code == 200


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "null"])
def test_a_page_from_elsewhere_can_neither_say_anything_nor_take_it_back(client, origin):
    kept = client.post("/api/v1/feedback", json=body_for(client)).get_json()["id"]
    headers = {"Origin": origin}
    assert client.post("/api/v1/feedback", json=body_for(client), headers=headers).status_code == 403
    assert client.delete(f"/api/v1/feedback/{kept}", headers=headers).status_code == 403
    assert client.post(f"/feedback/{kept}/delete", headers=headers).status_code == 403
    action, fields = pressed(client, "/?" + urlencode({"q": ANSWERED}), "right")
    assert client.post(action, data=fields, headers=headers).status_code == 403
    assert len(listed(client)) == 1


# The form


def pressed(client, url, button, **typed):
    """What a browser sends when a button of the form below an answer is pressed: the address and the fields."""
    found = tree(client.get(url))
    if button == "corrected":
        (form,) = found.xpath("//section[@id='feedback']//details/form")
        fields = {}
    else:
        (pushed,) = found.xpath(f"//section[@id='feedback']//button[@value='{button}']")
        (form,) = pushed.xpath("ancestor::form")
        fields = {pushed.get("name"): pushed.get("value")}
    assert (form.get("method"), form.get("enctype")) == ("post", None)
    fields |= {control.get("name"): control.get("value", "") for control in form.xpath(".//input")}
    assert set(typed) <= set(fields)
    # As browsers do with every field.
    return form.get("action"), {name: value.replace("\n", "\r\n") for name, value in (fields | typed).items()}


@pytest.mark.parametrize(
    ("question", "press", "expected", "thanks"),
    [
        (ANSWERED, {"button": "right"}, ("right", None, ""), "kept: right."),
        (ANSWERED, {"button": "wrong"}, ("wrong", None, ""), "kept: wrong."),
        (ANSWERED, {"button": "unsaid"}, ("wrong", "", ""), "kept: wrong, with what would be right."),
        (
            ANSWERED,
            {"button": "corrected", "corrected": " 1890 ", "comment": "short"},
            ("wrong", "1890", "short"),
            "kept: wrong, with what would be right.",
        ),
        (UNANSWERED, {"button": "right"}, ("right", None, ""), "kept: right."),
        (UNANSWERED, {"button": "wrong"}, ("wrong", None, ""), "kept: wrong."),
        (UNANSWERED, {"button": "corrected", "corrected": "iron"}, ("wrong", "iron", ""), "kept: wrong, with"),
    ],
)
def test_a_press_of_a_button_is_kept_and_leads_back_to_the_answer(client, question, press, expected, thanks):
    url = "/?" + urlencode({"q": question, "k": "3", "explain": "1"})
    action, fields = pressed(client, url, **press)
    response = client.post(action, data=fields, headers={"Origin": "http://localhost"})
    assert response.status_code == 303
    (kept,) = listed(client)
    assert kept["question"] == question
    assert (kept["verdict"], kept["corrected"], kept["comment"]) == expected
    back = urlsplit(response.headers["Location"])
    assert (back.scheme, back.netloc, back.path, back.fragment) == ("", "", "/", "feedback")
    assert parse_qs(back.query) == {"q": [question], "k": ["3"], "explain": ["1"], "judged": [kept["id"]]}
    page = tree(client.get(response.headers["Location"]))
    assert thanks in page.xpath("//section[@id='feedback']//*[@role='status']")[0].text_content()
    assert page.xpath("//*[@id='why']")


def test_the_form_is_about_the_best_answer_or_the_nearest_passage(client):
    for question, about in ((ANSWERED, "citation"), (UNANSWERED, "passage")):
        action, fields = pressed(client, "/?" + urlencode({"q": question}), "right")
        client.post(action, data=fields)
        (kept,) = client.get("/api/v1/feedback?limit=1").get_json()["feedback"]
        asked = client.get("/api/v1/ask", query_string={"question": question}).get_json()
        expected = asked["answers"][0]["citation"] if about == "citation" else asked["passages"][0]
        assert {name: kept[about][name] for name in ("doc_id", "start", "end")} == {
            name: expected[name] for name in ("doc_id", "start", "end")
        }


def test_an_answer_over_two_lines_survives_the_line_ends_of_forms(client):
    action, fields = pressed(client, "/?" + urlencode({"q": "How do owls hunt at night?"}), "right")
    assert client.post(action, data=fields).status_code == 303
    assert listed(client)[0]["answer"] == "Owls hunt\nquietly at night."


def test_saying_something_again_replaces_the_thanks_and_not_the_first_entry(client):
    action, fields = pressed(client, "/?" + urlencode({"q": ANSWERED}), "right")
    first = client.post(action, data=fields).headers["Location"]
    action, fields = pressed(client, first, "wrong")
    second = client.post(action, data=fields).headers["Location"]
    assert len(parse_qs(urlsplit(second).query)["judged"]) == 1
    assert [entry["verdict"] for entry in listed(client)] == ["wrong", "right"]


def test_thanks_for_what_was_taken_back_are_not_given(client):
    action, fields = pressed(client, "/?" + urlencode({"q": ANSWERED}), "right")
    back = client.post(action, data=fields).headers["Location"]
    client.delete(f"/api/v1/feedback/{listed(client)[0]['id']}")
    page = client.get(back)
    assert page.status_code == 200
    assert not tree(page).xpath("//*[@role='status']")


def test_an_answer_whose_document_was_changed_meanwhile_is_not_judged(client, engine, tmp_path):
    action, fields = pressed(client, "/?" + urlencode({"q": ANSWERED}), "right")
    write_files(tmp_path / "documents", {"news/bridge.md": FILES["news/bridge.md"].replace("1890", "1990")})
    engine.update()
    response = client.post(action, data=fields)
    assert response.status_code == 404
    assert "news/bridge.md was changed since" in response.text
    assert listed(client) == []


def test_where_nothing_was_read_there_is_nothing_to_judge(client):
    assert not tree(client.get("/?q=bridge&path=nowhere")).xpath("//section[@id='feedback']")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"judgement": "perhaps"}, 400, "parameter_invalid"),
        ({"judgement": ...}, 400, "request_invalid"),
        ({"judgement": "corrected"}, 400, "parameter_invalid"),
        ({"judgement": "corrected", "corrected": " \r\n"}, 400, "parameter_invalid"),
        ({"judgement": "corrected", "corrected": "x" * (MAX_TEXT + 1)}, 400, "parameter_invalid"),
        ({"judgement": "corrected", "corrected": "nul \0"}, 400, "text_invalid"),
        ({"of": "silence", "judgement": "unsaid"}, 400, "parameter_invalid"),
        ({"of": "nothing"}, 400, "parameter_invalid"),
        ({"doc_id": "nowhere.md"}, 404, "document_unknown"),
        ({"doc_id": "../../etc/passwd"}, 404, "document_unknown"),
        ({"start": "x"}, 400, "parameter_invalid"),
        ({"start": "0"}, 404, "span_unknown"),
        ({"start": "-1"}, 400, "parameter_invalid"),
        ({"end": "99999"}, 404, "span_unknown"),
        ({"end": ...}, 400, "request_invalid"),
        ({"digest": "0" * 64}, 404, "span_unknown"),
        ({"index_version": "99"}, 400, "parameter_invalid"),
        ({"next": "http://elsewhere.example"}, 400, "parameter_unknown"),
        ({"comment": "x" * 100_000}, 413, "request_too_large"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_form_that_was_tampered_with_is_told_on_a_page_and_nothing_is_kept(client, path, changes, status, code):
    action, fields = pressed(client, "/?" + urlencode({"q": ANSWERED}), "right")
    fields = {name: value for name, value in (fields | changes).items() if value is not ...}
    response = client.post(action, data=fields)
    assert (response.status_code, response.mimetype) == (status, "text/html")
    assert tree(response).xpath("//footer//code/text()") == [code]
    assert not path.exists()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "question_empty"),
        ("q=%20", "question_empty"),
        ("q=" + "x" * 1001, "question_too_long"),
        ("q=a%00b", "text_invalid"),
        ("q=x&q=y", "parameter_invalid"),
        ("q=x&k=0", "parameter_invalid"),
        ("q=x&judged=0", "parameter_unknown"),
        ("q=x&next=http://elsewhere.example", "parameter_unknown"),
    ],
)
def test_a_form_is_sent_of_a_question_that_could_be_asked(client, path, query, code):
    _, fields = pressed(client, "/?" + urlencode({"q": ANSWERED}), "right")
    response = client.post(f"/feedback?{query}", data=fields)
    assert (response.status_code, tree(response).xpath("//footer//code/text()")) == (400, [code])
    assert not path.exists()


# The list


def test_the_page_lists_what_was_said_and_leads_back_to_the_answer(client):
    client.post("/api/v1/feedback", json=body_for(client, verdict="wrong", corrected="", comment="<b>no</b>\x1b"))
    client.post("/api/v1/feedback", json=body_for(client, UNANSWERED))
    silence, wrong = tree(client.get("/feedback")).xpath("//article")
    assert wrong.xpath(".//a/@href") == ["/?" + urlencode({"q": ANSWERED})]
    said = {div.xpath("string(dt)"): div.xpath("string(dd)") for div in wrong.xpath(".//dl/div")}
    assert said == {
        "Answered": "The bridge opened in 1890.",
        "Would be right": "The documents do not say.",
        "Comment": "<b>no</b>\x1b",
    }
    assert [article.xpath("string(./p[1])") for article in (silence, wrong)] == ["Right", "Wrong"]
    assert client.get(wrong.xpath(".//a/@href")[0]).status_code == 200


def test_an_entry_is_taken_back_by_its_button(client):
    for question in (ANSWERED, UNANSWERED):
        client.post("/api/v1/feedback", json=body_for(client, question))
    (form,) = tree(client.get("/feedback")).xpath("//form[contains(., 'zarzuelas')]")
    response = client.post(form.get("action"), headers={"Origin": "http://localhost"})
    assert response.status_code == 303
    page = tree(client.get(response.headers["Location"]))
    assert page.xpath("//*[@role='status']/text()") == ["It was taken back."]
    assert [entry["question"] for entry in listed(client)] == [ANSWERED]
    assert client.post(form.get("action")).status_code == 404


def test_a_long_list_has_pages_that_hold_each_entry_once(client, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 2)
    ids = [client.post("/api/v1/feedback", json=body_for(client)).get_json()["id"] for _ in range(5)]
    seen, link = [], "/feedback"
    while link:
        page = tree(client.get(link))
        seen += [found.removeprefix("f-") for found in page.xpath("//li/@id")]
        link = "".join(page.xpath("//a[@rel='next']/@href"))
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    ("query", "status"), [("before=nothing", 404), ("page=2", 400), ("taken_back=yes", 400), ("taken_back=1", 200)]
)
def test_the_list_refuses_what_it_does_not_know(client, query, status):
    assert client.get(f"/feedback?{query}").status_code == status


def test_ids_in_pages_are_those_of_the_api(client):
    kept = client.post("/api/v1/feedback", json=body_for(client)).get_json()["id"]
    assert re.search(rf'id="f-{kept}"', client.get("/feedback").text)
