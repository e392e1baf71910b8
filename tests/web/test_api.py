import json
from datetime import UTC, datetime, timedelta
from unittest.mock import ANY

import pytest

from qa.web.app import create_app
from tests.standins import HashingEncoder, build_engine, update_with, write_files

FILES: dict[str, str | bytes] = {
    "news/bridge.md": "# Bridge 😀\n\nThe bridge opened in 1890. It is long.\n\n## Cost\n\nIt cost three million.",
    "tower.txt": "The tower opened in 1889. It is made of iron.",
    "sub dir/ünï.html": "<title>Museum</title><p>The museum&nbsp;opens daily at ten.</p>",
    "broken.txt": b"\0",
}
STATE = ("index_version", "reconciled_at", "n_failed")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = build_engine(tmp_path_factory.mktemp("api"), FILES)
    yield engine
    engine.close()


@pytest.fixture
def client(engine):
    return create_app(engine).test_client()


def test_an_answer_has_the_promised_form(client):
    body = client.get("/api/v1/ask", query_string={"question": "When was the bridge opened?", "k": "2"}).get_json()
    assert list(body) == ["question", "answers", "passages", "offsets", *STATE, "took_ms"]
    assert list(body["answers"][0]) == ["text", "confidence", "citation", "citations", "passage_rank"]
    assert list(body["answers"][0]["citation"]) == [
        "doc_id",
        "title",
        "start",
        "end",
        "quote",
        "prefix",
        "suffix",
        "heading",
        "line",
        "sha256",
        "url",
    ]
    assert list(body["passages"][0]) == [
        "rank",
        "score",
        "dense_rank",
        "lexical_rank",
        "relevance",
        "doc_id",
        "title",
        "media_type",
        "heading",
        "start",
        "end",
        "text",
        "url",
    ]
    assert list(body["took_ms"]) == ["encode", "retrieve", "read", "cite", "total"]
    assert len(body["passages"]) == 2


def test_an_explanation_tells_ranks_and_scores_of_every_candidate(client):
    asked = {"question": "When was the bridge opened?", "explain": True}
    body = client.post("/api/v1/ask", json=asked).get_json()
    explanation = body["explanation"]
    assert list(explanation) == ["min_confidence", "chosen_by", "silence", "candidates"]
    assert (explanation["min_confidence"], explanation["chosen_by"], explanation["silence"]) == (0.5, "reader", None)
    candidate = explanation["candidates"][0]
    assert list(candidate) == ["text", "confidence", "answerability", "share", "places"]
    assert candidate["confidence"] == body["answers"][0]["confidence"]
    place = candidate["places"][0]
    assert set(place) >= {"dense_rank", "lexical_rank", "fused_score", "start_score", "end_score", "null_score"}
    document = client.get(f"/api/v1/documents/{place['doc_id']}").get_json()
    assert document["text"][place["start"] : place["end"]] == candidate["text"]
    assert client.get("/api/v1/ask?question=When was the bridge opened?&explain=1").get_json()["explanation"]
    assert "explanation" not in client.get("/api/v1/ask?question=When was the bridge opened?&explain=0").get_json()


@pytest.mark.parametrize(
    ("query", "silence"),
    [("question=zebras", "not_confident"), ("question=bridge&path=nowhere", "nothing_found")],
)
def test_a_silence_is_explained(client, query, silence):
    body = client.get(f"/api/v1/ask?explain=1&{query}").get_json()
    assert body["answers"] == []
    assert body["explanation"]["silence"] == silence


def test_a_threshold_may_be_given_as_a_confidence_or_as_a_risk(client):
    asked = {"question": "When was the bridge opened?", "explain": True}
    sure = client.post("/api/v1/ask", json=asked | {"min_confidence": 1}).get_json()
    assert (sure["answers"], sure["explanation"]["chosen_by"]) == ([], "min_confidence")
    any_ = client.post("/api/v1/ask", json=asked | {"min_confidence": 0}).get_json()
    assert any_["answers"]
    risky = client.post("/api/v1/ask", json=asked | {"max_risk": 0.2}).get_json()["explanation"]
    assert (risky["min_confidence"], risky["chosen_by"]) == (0.9, "max_risk")


