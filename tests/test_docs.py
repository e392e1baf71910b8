"""Documentation that a test holds true."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from qa.cli import citespan, feedback_group
from qa.settings import SETTINGS
from qa.web.app import create_app
from qa.web.views import explanations
from serve import serve
from tests.standins import build_engine

ROOT = Path(__file__).parent.parent
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("training/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
ERRORS = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_documented_with_its_flag_variable_and_default(setting):
    (row,) = re.findall(rf"^\| `{setting.flag}` \|.*$", CONFIGURATION, re.MULTILINE)
    assert f"`{setting.variable}`" in row
    if setting.default not in (None, (), False):
        assert f"{setting.default}" in row


def test_every_documented_flag_exists():
    documented = re.findall(r"^\| `(--[a-z-]+)` \|", CONFIGURATION, re.MULTILINE)
    assert sorted(documented) == sorted(setting.flag for setting in SETTINGS)


def test_every_command_is_in_the_readme():
    assert serve.name in citespan.commands
    for command in citespan.commands:
        assert f"citespan {command}" in README


def test_every_command_for_feedback_is_in_its_page():
    page = (ROOT / "docs" / "feedback.md").read_text(encoding="utf-8")
    for command in feedback_group.commands:
        assert f"citespan feedback {command}" in page


def test_every_error_code_is_documented_as_the_service_explains_it():
    documented = re.findall(r"^\| `([a-z_]+)` \| (\d*) ?\| (.*) \|$", ERRORS, re.MULTILINE)
    explained = [(e.code, str(e.status or ""), e.text) for e in explanations()]
    assert documented == explained


def test_every_route_and_every_json_field_of_the_api_is_documented(tmp_path):
    engine = build_engine(tmp_path, {"a.txt": "The bridge opened in 1890.", "b.txt": b"\0"})
    app = create_app(engine)
    routes = {rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")}
    for route in routes:
        assert route.replace("<path:doc_id>", "<doc_id>") in API
    client = app.test_client()
    answer, span = "The bridge opened in 1890.", {"doc_id": "a.txt", "start": 0, "end": 26}
    judgement = {"question": "When?", "verdict": "right", "answer": answer, "citation": span, "index_version": 0}
    kept = [
        {**span, "quote": "The bridge opened in 1889.", "sha256": "0" * 64},
        {"doc_id": "a.txt", "start": 9, "end": 10, "quote": "e", "sha256": "0" * 64},
    ]
    bodies = [
        client.get("/api/v1/ask?question=When was the bridge opened?&explain=1").get_json(),
        client.get("/api/v1/search?query=bridge").get_json(),
        client.post("/api/v1/citations/verify", json={"citations": kept}).get_json(),
        client.get("/api/v1/documents").get_json(),
        client.get("/api/v1/documents/a.txt").get_json(),
        client.get("/api/v1/status").get_json(),
        client.get("/api/v1/health").get_json(),
        client.post("/api/v1/index/update").get_json(),
        client.post("/api/v1/feedback", json=judgement).get_json(),
        client.get("/api/v1/feedback").get_json(),
        client.get("/api/v1/ask").get_json(force=True),
    ]
    engine.close()
    assert bodies[0]["answers"]
    assert bodies[-2]["feedback"]
    missing = {key for key in keys(bodies) if not re.search(rf'[`"\[\].]{key}[`"]', API)}
    assert missing == set()


def keys(value):
    """All keys of a JSON value, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_the_pages_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_the_two_commands_are_what_they_say():
    printed = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "serve", "test", "DOCUMENTS=x y", "PORT=9"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert 'serve.py --documents "x y"' in printed
    assert '--port "9"' in printed
    assert "ruff format --check ." in printed
    assert "mypy" in printed
    assert printed.rstrip().endswith("pytest")


def test_the_decisions_are_all_in_their_list():
    listed = set(
        re.findall(r"\((\d{4}-[a-z-]+\.md)\)", (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8"))
    )
    assert listed == {path.name for path in (ROOT / "docs" / "decisions").glob("0*.md")}
