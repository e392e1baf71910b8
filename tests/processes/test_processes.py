"""One index, one process that writes it, and several that answer from it over HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import pytest

from benchmarks.load import disagreements, write_document
from tests.processes.writer import N_DOCUMENTS
from tests.standins import HashingEncoder, update_with
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
N_WORKERS = 4
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--no-control-socket", "--threads", "4"]
SERVED = "tests.processes.served"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="gunicorn needs POSIX, and SIGKILL is of it")


@dataclass
class Service:
    """A service under test.

    Attributes:
        n_processes: That answer.
        folder: Holds `documents` and `index`.
    """

    port: int
    n_processes: int
    folder: Path
    log: Path

    def request(self, path, body=None, method=None):
        """Send a request on a connection of its own; return the process that answered, and its JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.headers.get("X-Process"), json.load(response)


@dataclass
class Seen:
    """What clients saw; written by all of their threads.

    Attributes:
        n_compared: Answers in which both halves of a document were seen.
        latest: The last version that each process answered from.
    """

    problems: list[str] = field(default_factory=list)
    n_compared: int = 0
    latest: dict[str, int] = field(default_factory=dict)

    def is_followed(self, index_version, *, n_processes):
        return sum(latest >= index_version for latest in self.latest.values()) == n_processes


@contextmanager
def serving(folder: Path, *command: str, n_processes: int) -> Iterator[Service]:
    log = folder / "log.txt"
    environment = {"CITESPAN_DOCUMENTS": str(folder / "documents"), "CITESPAN_INDEX": str(folder / "index")}
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, stderr=stream, env={**os.environ, **environment}
        )
    try:
        assert until(lambda: ADDRESS.search(log.read_text()) or process.poll() is not None, seconds=60)
        address = ADDRESS.search(log.read_text())
        assert address, log.read_text()
        yield Service(int(address[1]), n_processes, folder, log)
    finally:
        process.terminate()
        process.wait(timeout=20)


def indexed(folder: Path) -> Path:
    """Write documents and index them; return the folder of both."""
    (folder / "documents").mkdir()
    for number in range(N_DOCUMENTS):
        write_document(folder / "documents", number, 0)
    update_with(HashingEncoder(), folder / "documents", folder / "index")
    return folder


@pytest.fixture(scope="module")
def behind_gunicorn(tmp_path_factory):
    folder = indexed(tmp_path_factory.mktemp("gunicorn"))
    command = [*GUNICORN, "--workers", str(N_WORKERS), f"{SERVED}:application()"]
    with serving(folder, *command, n_processes=N_WORKERS) as service:
        yield service


@pytest.fixture(scope="module")
def behind_waitress(tmp_path_factory):
    folder = indexed(tmp_path_factory.mktemp("waitress"))
    with serving(folder, SERVED, "--port", "0", n_processes=1) as service:
        yield service