def test_the_same_answer_in_two_documents_is_one_answer_with_two_citations(tmp_path):
    sentence = "The bridge opened in 1890."
    engine = build_engine(tmp_path, {"a.txt": f"{sentence} It is long.", "b.txt": f"Iron. {sentence}"})
    body = create_app(engine).test_client().get("/api/v1/ask?question=When was the bridge opened?").get_json()
    engine.close()
    (answer,) = body["answers"]
    assert {citation["doc_id"] for citation in answer["citations"]} == {"a.txt", "b.txt"}
    assert answer["citation"] == answer["citations"][0]


def test_anybody_can_check_a_citation_against_the_documents_text(client):
    answers = client.get("/api/v1/ask?question=When was the bridge opened?").get_json()["answers"]
    assert answers
    for answer in answers:
        citation = answer["citation"]
        document = client.get(f"/api/v1/documents/{citation['doc_id']}").get_json()
        assert document["text"][citation["start"] : citation["end"]] == citation["quote"] == answer["text"]
        assert document["sha256"] == citation["sha256"]


def test_the_citations_of_an_answer_can_be_sent_back_to_be_checked(client):
    answers = client.get("/api/v1/ask?question=When was the bridge opened?").get_json()["answers"]
    kept = [citation for answer in answers for citation in answer["citations"]]
    body = client.post("/api/v1/citations/verify", json={"citations": kept}).get_json()
    assert list(body) == ["citations", "offsets", *STATE]
    assert [checked["citation"] for checked in body["citations"]] == kept
    first = body["citations"][0]
    assert list(first) == ["status", "saved", "citation", "places", "similar"]
    assert (first["status"], first["places"], first["similar"]) == ("valid", [], None)
    assert first["saved"] == {key: kept[0][key] for key in ("doc_id", "start", "end", "quote")}


def test_a_hundred_citations_can_be_checked_at_once_and_more_bytes_than_that_are_not_read(client):
    citation = client.get("/api/v1/ask?question=When was the bridge opened?").get_json()["answers"][0]["citation"]
    kept = [{**citation, "title": "😀" * 300}] * 100
    body = client.post("/api/v1/citations/verify", json={"citations": kept}).get_json()
    assert [checked["status"] for checked in body["citations"]] == ["valid"] * 100
    large = json.dumps({"citations": [{**citation, "title": "x" * 2**20}]})
    response = client.post("/api/v1/citations/verify", data=large, content_type="application/json")
    assert (response.status_code, response.get_json(force=True)["code"]) == (413, "request_too_large")
    assert "1,048,576 bytes" in response.get_json(force=True)["detail"]


def test_a_citation_that_expired_is_told_with_what_is_there_now(client):
    quote = {"doc_id": "tower.txt", "start": 20, "end": 24, "quote": "1887", "sha256": "0" * 64}
    kept = [
        {**quote, "prefix": "The tower opened in ", "suffix": ". It is made of iron."},
        {**quote, "doc_id": "nowhere.txt"},
        {**quote, "start": 0, "end": 1, "quote": "o"},
    ]
    changed, deleted, ambiguous = client.post("/api/v1/citations/verify", json={"citations": kept}).get_json()[
        "citations"
    ]
    assert (changed["status"], deleted["status"], ambiguous["status"]) == ("changed", "deleted", "ambiguous")
    assert changed["similar"] == {
        "doc_id": "tower.txt",
        "start": 20,
        "end": 24,
        "url": "/documents/tower.txt?start=20&end=24#span",
        "quote": "1889",
        "difference": [{"op": "delete", "text": "1887"}, {"op": "insert", "text": "1889"}],
    }
    text = client.get("/api/v1/documents/tower.txt").get_json()["text"]
    assert [text[place["start"] : place["end"]] for place in ambiguous["places"]] == ["o"] * text.count("o")
    assert (changed["citation"], deleted["citation"], ambiguous["citation"]) == (None, None, None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{}", "request_invalid"),
        ("[]", "request_invalid"),
        ('{"citations": {}}', "parameter_invalid"),
        ('{"citations": null}', "request_invalid"),
        ('{"citations": [{}]}', "request_invalid"),
        ('{"citations": [1]}', "parameter_invalid"),
        ('{"citations": [], "k": 5}', "parameter_unknown"),
        ('{"citations": [{"path": "a"}]}', "parameter_unknown"),
        ('{"citations": [' + ",".join(["{}"] * 101) + "]}", "parameter_invalid"),
        ('{"citations": ' + "[" * 5000 + "]" * 5000 + "}", "request_invalid"),
    ],
)
def test_what_cannot_be_checked_is_a_problem_with_its_code(client, body, code):
    response = client.post("/api/v1/citations/verify", data=body, content_type="application/json")
    assert (response.status_code, response.get_json(force=True)["code"]) == (400, code)


