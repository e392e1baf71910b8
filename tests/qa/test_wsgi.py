import atexit
import os
from collections.abc import Callable

import pytest
from werkzeug.test import Client

from index.errors import NoIndex
from qa import composition, wsgi
from tests.standins import HashingEncoder, OverlapReader, update_with, write_files


@pytest.fixture(autouse=True)
def stand_in_models(monkeypatch):
    monkeypatch.setattr(composition, "open_encoder", lambda name, **options: HashingEncoder())
    monkeypatch.setattr(composition, "open_reader", lambda name, **options: OverlapReader())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_files(tmp_path / "documents", {"a.txt": "The bridge opened in 1890."})
    update_with(HashingEncoder(), tmp_path / "documents", tmp_path / "index")
    monkeypatch.setenv("CITESPAN_DOCUMENTS", str(tmp_path / "documents"))
    monkeypatch.setenv("CITESPAN_INDEX", str(tmp_path / "index"))
    return tmp_path


@pytest.fixture
def opened(monkeypatch):
    """Open the app as a server does, and do at the end of the test what is left to the end of the process."""
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    yield lambda: Client(wsgi.application())
    for close in at_exit:
        close()


def test_a_fork_that_ends_does_not_close_what_its_parent_opened(folder, opened, monkeypatch):
    registered: list[Callable[[], None]] = []
    with monkeypatch.context() as patch:
        patch.setattr(atexit, "register", registered.append)
        client = opened()
    pid, (close,) = os.getpid(), registered
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid + 1)
        close()
    assert client.get("/api/v1/status").status_code == 200
    close()


def test_a_variable_that_a_server_has_no_use_for_is_not_read(folder, opened, monkeypatch):
    monkeypatch.setenv("CITESPAN_PORT", "tcp://10.0.0.1:8000")  # as Kubernetes sets it beside a service of this name
    assert opened().get("/api/v1/status").status_code == 200


def test_an_index_is_answered_from_and_not_brought_up_to_its_documents(folder, opened):
    write_files(folder / "documents", {"b.txt": "The tower opened in 1889."})
    client = opened()
    assert client.get("/api/v1/ask?question=When was the bridge opened?").json["answers"]
    assert client.get("/api/v1/status").json["n_documents"] == 1


def test_names_that_are_allowed_by_the_environment_are_answered_and_no_others(folder, opened, monkeypatch):
    monkeypatch.setenv("CITESPAN_ALLOWED_HOST", "docs.example")
    client = opened()
    status = {
        name: client.get("/api/v1/health", headers={"Host": name}).status_code
        for name in ("localhost:8000", "docs.example", "evil.example")
    }
    assert status == {"localhost:8000": 200, "docs.example": 200, "evil.example": 421}


def test_a_fork_of_the_process_that_opened_the_index_answers_that_it_cannot(folder, opened, monkeypatch):
    client = opened()
    forked = os.getpid() + 1
    monkeypatch.setattr("os.getpid", lambda: forked)
    problem = client.get("/api/v1/status")
    assert (problem.status_code, problem.json["code"]) == (500, "opened_before_fork")


def test_where_there_is_no_index_nothing_is_opened(opened, tmp_path, monkeypatch):
    monkeypatch.setenv("CITESPAN_INDEX", str(tmp_path))
    with pytest.raises(NoIndex):
        opened()