@contextmanager
def writing(folder: Path):
    """Start a process that writes; yield it, and what hands it an order and waits for its answer."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.processes.writer", folder / "documents", folder / "index"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdin
        assert process.stdout
        orders, answers = process.stdin, process.stdout

        def carry_out(order):
            orders.write(order + "\n")
            orders.flush()
            return answers.readline().strip()

        yield process, carry_out


@contextmanager
def asking(service: Service, n_clients: int = 4) -> Iterator[Seen]:
    """Ask all the time, from several threads, for both halves of one document after another."""
    seen, stopped = Seen(), threading.Event()

    def ask_on():
        latest: dict[str, int] = {}
        for number in count():
            if stopped.is_set():
                return
            question = f"Which version are the first half and the second half of marker {number % N_DOCUMENTS}?"
            try:
                process, body = service.request("ask?" + urlencode({"question": question, "k": 10}))
            except (OSError, ValueError) as error:
                seen.problems.append(repr(error))
                continue
            mixed, is_compared = disagreements(body)
            seen.problems += mixed
            seen.n_compared += is_compared
            version = body["index_version"]
            if version < latest.get(process, 0):
                seen.problems.append(f"{process} went back from version {latest[process]} to {version}")
            seen.latest[process] = latest[process] = version

    with ThreadPoolExecutor(n_clients) as pool:
        clients = [pool.submit(ask_on) for _ in range(n_clients)]
        try:
            yield seen
        finally:
            stopped.set()
    for client in clients:
        client.result()


@pytest.mark.parametrize("server", ["behind_gunicorn", "behind_waitress"])
def test_every_process_follows_one_that_writes_and_no_answer_mixes_versions(server, request):
    service = request.getfixturevalue(server)
    with asking(service) as seen, writing(service.folder) as (_, carry_out):
        for order in ("edit", "edit", "rebuild", "edit", "edit"):
            version = int(carry_out(order))
            assert until(partial(seen.is_followed, version, n_processes=service.n_processes)), (seen.latest, version)
    assert seen.problems == []
    assert seen.n_compared > 50
    assert "ERROR" not in service.log.read_text()


def test_a_worker_that_is_killed_is_replaced(behind_gunicorn):
    with asking(behind_gunicorn) as seen:
        assert until(lambda: len(seen.latest) == N_WORKERS)
    killed = next(iter(seen.latest))
    os.kill(int(killed), signal.SIGKILL)
    assert until(lambda: f"(pid:{killed})" in behind_gunicorn.log.read_text()), behind_gunicorn.log.read_text()
    with asking(behind_gunicorn) as after:
        assert until(lambda: len(after.latest) == N_WORKERS)
    assert after.problems == []
    assert killed not in after.latest


def test_while_one_process_writes_no_other_may_and_when_it_is_killed_any_other_may(behind_gunicorn):
    with writing(behind_gunicorn.folder) as (process, carry_out):
        assert carry_out("hang") == "hanging"
        with pytest.raises(urllib.error.HTTPError) as refused:
            behind_gunicorn.request("index/update", method="POST")
        assert refused.value.code == 409
        assert json.load(refused.value)["code"] == "index_busy"
        process.kill()
    _, report = behind_gunicorn.request("index/update", method="POST")
    assert report["replaced"]
    with asking(behind_gunicorn) as seen:
        assert until(lambda: seen.is_followed(report["index_version"], n_processes=N_WORKERS))
    assert seen.problems == []


def test_feedback_that_several_processes_take_at_once_is_all_kept(behind_gunicorn):
    said = {"question": "Which?", "verdict": "right", "answer": None, "index_version": 1}
    with ThreadPoolExecutor(8) as clients:
        sent = list(
            clients.map(lambda n: behind_gunicorn.request("feedback", {**said, "comment": f"number {n}"}), range(40))
        )
    assert len({process for process, _ in sent}) > 1
    _, kept = behind_gunicorn.request("feedback")
    assert {entry["comment"] for entry in kept["feedback"]} == {f"number {n}" for n in range(40)}


def test_an_app_that_was_opened_before_the_server_forked_says_so(tmp_path):
    command = [*GUNICORN, "--preload", f"{SERVED}:application()"]
    with serving(indexed(tmp_path), *command, n_processes=1) as service:
        with pytest.raises(urllib.error.HTTPError) as refused:
            service.request("search?query=marker")
        problem = json.load(refused.value)
    assert problem["code"] == "opened_before_fork"
    assert "--preload" in problem["detail"]


def test_gunicorn_does_not_start_where_there_is_no_index(tmp_path):
    environment = {**os.environ, "CITESPAN_INDEX": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", *GUNICORN, f"{SERVED}:application()"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode != 0
    assert f"no index in {tmp_path}: make one with `citespan index`" in run.stderr


def test_an_answer_that_mixes_versions_would_be_noticed():
    passages = [
        {"doc_id": "a.md", "text": f"The {half} half is version {n}."} for half, n in (("first", 1), ("second", 2))
    ]
    assert disagreements({"passages": passages}) == (["a.md: versions ['1', '2']"], True)