def test_every_passages_text_is_in_its_document_at_its_span(client):
    hits = client.get("/api/v1/search?query=opened museum cost&k=50").get_json()["hits"]
    assert {hit["doc_id"] for hit in hits} == {"news/bridge.md", "tower.txt", "sub dir/ünï.html"}
    for hit in hits:
        document = client.get(f"/api/v1/documents/{hit['doc_id']}").get_json()
        assert document["text"][hit["start"] : hit["end"]] == hit["text"]


def test_post_and_get_give_the_same_answer(client):
    body = {"question": "tower?", "k": 3, "filters": {"paths": ["news"], "media_types": ["text/markdown"]}}
    posted = client.post("/api/v1/ask", json=body).get_json()
    got = client.get("/api/v1/ask?question=tower%3F&k=3&path=news&media_type=text/markdown").get_json()
    del posted["took_ms"], got["took_ms"]
    assert posted == got
    assert {passage["doc_id"] for passage in posted["passages"]} == {"news/bridge.md"}


def test_search_gives_hits_with_both_ranks_and_the_fused_score(client):
    body = client.post("/api/v1/search", json={"query": "tower of iron", "k": 1}).get_json()
    assert list(body) == ["query", "hits", "offsets", *STATE, "took_ms"]
    (hit,) = body["hits"]
    assert (hit["doc_id"], hit["dense_rank"], hit["lexical_rank"]) == ("tower.txt", 1, 1)
    assert hit["score"] > 0
    assert hit["relevance"] is None


def test_a_search_may_be_reranked_by_the_reader(client):
    query = "When was the bridge opened?"
    plain = client.get("/api/v1/search", query_string={"query": query, "rerank": 0}).get_json()["hits"]
    body = client.get("/api/v1/search", query_string={"query": query, "rerank": 2}).get_json()
    assert body == {**client.post("/api/v1/search", json={"query": query, "rerank": 2}).get_json(), "took_ms": ANY}
    assert list(body["took_ms"]) == ["encode", "retrieve", "rerank", "total"]
    first, rest = body["hits"][:2], body["hits"][2:]
    assert {hit["doc_id"] for hit in first} == {hit["doc_id"] for hit in plain[:2]}
    assert sorted(first, key=lambda hit: -(hit["score"] + 0.5 * hit["relevance"])) == first
    assert rest == plain[2:]
    assert [hit["rank"] for hit in body["hits"]] == list(range(1, len(body["hits"]) + 1))


def test_a_search_may_be_by_words_or_by_meaning_alone(client):
    def search(**options):
        return client.get("/api/v1/search", query_string={"query": "tower of iron", **options}).get_json()

    words, meaning = search(retrieval="words"), search(retrieval="meaning")
    assert list(words["took_ms"]) == ["retrieve", "total"]  # nothing is encoded
    assert {hit["dense_rank"] for hit in words["hits"]} == {None}
    assert {hit["lexical_rank"] for hit in meaning["hits"]} == {None}
    assert search(retrieval="hybrid")["hits"] == search()["hits"]
    assert (
        client.post("/api/v1/search", json={"query": "tower of iron", "retrieval": "words"}).get_json()["hits"]
        == (words["hits"])
    )


@pytest.mark.parametrize("body", [{"retrieval": "magic"}, {"retrieval": None}, {"rerank": True}, {"rerank": "5"}])
def test_a_way_to_search_that_is_none_is_refused(client, body):
    response = client.post("/api/v1/search", json={"query": "bridge", **body})
    assert (response.status_code, response.get_json()["code"]) == (400, "parameter_invalid")


@pytest.mark.parametrize("rerank", ["-1", "51", "x", ""])
def test_a_depth_to_rerank_that_is_none_is_refused(client, rerank):
    response = client.get("/api/v1/search", query_string={"query": "bridge", "rerank": rerank})
    assert (response.status_code, response.get_json()["code"]) == (400, "parameter_invalid")


def test_where_the_documents_do_not_say_there_are_no_answers_and_the_passages_are_still_there(client):
    body = client.get("/api/v1/ask?question=Who composed xylophone zarzuelas?").get_json()
    assert body["answers"] == []
    assert body["passages"]


