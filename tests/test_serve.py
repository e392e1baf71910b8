"""The service as it runs: a real process, real HTTP, the real encoder."""

import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.standins import write_files
from tests.waiting import until

pytestmark = pytest.mark.model

ROOT = Path(__file__).parent.parent
FILES = {
    "bridge.md": "# Forth Bridge\n\nThe Forth Bridge was opened on 4 March 1890 by the Prince of Wales.",
    "tower.txt": "The Eiffel Tower was opened in 1889 for the World's Fair in Paris.",
}

ADDRESS = re.compile(r"http://[\d.:]+\d")


class Server:
    """A served folder."""

    def __init__(self, url, documents, process):
        self.url = url
        self.documents = documents
        self.process = process

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as response:
            return json.load(response)

    def post(self, path, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


@contextmanager
def serving(folder, *flags):
    documents = write_files(folder / "documents", FILES)
    log = folder / "stderr.txt"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [
                sys.executable,
                ROOT / "serve.py",
                "--documents",
                documents,
                "--index",
                folder / "index",
                "--port",
                "0",
                *flags,
            ],
            stderr=stderr,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
            cwd=folder,
        )
    assert until(lambda: ADDRESS.search(log.read_text()) or process.poll() is not None, seconds=60)
    found = ADDRESS.search(log.read_text())
    assert found, log.read_text()
    try:
        yield Server(found[0], documents, process)
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("serve"), "--watch") as server:
        yield server


def test_a_question_over_http_is_answered_with_a_span_that_is_in_the_document(server):
    body = server.post("/api/v1/ask", {"question": "When was the Forth Bridge opened?", "k": 2})
    answer = body["answers"][0]
    citation = answer["citation"]
    assert citation["doc_id"] == "bridge.md"
    document = server.get("/api/v1/documents/bridge.md")
    assert document["text"][citation["start"] : citation["end"]] == citation["quote"] == answer["text"]
    assert "4 March 1890" in answer["text"]
    assert answer["confidence"] > 0.5


def test_a_question_that_the_documents_do_not_answer_gets_no_answer(server):
    body = server.get("/api/v1/ask?question=What%20is%20the%20boiling%20point%20of%20tungsten%3F")
    assert body["answers"] == []


def test_indexing_and_answering_import_no_torch(tmp_path):
    documents = write_files(tmp_path / "documents", FILES)
    program = """
import sys
from serve import citespan
for command in (["index"], ["ask", "When was the Forth Bridge opened?"]):
    citespan.main([*command, *sys.argv[1:]], standalone_mode=False)
print("imported:", *{"openvino", "torch", "transformers", "sentence_transformers"}.intersection(sys.modules))
"""
    run = subprocess.run(
        [sys.executable, "-c", program, "--documents", documents, "--index", tmp_path / "index"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "4 March 1890" in run.stdout
    assert run.stdout.endswith("imported: openvino\n")


def test_a_bad_request_over_http_is_a_problem(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.get("/api/v1/ask?question=")
    assert caught.value.code == 400
    assert json.load(caught.value)["code"] == "question_empty"


def test_a_file_that_is_added_edited_or_removed_while_serving_changes_the_answers(server):
    path = server.documents / "canal.txt"
    path.write_text("The Suez Canal was opened in 1869.")
    question = "/api/v1/search?query=Suez%20Canal&k=1"
    assert until(lambda: "1869" in server.get(question)["hits"][0]["text"])
    path.write_text("The Suez Canal was closed in 1967.")
    assert until(lambda: "1967" in server.get(question)["hits"][0]["text"])
    path.unlink()
    assert until(lambda: "Suez" not in server.get(question)["hits"][0]["text"])


def test_what_another_process_writes_is_followed(tmp_path):
    with serving(tmp_path) as server:
        write_files(server.documents, {"canal.txt": "The Suez Canal was opened in 1869."})
        assert server.get("/api/v1/status")["n_documents"] == 2
        citespan("index", server, tmp_path)
        assert until(lambda: server.get("/api/v1/status")["n_documents"] == 3)


def test_a_rebuild_and_a_rollback_by_another_process_are_followed(tmp_path):
    with serving(tmp_path) as running:

        def served():
            return running.get("/api/v1/search?query=Suez%20Canal&k=1")

        def knows_the_canal():
            return "1869" in served()["hits"][0]["text"]

        write_files(running.documents, {"canal.txt": "The Suez Canal was opened in 1869."})
        versions = [served()["index_version"]]
        citespan("index", running, tmp_path, "--rebuild")
        assert until(knows_the_canal)
        versions.append(served()["index_version"])
        citespan("rollback", running, tmp_path)
        assert until(lambda: not knows_the_canal())
        versions.append(served()["index_version"])
        citespan("rollback", running, tmp_path)
        assert until(knows_the_canal)
        versions.append(served()["index_version"])
        citespan("prune", running, tmp_path)
        assert knows_the_canal()
    assert versions == sorted(set(versions))


def citespan(command, server, folder, *flags):
    """Run a command on the index of a server, in a process of its own."""
    program = [Path(sys.executable).with_name("citespan"), command, *flags]
    program += ["--documents", server.documents, "--index", folder / "index"]
    subprocess.run(program, check=True, capture_output=True)


def test_a_port_that_is_taken_is_a_clear_error(server, tmp_path):
    port = server.url.rsplit(":", 1)[1]
    documents = write_files(tmp_path / "documents", FILES)
    result = subprocess.run(
        [sys.executable, ROOT / "serve.py", "--documents", documents, "--index", tmp_path / "index", "--port", port],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 1
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_question_asked_while_the_index_changes_sees_two_versions_at_once(server):
    """Two files change together, over and over; each answer's passages must agree with their document."""
    stopped = threading.Event()
    disagreements = []
    n_asked = 0

    def change():
        try:
            for number in range(12):
                for half in ("left", "right"):
                    (server.documents / f"{half}.txt").write_text(f"The marker of the {half} half is number {number}.")
                server.post("/api/v1/index/update")
        finally:
            stopped.set()

    writer = threading.Thread(target=change)
    writer.start()
    while not stopped.is_set():
        body = server.get("/api/v1/search?query=marker%20half%20number&k=10")
        n_asked += 1
        ids = [hit["doc_id"] for hit in body["hits"]]
        if len(ids) != len(set(ids)):
            disagreements.append(ids)  # an old and a new passage of one document
    writer.join()
    assert disagreements == []
    assert n_asked > 10
