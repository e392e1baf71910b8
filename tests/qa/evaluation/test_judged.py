import json

import pytest

from index.errors import InvalidEvaluationData
from qa.evaluation.judged import corpus_id_of, file_of, read_beir, read_trec, write_corpus

DOCUMENTS = [
    {"_id": "d1", "title": "Bridge", "text": "It was opened in 1890."},
    {"_id": "../d.2/é", "title": "", "text": "# not a title of ours"},
    {"_id": "empty", "title": "", "text": ""},
]


@pytest.fixture
def beir(tmp_path):
    folder = tmp_path / "small"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, DOCUMENTS)), encoding="utf-8")
    queries = [{"_id": "q1", "text": "bridge opened"}, {"_id": "q2", "text": "title"}, {"_id": "q3", "text": "none"}]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\t../d.2/é\t2\nq2\td1\t0\nq3\td1\t0\n", encoding="utf-8"
    )
    return folder


def test_a_beir_folder_gives_the_queries_that_have_something_to_find(beir):
    judged = read_beir(beir, "test")
    assert judged.queries == {"q1": "bridge opened", "q2": "title"}
    assert judged.qrels == {"q1": {"d1": 1}, "q2": {"../d.2/é": 2, "d1": 0}}


def test_a_split_that_is_not_there_is_told_with_those_that_are(beir):
    with pytest.raises(InvalidEvaluationData, match="there are test"):
        read_beir(beir, "dev")


def test_a_corpus_becomes_documents_below_the_folder_whatever_its_ids_are(beir, tmp_path):
    target = tmp_path / "documents"
    assert write_corpus(beir, target) == 2
    files = {path.relative_to(target).as_posix(): path.read_text(encoding="utf-8") for path in target.rglob("*.md")}
    assert files == {
        file_of("d1"): "# Bridge\n\nIt was opened in 1890.",
        file_of("../d.2/é"): "# not a title of ours",
    }
    assert {corpus_id_of(name) for name in files} == {"d1", "../d.2/é"}


def test_a_corpus_that_is_written_again_leaves_its_files_alone(beir, tmp_path):
    target = tmp_path / "documents"
    write_corpus(beir, target)
    stamps = {path: path.stat().st_mtime_ns for path in target.rglob("*.md")}
    write_corpus(beir, target)
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*.md")} == stamps


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("corpus.jsonl", "{}"),
        ("corpus.jsonl", '{"_id": "1", "text": null}'),
        ("corpus.jsonl", "["),
        ("corpus.jsonl", ""),
        ("corpus.jsonl", json.dumps({"_id": "x" * 300, "text": "y"})),
        ("corpus.jsonl", json.dumps({"_id": "", "text": "y"})),
    ],
)
def test_a_corpus_of_another_form_is_refused(beir, tmp_path, name, content):
    (beir / name).write_text(content)
    with pytest.raises(InvalidEvaluationData):
        write_corpus(beir, tmp_path / "documents")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("queries.jsonl", '{"_id": "q1"}'),
        ("queries.jsonl", '{"_id": "q9", "text": "x"}'),
        ("qrels/test.tsv", "q1 d1 1"),
        ("qrels/test.tsv", "q1\td1\tyes"),
        ("qrels/test.tsv", "q1\td1\t0"),
    ],
)
def test_queries_and_judgements_of_another_form_are_refused(beir, name, content):
    (beir / name).write_text(content)
    with pytest.raises(InvalidEvaluationData):
        read_beir(beir, "test")


def test_trec_topics_come_as_elements_or_as_lines(tmp_path):
    qrels = tmp_path / "qrels.txt"
    qrels.write_text("301 0 a.md 2\n301 0 b.md 0\n302 0 b.md 1\n")
    elements, lines = tmp_path / "topics.xml", tmp_path / "topics.tsv"
    elements.write_text(
        "<top>\n<num> Number: 301\n<title> International\nCrime\n<desc> Description: …\n</top>\n"
        "<top><num>302</num><title>Bridges</title></top>"
    )
    lines.write_text("301\tInternational Crime\n302\tBridges\n")
    assert read_trec(elements, qrels) == read_trec(lines, qrels)
    assert read_trec(lines, qrels).queries == {"301": "International Crime", "302": "Bridges"}
    assert read_trec(lines, qrels).qrels["301"] == {"a.md": 2, "b.md": 0}


@pytest.mark.parametrize(
    ("topics", "qrels"),
    [("301 no tab", "301 0 a.md 1"), ("301\tx", "301 a.md 1"), ("<top><num>301</top>", "301 0 a.md 1"), ("", "")],
)
def test_trec_files_of_another_form_are_refused(tmp_path, topics, qrels):
    (tmp_path / "topics").write_text(topics)
    (tmp_path / "qrels").write_text(qrels)
    with pytest.raises(InvalidEvaluationData):
        read_trec(tmp_path / "topics", tmp_path / "qrels")