def test_a_filter_that_nothing_passes_finds_nothing(client):
    body = client.get("/api/v1/ask?question=tower&path=nowhere").get_json()
    assert (body["answers"], body["passages"]) == ([], [])


def test_a_document_is_told_with_its_counts(client):
    body = client.get("/api/v1/documents/sub dir/ünï.html").get_json()
    assert body["text"] == "The museum\xa0opens daily at ten."
    assert (body["title"], body["media_type"], body["n_passages"]) == ("Museum", "text/html", 1)
    assert body["n_characters"] == len(body["text"])
    assert body["url"] == "/documents/sub%20dir/%C3%BCn%C3%AF.html"


def test_the_list_of_documents_and_the_status_name_everything(client):
    listed = client.get("/api/v1/documents").get_json()["documents"]
    assert [document["doc_id"] for document in listed] == ["news/bridge.md", "sub dir/ünï.html", "tower.txt"]
    status = client.get("/api/v1/status").get_json()
    assert (status["n_documents"], status["n_failed"]) == (3, 1)
    assert [(other["path"], other["code"]) for other in status["others"]] == [("broken.txt", "file_undecodable")]
    assert client.get("/api/v1/health").get_json() == {"status": "ok", "index_version": status["index_version"]}


def test_an_update_on_demand_is_seen_by_the_next_question(tmp_path):
    engine = build_engine(tmp_path, {"a.txt": "The bridge opened in 1890."})
    client = create_app(engine).test_client()
    write_files(tmp_path / "documents", {"a.txt": "The bridge closed in 1990.", "b.txt": "New."})
    report = client.post("/api/v1/index/update").get_json()
    assert (report["added"], report["replaced"], report["deleted"]) == (["b.txt"], ["a.txt"], [])
    body = client.get("/api/v1/search?query=bridge").get_json()
    assert "1990" in body["hits"][0]["text"]
    assert body["index_version"] == report["index_version"]
    engine.close()


def test_every_response_names_its_version_and_when_the_folder_was_looked_at(client):
    status = client.get("/api/v1/status").get_json()
    expected = {name: status[name] for name in STATE}
    looked_at = datetime.fromisoformat(expected["reconciled_at"])
    assert timedelta(0) <= datetime.now(UTC) - looked_at < timedelta(hours=1)
    assert looked_at.utcoffset() == timedelta(0)
    assert expected["n_failed"] == 1
    for body in (
        client.get("/api/v1/ask?question=tower").get_json(),
        client.get("/api/v1/search?query=tower").get_json(),
        client.get("/api/v1/documents").get_json(),
        client.get("/api/v1/documents/tower.txt").get_json(),
        client.post("/api/v1/citations/verify", json={"citations": []}).get_json(),
    ):
        assert {name: body[name] for name in STATE} == expected


def test_an_update_that_changes_nothing_is_a_later_look_at_the_same_version(tmp_path, monkeypatch):
    class LaterDatetime(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2031, 5, 6, 7, 8, 9, 500_000, tzinfo=tz)

    engine = build_engine(tmp_path, {"a.txt": "The bridge opened in 1890."})
    client = create_app(engine).test_client()
    before = client.get("/api/v1/ask?question=bridge").get_json()
    monkeypatch.setattr("index.update.datetime", LaterDatetime)
    client.post("/api/v1/index/update")
    after = client.get("/api/v1/ask?question=bridge").get_json()
    assert before["reconciled_at"] < after["reconciled_at"] == "2031-05-06T07:08:09+00:00"
    assert before["index_version"] == after["index_version"]
    engine.close()


def test_a_strict_question_is_answered_only_from_what_the_folder_holds_now(tmp_path):
    engine = build_engine(tmp_path, {"a.txt": "The bridge opened in 1890.", "b.txt": "Old.", "c.txt": "Same."})
    client = create_app(engine).test_client()
    asked = {"question": "When was the bridge opened?", "fresh": "strict"}
    assert client.post("/api/v1/ask", json=asked).get_json()["answers"]
    write_files(tmp_path / "documents", {"a.txt": "The bridge opened in 1891.", "n1.txt": "New.", "n2.txt": "New."})
    (tmp_path / "documents" / "b.txt").unlink()
    for response in (
        client.post("/api/v1/ask", json=asked),
        client.get("/api/v1/ask", query_string=asked),
        client.post("/api/v1/search", json={"query": "bridge", "fresh": "strict"}),
        client.get("/api/v1/search?query=bridge&fresh=strict"),
    ):
        problem = response.get_json(force=True)
        assert (response.status_code, response.mimetype) == (409, "application/problem+json")
        assert problem["code"] == "index_stale"
        assert (problem["n_added"], problem["n_changed"], problem["n_removed"]) == (2, 1, 1)
        assert "(files added: 2, changed: 1, removed: 1)" in problem["detail"]
        assert "/api/v1/index/update" in problem["detail"]
    del asked["fresh"]
    assert "1890" in client.post("/api/v1/ask", json=asked).get_json()["answers"][0]["text"]
    client.post("/api/v1/index/update")
    body = client.get("/api/v1/ask", query_string={**asked, "fresh": "strict"}).get_json()
    assert "1891" in body["answers"][0]["text"]
    assert next(iter(body["took_ms"])) == "compare"
    engine.close()


