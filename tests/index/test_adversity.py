"""A full disk, a folder that cannot be written, a clock that goes back: nothing is lost, and the error says what to do."""

import errno
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from index.errors import IndexNotWritable
from index.store import connection as sqlite
from index.store.folder import current_database, previous_database
from qa.feedback_store import FeedbackStore
from tests.qa.test_feedback_store import ENTRY, SILENCE
from tests.standins import HashingEncoder, opened, update_with, write_files


@pytest.fixture
def root(tmp_path):
    return write_files(tmp_path / "documents", {"a.txt": "The bridge opened in 1890.", "b.txt": "The tower."})


@pytest.fixture
def folder(root, tmp_path):
    update_with(HashingEncoder(), root, tmp_path / "index")
    return tmp_path / "index"


def texts(folder):
    with opened(folder) as store, store.snapshot() as snapshot:
        return {summary.doc_id: snapshot.document(summary.doc_id).text for summary in snapshot.summaries()}


def full_disk(monkeypatch, module):
    """Let every database that a module opens be as large as it is now, and no larger: SQLite's own SQLITE_FULL."""

    def connect(path, *, mode):
        opened = sqlite.connect(path, mode=mode)
        opened.execute("PRAGMA max_page_count = 1")  # never less than it has
        return opened

    monkeypatch.setattr(f"{module}.connect", connect)


def refusing(monkeypatch, method, code, folder):
    """Let an operation on the files of a folder fail as the operating system lets it."""
    real = getattr(Path, method)

    def refuse(self, *args, **options):
        if self.parent == folder:
            raise OSError(code, os.strerror(code), str(self))
        return real(self, *args, **options)

    monkeypatch.setattr(Path, method, refuse)


def test_a_disk_that_is_full_ends_an_update_and_loses_nothing(folder, root, monkeypatch):
    before = texts(folder)
    write_files(root, {"large.txt": "A sentence of a large file. " * 5000, "a.txt": "The bridge closed."})
    with monkeypatch.context() as patch:
        full_disk(patch, "index.store.database")
        with pytest.raises(IndexNotWritable, match=r"disk is full.*free space"):
            update_with(HashingEncoder(), root, folder)
    found = texts(folder)
    assert found["b.txt"] == before["b.txt"]
    assert found["a.txt"] in {before["a.txt"], "The bridge closed."}
    update_with(HashingEncoder(), root, folder)
    assert texts(folder)["a.txt"] == "The bridge closed."
    assert "large.txt" in texts(folder)


def test_a_disk_that_is_full_ends_a_rebuild_and_the_index_there_is_answers_on(folder, root, monkeypatch):
    before = texts(folder)
    with monkeypatch.context() as patch:
        full_disk(patch, "index.store.schema")
        with pytest.raises(IndexNotWritable, match="disk is full"):
            update_with(HashingEncoder(), root, folder, rebuild=True)
    assert texts(folder) == before
    update_with(HashingEncoder(), root, folder, rebuild=True)
    assert set(folder.glob("index-*.sqlite")) == {current_database(folder), previous_database(folder)}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("method", ["open", "replace"])
def test_a_pointer_that_cannot_be_written_leaves_the_former_index(folder, root, monkeypatch, code, method):
    before = texts(folder)
    with monkeypatch.context() as patch:
        refusing(patch, method, code, folder)
        with pytest.raises(IndexNotWritable, match=os.strerror(code)):
            update_with(HashingEncoder(), root, folder, rebuild=True)
    assert texts(folder) == before


def test_a_version_that_cannot_be_noted_stops_nothing(folder, root, monkeypatch):
    write_files(root, {"c.txt": "A third text."})
    with monkeypatch.context() as patch:
        refusing(patch, "write_text", errno.ENOSPC, folder)
        update_with(HashingEncoder(), root, folder)
    assert "c.txt" in texts(folder)


def test_feedback_on_a_full_disk_is_told_and_what_was_said_before_is_kept(folder, monkeypatch):
    store = FeedbackStore(folder)
    store.add(ENTRY)
    with monkeypatch.context() as patch:
        full_disk(patch, "qa.feedback_store")
        with pytest.raises(IndexNotWritable, match="disk is full"):
            store.add(replace(SILENCE, comment="x" * 100_000))
        assert store.newest() == [ENTRY]
    store.add(SILENCE)
    assert store.newest() == [SILENCE, ENTRY]


def test_a_first_feedback_that_cannot_be_written_leaves_no_half_file(folder, monkeypatch):
    with monkeypatch.context() as patch:
        full_disk(patch, "qa.feedback_store")
        with pytest.raises(IndexNotWritable):
            FeedbackStore(folder).add(ENTRY)
    assert not (folder / "feedback.db").exists()
    FeedbackStore(folder).add(ENTRY)


@pytest.mark.parametrize("name", ["SQLITE_READONLY", "SQLITE_READONLY_DIRECTORY", "SQLITE_FULL", "SQLITE_IOERR_WRITE"])
def test_what_sqlite_says_of_a_disk_is_told_with_the_remedy(tmp_path, name):
    error = sqlite3.OperationalError("refused")
    error.sqlite_errorname = name
    with (
        pytest.raises(IndexNotWritable, match="check its permissions and the disk's free space"),
        sqlite.translated(tmp_path),
    ):
        raise error


@pytest.mark.parametrize("jump_s", [-3600, -(10**9), 10**9])
def test_an_edit_is_seen_after_the_clock_has_jumped(folder, root, monkeypatch, jump_s):
    import time

    real, path = time.time_ns, root / "a.txt"
    monkeypatch.setattr("time.time_ns", lambda: real() + jump_s * 10**9)
    update_with(HashingEncoder(), root, folder)
    status = path.stat()
    path.write_text("The bridge opened in 1980.")  # as long as before
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert update_with(HashingEncoder(), root, folder).replaced == ("a.txt",)
    assert texts(folder)["a.txt"] == "The bridge opened in 1980."


def test_files_from_the_future_or_the_past_are_indexed_and_edits_of_them_are_seen(folder, root):
    for year_s in (0, 4 * 10**9):
        os.utime(root / "a.txt", (year_s, year_s))
        update_with(HashingEncoder(), root, folder)
        write_files(root, {"a.txt": f"The bridge, {year_s}."})
        os.utime(root / "a.txt", (year_s, year_s))
        assert update_with(HashingEncoder(), root, folder).replaced == ("a.txt",)


def test_versions_and_feedback_keep_their_order_when_the_clock_goes_back(folder, root):
    with opened(folder) as store:
        versions = []
        for number, time in enumerate(["2030-01-01T00:00:00+00:00", "1999-01-01T00:00:00+00:00"]):
            FeedbackStore(folder).add(replace(ENTRY, entry_id=f"e{number}", time=time))
            write_files(root, {"c.txt": f"Text {number}."})
            versions.append(update_with(HashingEncoder(), root, folder).index_version)
            assert store.refresh()
    assert versions == sorted(versions)
    assert [entry.entry_id for entry in FeedbackStore(folder).newest()] == ["e1", "e0"]
