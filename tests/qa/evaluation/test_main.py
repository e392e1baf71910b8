"""The command line, with the stand-in encoder and reader, on tiny files."""

import io
import json
import re
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from qa import composition
from qa.evaluation import __main__ as command_line
from qa.evaluation import choices
from tests.qa.evaluation.squad import BRIDGE, TOWER, articles, write_squad
from tests.standins import HashingEncoder, OverlapReader

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(composition, "open_encoder", lambda name="hashing", **options: HashingEncoder())
    for module in (composition, command_line):
        monkeypatch.setattr(module, "open_reader", lambda name="overlap", **options: OverlapReader())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write_squad(tmp_path / "q.json", articles())
    (tmp_path / "weights.json").write_text(json.dumps({"reported_on_articles": ["Big_Bridge"]}))

    def invoke(*args):
        return CliRunner().invoke(command_line.evaluation, args)

    return invoke


def archive(path):
    with tarfile.open(path, "w:gz") as tar:
        for name, text in {"Big_Bridge": BRIDGE, "Tower": TOWER}.items():
            member = tarfile.TarInfo(f"articles/{name}.txt")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))


def test_the_reader_is_measured_on_the_articles_it_was_not_fitted_on(run, tmp_path):
    result = run("reader", "q.json", "--articles", "weights.json", "--resamples", "20", "--json", "out/reader.json")
    assert result.exit_code == 0, result.output
    assert re.search(r"EM .* 0\.\d{3} .* to ", result.stdout)
    body = json.loads((tmp_path / "out" / "reader.json").read_text())
    assert [question["id"] for question in body["questions"]] == ["when", "what", "who"]
    assert body["about"]["questions"] == "q.json"


def test_all_articles_or_a_few_questions_may_be_asked(run, tmp_path):
    run("reader", "q.json", "--all-articles", "--resamples", "5", "--json", "all.json")
    assert json.loads((tmp_path / "all.json").read_text())["about"]["n_questions"] == 5
    run("reader", "q.json", "--all-articles", "--limit", "2", "--resamples", "5", "--json", "few.json")
    run("reader", "q.json", "--all-articles", "--limit", "2", "--resamples", "5", "--json", "again.json")
    assert json.loads((tmp_path / "few.json").read_text())["about"]["n_questions"] == 2
    assert (tmp_path / "few.json").read_text() == (tmp_path / "again.json").read_text()


def test_the_service_is_measured_over_all_articles_whose_index_is_kept(run, tmp_path):
    archive(tmp_path / "a.tar.gz")
    args = ("open", "q.json", "a.tar.gz", "--articles", "weights.json", "--resamples", "20", "--json", "open.json")
    first = run(*args)
    assert first.exit_code == 0, first.output
    assert "2 added" in first.stderr
    assert "nothing had to be encoded" in run(*args).stderr
    body = json.loads((tmp_path / "open.json").read_text())
    assert [question["id"] for question in body["questions"]] == ["when", "what"]
    assert body["measures"]["answer_R@20"]["value"] == 1
    assert body["about"]["n_documents"] == 2
    assert body["about"]["n_quotes"] == body["about"]["n_quotes_exact"] > 0


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib, of the extra eval, is not installed")
def test_the_plots_are_the_same_whenever_they_are_drawn(run, tmp_path):
    for folder in ("one", "two"):
        result = run("reader", "q.json", "--all-articles", "--resamples", "5", "--plots", folder)
        assert result.exit_code == 0, result.output
    names = ["reader-reliability.svg", "reader-risk-coverage.svg"]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        assert "</svg>" in (tmp_path / "one" / name).read_text()


def test_without_matplotlib_the_plots_are_refused_before_anything_is_asked(run, monkeypatch):
    monkeypatch.setattr(choices, "find_spec", lambda name: None)
    result = run("reader", "q.json", "--plots", "plots")
    assert result.exit_code == 2
    assert "pip install 'citespan[eval]'" in result.stderr


def test_a_malformed_file_ends_with_a_message_and_its_code(run, tmp_path):
    (tmp_path / "q.json").write_text("{}")
    result = run("reader", "q.json")
    assert result.exit_code == 2
    assert "Error [evaluation_data_invalid]: q.json is not in SQuAD's form: it lacks 'data'" in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("--limit", "0"),
        ("--limit", "-1"),
        ("--limit", "5.5"),
        ("--resamples", "0"),
        ("--right-from", "0"),
        ("--right-from", "1.1"),
        ("--articles", "missing.json"),
    ],
)
def test_options_out_of_range_are_refused(run, args):
    assert run("reader", "q.json", *args).exit_code == 2


def test_every_measure_count_and_option_is_documented(run, tmp_path):
    archive(tmp_path / "a.tar.gz")
    run("reader", "q.json", "--all-articles", "--resamples", "5", "--json", "reader.json")
    run("open", "q.json", "a.tar.gz", "--articles", "weights.json", "--resamples", "5", "--json", "open.json")
    names = set()
    for name in ("reader.json", "open.json"):
        body = json.loads((tmp_path / name).read_text())
        names |= body.keys() | body["about"].keys() | body["measures"].keys() | body["questions"][0].keys()
    for command in command_line.evaluation.commands.values():
        names |= {flag for option in command.params for flag in option.opts if flag.startswith("-")}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_the_page_says_only_commands_that_there_are():
    for line in re.findall(r"^python -m qa\.evaluation (.*)$", PAGE, re.MULTILINE):
        name, *rest = line.replace("\\", "").split()
        options = {flag for option in command_line.evaluation.commands[name].params for flag in option.opts}
        assert {word for word in rest if word.startswith("-")} <= options