def test_a_strict_question_is_answered_from_what_another_process_has_just_written(tmp_path):
    engine = build_engine(tmp_path, {"a.txt": "The bridge opened in 1890."})
    client = create_app(engine).test_client()
    write_files(tmp_path / "documents", {"a.txt": "The bridge opened in 1891."})
    update_with(HashingEncoder(), tmp_path / "documents", tmp_path / "index")
    body = client.get("/api/v1/search?query=bridge&fresh=strict").get_json()
    assert "1891" in body["hits"][0]["text"]
    engine.close()


BAD_QUERIES = [
    ("", "question_empty"),
    ("question=", "question_empty"),
    ("question=%20%09", "question_empty"),
    ("question=" + "x" * 10_000, "question_too_long"),
    ("question=a%00b", "text_invalid"),
    ("question=q&k=0", "parameter_invalid"),
    ("question=q&k=-1", "parameter_invalid"),
    ("question=q&k=1000000000", "parameter_invalid"),
    ("question=q&k=5.5", "parameter_invalid"),
    ("question=q&k=", "parameter_invalid"),
    ("question=q&k=five", "parameter_invalid"),
    ("question=q&k=1&k=2", "parameter_invalid"),
    ("question=a&question=b", "parameter_invalid"),
    ("question=q&path=../etc", "parameter_invalid"),
    ("question=q&path=/etc/passwd", "parameter_invalid"),
    ("question=q&topk=3", "parameter_unknown"),
    ("question=q&min_confidence=1.5", "parameter_invalid"),
    ("question=q&min_confidence=-0.5", "parameter_invalid"),
    ("question=q&min_confidence=nan", "parameter_invalid"),
    ("question=q&min_confidence=1e-2", "parameter_invalid"),
    ("question=q&min_confidence=", "parameter_invalid"),
    ("question=q&min_confidence=0.1&min_confidence=0.2", "parameter_invalid"),
    ("question=q&min_confidence=0.1&max_risk=0.1", "parameter_invalid"),
    ("question=q&max_risk=0.001", "parameter_invalid"),
    ("question=q&max_risk=2", "parameter_invalid"),
    ("question=q&explain=yes", "parameter_invalid"),
    ("question=q&explain=1&explain=1", "parameter_invalid"),
    ("question=q&fresh=1", "parameter_invalid"),
    ("question=q&fresh=", "parameter_invalid"),
    ("question=q&fresh=strict&fresh=strict", "parameter_invalid"),
    ("query=q", "parameter_unknown"),
]


@pytest.mark.parametrize(("query", "code"), BAD_QUERIES)
def test_a_bad_query_is_a_problem_with_its_code(client, query, code):
    response = client.get(f"/api/v1/ask?{query}")
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    problem = response.get_json(force=True)
    assert list(problem) == ["type", "title", "status", "code", "detail"]
    assert (problem["code"], problem["status"], problem["type"]) == (code, 400, f"/errors#{code}")


