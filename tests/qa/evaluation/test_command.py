"""`citespan eval` with the stand-in encoder and reader, on tiny files."""

import json
import re
from contextlib import closing
from importlib.util import find_spec
from typing import Any

import pytest
from click.testing import CliRunner
from lxml import html

from qa import composition
from qa.feedback import Judgement, Verdict, judge
from qa.feedback_store import FeedbackStore
from qa.settings import settings_from
from serve import citespan
from tests.qa.evaluation.squad import BRIDGE, TOWER, articles, write_squad
from tests.standins import HashingEncoder, OverlapReader, write_files

OWN = """question,answer,document
When was the bridge opened?,1890,bridge.md
<script>alert(1)</script> what is the tower?,steel,tower.md
Who composed xylophone zarzuelas?,,
Where is the tower described?,,tower.md
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(composition, "open_encoder", lambda name="hashing", **options: HashingEncoder())
    monkeypatch.setattr(composition, "open_reader", lambda name="overlap", **options: OverlapReader())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    write_files(tmp_path / "documents", {"bridge.md": f"# Bridge\n\n{BRIDGE}", "tower.md": f"# Tower\n\n{TOWER}"})
    write_files(tmp_path, {"own.csv": OWN})

    def invoke(*args):
        return CliRunner().invoke(citespan, ("eval", *args))

    return invoke


@pytest.fixture
def beir(tmp_path):
    lines = [{"_id": str(n), "title": f"T{n}", "text": text} for n, text in enumerate((BRIDGE, TOWER, "Rain fell."))]
    queries = [{"_id": "q1", "text": "when was the bridge opened"}, {"_id": "q2", "text": "rain"}]
    return write_files(
        tmp_path / "small",
        {
            "corpus.jsonl": "\n".join(map(json.dumps, lines)),
            "queries.jsonl": "\n".join(map(json.dumps, queries)),
            "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\t0\t1\nq2\t2\t1\n",
        },
    )


def found(tree, path) -> list[Any]:
    """What an XPath finds; lxml's own type is that of anything it could."""
    return list(tree.xpath(path))


