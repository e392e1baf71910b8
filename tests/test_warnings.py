"""Whole processes under `python -W error`: no warning, and nothing left open at the end."""

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.standins import write_files
from tests.waiting import until

pytestmark = pytest.mark.model

ROOT = Path(__file__).parent.parent
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
COMMAND = "from serve import citespan; citespan()"
QUESTIONS = "question,answer,document\nWhen was the bridge opened?,1890,bridge.txt\nWho composed zarzuelas?,,\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with documents and their index."""
    folder = write_files(
        tmp_path_factory.mktemp("strict"),
        {
            "documents/bridge.txt": "The bridge was opened in 1890.",
            "documents/b.html": "<h1>A</h1><p>b",
            "q.csv": QUESTIONS,
        },
    )
    assert_no_warning(run_python(folder, COMMAND, "index"))
    return folder


def environment(folder):
    return {
        **os.environ,
        "CITESPAN_DOCUMENTS": str(folder / "documents"),
        "CITESPAN_INDEX": str(folder / "index"),
        "PYTHONWARNINGS": "error",
        "PYTHONPATH": str(ROOT),
    }


def run_python(folder, program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def assert_no_warning(result):
    # What is left open shows only as text: an error in the interpreter's own cleaning up changes no exit status.
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr
    assert "Exception ignored" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "When was the bridge opened?"),
        ("eval", "q.csv", "--html", "report.html"),
        ("doctor", "--sample", "2"),
        ("backup", "backup.zip"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_gives_no_warning(folder, arguments):
    assert_no_warning(run_python(folder, COMMAND, *arguments))


def test_a_service_starts_answers_and_stops_without_a_warning(folder):
    log = folder / "stderr.txt"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, ROOT / "serve.py", "--port", "0", "--watch"], env=environment(folder), stderr=stream
        )
    assert until(lambda: ADDRESS.search(log.read_text()) or process.poll() is not None, seconds=60)
    address = ADDRESS.search(log.read_text())
    assert address, log.read_text()
    with urllib.request.urlopen(f"{address[0]}/api/v1/ask?question=When%20was%20the%20bridge%20opened%3F") as response:
        assert b"1890" in response.read()
    process.terminate()
    status = process.wait(timeout=20)
    assert_no_warning(subprocess.CompletedProcess("serve", status, "", log.read_text()))


def test_the_app_for_other_servers_opens_answers_and_closes_without_a_warning(folder):
    program = """
from qa.wsgi import application
from werkzeug.test import Client

print(Client(application()).get("/api/v1/ask?question=When was the bridge opened?").text)
"""
    result = run_python(folder, program)
    assert_no_warning(result)
    assert "1890" in result.stdout