BAD_BODIES = [
    ("{}", "question_empty"),
    ("[]", "request_invalid"),
    ("", "request_invalid"),
    ("{", "request_invalid"),
    ('"question"', "request_invalid"),
    ('{"question": 5}', "parameter_invalid"),
    ('{"question": null}', "parameter_invalid"),
    ('{"question": "q", "k": "3"}', "parameter_invalid"),
    ('{"question": "q", "k": 3.0}', "parameter_invalid"),
    ('{"question": "q", "k": true}', "parameter_invalid"),
    ('{"question": "q", "k": 0}', "parameter_invalid"),
    ('{"question": "q", "k": 1e400}', "parameter_invalid"),
    ('{"question": "q", "top_k": 3}', "parameter_unknown"),
    ('{"question": "q", "min_confidence": "0.5"}', "parameter_invalid"),
    ('{"question": "q", "min_confidence": true}', "parameter_invalid"),
    ('{"question": "q", "min_confidence": NaN}', "parameter_invalid"),
    ('{"question": "q", "min_confidence": 1e400}', "parameter_invalid"),
    ('{"question": "q", "min_confidence": 1' + "0" * 400 + "}", "parameter_invalid"),
    ('{"question": "q", "min_confidence": 0.1, "max_risk": 0.1}', "parameter_invalid"),
    ('{"question": "q", "max_risk": -1}', "parameter_invalid"),
    ('{"question": "q", "explain": 1}', "parameter_invalid"),
    ('{"question": "q", "fresh": true}', "parameter_invalid"),
    ('{"question": "q", "fresh": "Strict"}', "parameter_invalid"),
    ('{"question": "q", "filters": []}', "parameter_invalid"),
    ('{"question": "q", "filters": {"path": "a"}}', "parameter_unknown"),
    ('{"question": "q", "filters": {"paths": "a"}}', "parameter_invalid"),
    ('{"question": "q", "filters": {"paths": [1]}}', "parameter_invalid"),
    ('{"question": "q", "filters": {"paths": [""]}}', "parameter_invalid"),
    ('{"question": "half \\ud800"}', "text_invalid"),
    ('{"question": "nul \\u0000"}', "text_invalid"),
    ('{"question": "' + "[" * 5000 + '"}', "question_too_long"),
]


@pytest.mark.parametrize(("body", "code"), BAD_BODIES)
def test_a_bad_body_is_a_problem_with_its_code(client, body, code):
    response = client.post("/api/v1/ask", data=body, content_type="application/json")
    assert (response.status_code, response.get_json(force=True)["code"]) == (400, code)


def test_a_deeply_nested_body_is_refused(client):
    response = client.post("/api/v1/ask", data="[" * 60_000, content_type="application/json")
    assert (response.status_code, response.get_json(force=True)["code"]) == (400, "request_invalid")


def test_a_body_of_another_kind_is_refused(client):
    response = client.post("/api/v1/ask", data={"question": "q"})
    assert (response.status_code, response.get_json(force=True)["code"]) == (400, "request_invalid")


def test_a_body_that_is_too_large_is_not_read(client):
    response = client.post("/api/v1/ask", data=json.dumps({"question": "x" * 100_000}), content_type="application/json")
    assert (response.status_code, response.get_json(force=True)["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("get", "/api/v1/documents/nothing.txt", 404, "document_unknown"),
        ("get", "/api/v1/documents/../../etc/passwd", 404, "document_unknown"),
        ("get", "/api/v1/documents/%2e%2e%2fsecret", 404, "document_unknown"),
        ("get", "/api/v1/documents/a%00b", 404, "document_unknown"),
        ("get", "/api/v1/documents/tower.txt?start=1", 400, "parameter_unknown"),
        ("get", "/api/v1/nothing", 404, "not_found"),
        ("get", "/api/v2/ask", 404, "not_found"),
        ("delete", "/api/v1/ask", 405, "method_not_allowed"),
        ("get", "/api/v1/index/update", 405, "method_not_allowed"),
        ("get", "/api/v1/citations/verify", 405, "method_not_allowed"),
        ("post", "/api/v1/index/update?force=1", 400, "parameter_unknown"),
    ],
)
def test_what_is_not_there_is_a_problem_too(client, method, path, status, code):
    response = getattr(client, method)(path)
    assert (response.status_code, response.get_json(force=True)["code"]) == (status, code)


def test_an_unexpected_error_tells_the_caller_nothing_of_the_inside(engine, client, monkeypatch):
    monkeypatch.setattr(type(engine), "status", lambda self: 1 / 0)
    response = client.get("/api/v1/status")
    assert (response.status_code, response.get_json(force=True)["code"]) == (500, "internal_error")
    assert b"division" not in response.data


def test_too_many_questions_are_sent_away_with_a_time_to_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr("qa.engine._MAX_WAIT_S", 0.01)
    engine = build_engine(tmp_path, {"a.txt": "Text."})
    engine._models.acquire()
    response = create_app(engine).test_client().get("/api/v1/ask?question=q")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.get_json(force=True)["code"] == "overloaded"
    engine.close()
