import logging
import shutil
import threading
import time

import pytest

from index.errors import IndexBusy
from qa.background import _Survived, background_work
from tests.standins import build_engine, write_files
from tests.waiting import until


@pytest.fixture
def engine(tmp_path):
    engine = build_engine(tmp_path, {"a.txt": "The bridge opened in 1890."})
    yield engine
    engine.close()


def test_a_file_that_is_saved_while_watching_is_taken_in(engine, tmp_path):
    with background_work(engine, threading.Event(), is_watching=True):
        time.sleep(0.3)
        write_files(tmp_path / "documents", {"b.txt": "The tower opened in 1889."})
        assert until(lambda: engine.status().counts.n_documents == 2)


def test_a_file_that_was_saved_before_the_watch_began_is_taken_in(engine, tmp_path):
    write_files(tmp_path / "documents", {"b.txt": "The tower opened in 1889."})
    with background_work(engine, threading.Event(), is_watching=True):
        assert until(lambda: engine.status().counts.n_documents == 2)


def test_without_watching_only_what_others_write_is_followed(engine, tmp_path):
    with background_work(engine, threading.Event(), is_watching=False):
        write_files(tmp_path / "documents", {"b.txt": "The tower opened in 1889."})
        time.sleep(1)
        assert engine.status().counts.n_documents == 1


def test_an_index_below_its_documents_does_not_wake_the_watch_by_being_written(tmp_path, monkeypatch):
    root = tmp_path / "documents"
    engine = build_engine(tmp_path, {"a.txt": "The bridge."}, index=root / "var")
    n_updates = []
    real = type(engine).update

    def update_and_count(self, *args):
        n_updates.append(1)
        return real(self, *args)

    monkeypatch.setattr(type(engine), "update", update_and_count)
    with background_work(engine, threading.Event(), is_watching=True):
        time.sleep(0.3)
        write_files(root, {"b.txt": "The tower."})
        assert until(lambda: engine.status().counts.n_documents == 2)
        time.sleep(2)
    engine.close()
    assert len(n_updates) <= 3


def test_stopping_does_not_wait_for_an_update_to_finish(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("index.update._GROUP", 1)
    encoder = engine._encoder
    real = encoder.encode_passages
    n_encoded = []

    def slowly(texts):
        n_encoded.append(len(texts))
        time.sleep(0.1)
        return real(texts)

    encoder.encode_passages = slowly
    with background_work(engine, threading.Event(), is_watching=True):
        time.sleep(0.3)
        write_files(tmp_path / "documents", {f"{n}.txt": f"Text number {n}." for n in range(200)})
        assert until(lambda: n_encoded)
    assert len(n_encoded) < 150


def test_one_failure_does_not_end_the_work(engine, monkeypatch, caplog):
    tried = []

    def fail(self):
        tried.append(self)
        return 1 / 0

    monkeypatch.setattr("qa.background._RETRY_AFTER_S", 0.1)
    monkeypatch.setattr(type(engine), "refresh", fail)
    with caplog.at_level(logging.ERROR), background_work(engine, threading.Event(), is_watching=False):
        assert until(lambda: len(tried) >= 3)
    assert "ZeroDivisionError" in caplog.text


def test_a_failure_is_logged_once_until_there_is_another_or_none(caplog):
    outcomes = iter([IndexBusy("one"), IndexBusy("one"), IndexBusy("two"), None, IndexBusy("two"), ValueError(1)])

    def step():
        if (outcome := next(outcomes)) is not None:
            raise outcome

    survived = _Survived(step)
    with caplog.at_level(logging.ERROR):
        assert [survived() for _ in range(6)] == [*[IndexBusy] * 3, None, IndexBusy, ValueError]
    told = [record.getMessage() for record in caplog.records]
    assert [message.rpartition(" ")[2] for message in told] == ["one", "two", "two", "background"]


def test_a_change_of_what_is_left_out_is_followed_while_watching(engine, tmp_path):
    write_files(tmp_path / "documents", {"draft.txt": "The tower opened in 1889."})
    with background_work(engine, threading.Event(), is_watching=True):
        assert until(lambda: engine.status().counts.n_documents == 2)
        write_files(tmp_path / "documents", {".citespanignore": "draft*"})
        assert until(lambda: engine.status().counts.n_documents == 1)
        assert {failure.code for failure in engine.status().failures} == {"file_hidden", "file_ignored"}
        (tmp_path / "documents" / ".citespanignore").unlink()
        assert until(lambda: engine.status().counts.n_documents == 2)


def test_a_folder_that_vanishes_and_comes_back_is_followed_again(engine, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("qa.background._RETRY_AFTER_S", 0.1)
    documents, elsewhere = tmp_path / "documents", tmp_path / "elsewhere"
    with background_work(engine, threading.Event(), is_watching=True):
        write_files(documents, {"b.txt": "The tower opened in 1889."})
        assert until(lambda: engine.status().counts.n_documents == 2)
        documents.rename(elsewhere)
        assert until(lambda: "cannot watch" in caplog.text)
        time.sleep(0.5)  # it is tried again some times
        told = [text for record in caplog.records if "cannot watch" in (text := record.getMessage())]
        assert len(told) == len(set(told))
        assert engine.status().counts.n_documents == 2  # what vanished was the folder, not its documents
        shutil.copytree(elsewhere, documents)
        write_files(documents, {"c.txt": "The gate opened in 1888."})
        assert until(lambda: engine.status().counts.n_documents == 3)
        write_files(documents, {"d.txt": "The dam opened in 1887."})
        assert until(lambda: engine.status().counts.n_documents == 4)


def test_another_folder_that_takes_the_place_of_the_documents_is_followed(engine, tmp_path):
    documents = tmp_path / "documents"
    other = write_files(tmp_path / "other", {"b.txt": "The tower opened in 1889."})
    with background_work(engine, threading.Event(), is_watching=True):
        write_files(documents, {"c.txt": "The gate opened in 1888."})
        assert until(lambda: engine.status().counts.n_documents == 2)
        documents.rename(tmp_path / "former")
        other.rename(documents)
        assert until(lambda: [summary.doc_id for summary in engine.documents().documents] == ["b.txt"])
        write_files(documents, {"d.txt": "The dam opened in 1887."})
        assert until(lambda: engine.status().counts.n_documents == 2)