def report(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_ones_own_questions_are_asked_of_ones_own_documents(run, tmp_path):
    result = run("own.csv", "--resamples", "20", "--json", "out/own.json")
    assert result.exit_code == 0, result.output
    body = report(tmp_path / "out" / "own.json")
    n_right = sum(question["is_right"] for question in body["questions"])
    assert f"{n_right} of 3 right, missed ({3 - n_right})" in result.stdout
    assert [question["id"] for question in body["questions"]] == ["2", "3", "4"]
    assert body["about"]["n_answerable"] == 2
    # Of the four questions three name a document, and two an answer.
    assert body["values"]["nDCG@10"].keys() == {"2", "3", "5"}
    assert body["values"]["answer_R@5"].keys() == {"2", "3"}
    assert body["values"]["took_ms"].keys() == {"2", "3", "4", "5"}
    assert "evidence_R@5" not in body["values"]
    assert body["about"]["n_quotes"] == body["about"]["n_quotes_exact"] > 0


def test_questions_with_documents_alone_measure_the_finding(run, tmp_path):
    write_files(tmp_path, {"where.jsonl": '{"question": "Where is the tower?", "document": "tower.md"}'})
    result = run("where.jsonl", "--resamples", "5", "--json", "where.json")
    assert result.exit_code == 0, result.output
    measures = report(tmp_path / "where.json")["measures"]
    assert measures["MRR@10"]["value"] == 1
    assert "F1" not in measures


def test_a_document_that_is_not_there_is_told_before_anything_is_asked(run, tmp_path):
    write_files(tmp_path, {"where.jsonl": '{"question": "Where?", "document": "towr.md"}'})
    result = run("where.jsonl")
    assert result.exit_code == 2
    assert "'towr.md'" in result.stderr


def test_a_golden_set_in_squads_form_is_measured_and_its_misses_are_listed(run, tmp_path):
    data = articles()
    for article, name in zip(data, ("bridge.md", "tower.md"), strict=True):
        article["title"] = name
    write_squad(tmp_path / "golden.json", data)
    result = run("golden.json", "--right-from", "1", "--resamples", "20", "--index", "var/golden")
    assert result.exit_code == 0, result.output
    assert "'When was the bridge opened?'" in result.stdout
    assert (tmp_path / "var" / "golden").is_dir()


def test_a_beir_folder_is_indexed_once_and_searched_in_every_way(run, beir, tmp_path):
    args = ("small", "--resamples", "20", "--json", "small.json", "--reranked", "2")
    first = run(*args)
    assert first.exit_code == 0, first.output
    assert "nothing had to be encoded" in run(*args).stderr
    body = report(tmp_path / "small.json")
    searches = {name.rpartition(" ")[0] for name in body["values"]}
    assert searches == {"", "words", "meaning", "hybrid", "reranked-2"}
    assert body["values"]["nDCG@10"] == body["values"]["hybrid nDCG@10"] == {"q1": 1.0, "q2": 1.0}
    assert re.search(r"words .* 1\.000", first.stdout)
    assert not (tmp_path / "var" / "data").exists()


@pytest.mark.parametrize(("settings", "alike"), [(("--retrieval", "words"), "words"), (("--rerank", "3"), None)])
def test_the_search_as_it_is_set_is_told_whatever_it_is(run, beir, tmp_path, settings, alike):
    result = run("small", "--resamples", "5", "--reranked", "2", "--json", "small.json", *settings)
    assert result.exit_code == 0, result.output
    values = report(tmp_path / "small.json")["values"]
    assert values["nDCG@10"].keys() == {"q1", "q2"}
    assert alike is None or values["nDCG@10"] == values[f"{alike} nDCG@10"]


def test_trec_files_judge_the_documents_by_their_paths(run, tmp_path):
    write_files(tmp_path, {"topics.tsv": "1\tbridge opened\n", "qrels.txt": "1 0 bridge.md 1\n"})
    result = run("topics.tsv", "--qrels", "qrels.txt", "--resamples", "5", "--reranked", "0", "--json", "t.json")
    assert result.exit_code == 0, result.output
    assert report(tmp_path / "t.json")["measures"]["MRR@10"]["value"] == 1


def test_what_people_judged_is_asked_again(run, tmp_path):
    settings = settings_from({"documents": tmp_path / "documents", "index": tmp_path / "var"})
    composition.update_index(settings)
    with closing(composition.open_engine(settings)) as engine:
        said = Judgement("When was the bridge opened?", Verdict.WRONG, None, None, "1890", "", 2)
        FeedbackStore(settings.index).add(judge(engine, said))
    result = run("--feedback", "--resamples", "5", "--json", "feedback.json")
    assert result.exit_code == 0, result.output
    (question,) = report(tmp_path / "feedback.json")["questions"]
    assert (question["question"], question["golds"]) == ("When was the bridge opened?", ["1890"])
    assert run("--feedback", "own.csv").exit_code == 2


def test_a_measure_under_its_limit_ends_with_status_1(run):
    assert run("own.csv", "--resamples", "5", "--fail-under", "EM=0").exit_code == 0
    result = run("own.csv", "--resamples", "5", "--fail-under", "EM=0", "--fail-under", "EM=1")
    assert result.exit_code == 1
    assert "EM is " in result.stdout
    assert run("own.csv", "--fail-under", "F2=0.1").exit_code == 2
    for malformed in ("F1", "F1=x", "=1"):
        assert run("own.csv", "--fail-under", malformed).exit_code != 0


def test_a_report_that_is_worse_than_the_one_before_ends_with_status_1(run, tmp_path):
    def write(name, *values):
        (tmp_path / name).write_text(json.dumps({"values": {"F1": {str(n): v for n, v in enumerate(values)}}}))

    write("before.json", *[0.5] * 20)
    write("worse.json", *[0.4] * 20)
    write("chance.json", *[0.6, 0.39] * 10)
    for before, after, status, verdict in (
        ("before.json", "worse.json", 1, "Worse: F1."),
        ("worse.json", "before.json", 0, "Better: F1."),
        ("before.json", "chance.json", 0, "Neither better nor worse, beyond chance: F1."),
    ):
        result = run("--compare", before, after)
        assert (result.exit_code, result.stdout.splitlines()[-1]) == (status, verdict)
    assert run("--compare", "before.json", "chance.json", "--fail-under", "F1=0").exit_code == 1
    assert run("--compare", "before.json", "worse.json", "--fail-under", "F1=-0.2").exit_code == 0
    (tmp_path / "other.json").write_text(json.dumps({"values": {"EM": {"0": 1.0}}}))
    assert "none has F1 or nDCG@10" in run("--compare", "other.json", "other.json").stdout
    result = run("--compare", "before.json", "own.csv")
    assert (result.exit_code, "no report of" in result.stderr) == (2, True)


def test_without_questions_it_says_what_it_takes(run):
    result = run()
    assert result.exit_code == 2
    assert "name a file or folder of QUESTIONS" in result.stderr


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib, of the extra eval, is not installed")
def test_the_page_needs_nothing_else_and_links_to_what_was_missed(run, tmp_path):
    run("own.csv", "--resamples", "5", "--html", "own.html", "--right-from", "1")
    text = (tmp_path / "own.html").read_text(encoding="utf-8")
    page = html.fromstring(text)
    assert "<script" not in text
    assert not found(page, "//@src | //link/@href")
    assert len(found(page, "//figure/*[name()='svg']")) == 3
    links = found(page, "//ol//a")
    assert links
    assert all(found(page, f"//*[@id='{link.get('href')[1:]}']") for link in links)
    assert {link.text for link in links} <= {row.text for row in found(page, "//tr/td[2]")}
    assert any("<script>alert(1)</script>" in (cell.text or "") for cell in found(page, "//td"))


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib, of the extra eval, is not installed")
def test_the_page_of_judged_queries_draws_the_searches(run, beir, tmp_path):
    result = run("small", "--resamples", "5", "--html", "small.html")
    assert result.exit_code == 0, result.output
    page = html.fromstring((tmp_path / "small.html").read_text(encoding="utf-8"))
    assert len(found(page, "//figure/*[name()='svg']")) == 2
    assert [found(row, "td[1]")[0].text for row in found(page, "//h2[@id='questions']/following::tr[td]")] == [
        "q1",
        "q2",
    ]
