"""Kills at every step of a write; `make crash-test` tries many more, docs/reliability.md tells what came of them."""

import os
import secrets
import sqlite3
from contextlib import closing

import pytest

from index.errors import DamagedIndex
from index.store import faults
from index.store.folder import current_database
from tests.crash.edits import carry_out
from tests.crash.matrix import Result, table, trials
from tests.crash.trial import Folder, check_mended, expected, observed
from tests.standins import HashingEncoder, update_with, write_files


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork, and no SIGKILL")
def test_an_index_whose_writer_is_killed_is_a_committed_one_and_mended_by_one_update():
    assert [result for result in trials(50, seed="test") if result.problems] == []


@pytest.fixture
def home(tmp_path):
    write_files(tmp_path / "documents", {"a.txt": "The bridge opened in 1890.", "b.md": "# Tower\n\nIt is of iron."})
    update_with(HashingEncoder(), tmp_path / "documents", tmp_path / "index")
    return tmp_path


def test_what_is_read_past_the_index_is_what_the_files_have_to_say(home):
    files = {path.name: path.read_bytes() for path in (home / "documents").iterdir()}
    assert observed(home / "index") == Folder(expected(files), None)
    assert check_mended(home) == []


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM passages WHERE passage_id = 1",
        'UPDATE passages SET "end" = "end" - 1',
        "UPDATE passages SET vector = zeroblob(256)",
    ],
)
def test_the_trials_would_notice_a_document_by_halves(home, damage):
    with closing(sqlite3.connect(current_database(home / "index"))) as connection:
        connection.execute(damage)
        connection.commit()
    with pytest.raises(DamagedIndex):  # which is a problem of the trial
        check_mended(home)


def test_the_trials_would_notice_a_file_that_lies_about(home):
    (home / "index" / "index-00.tmp").write_text("")
    assert check_mended(home) == ["left over: ['index-00.tmp']"]


def test_the_next_update_clears_what_a_rebuild_left_that_was_cut_short(home):
    stray = home / "index" / f"index-{secrets.token_hex(8)}.sqlite"
    for path in (stray, stray.with_name(stray.name + "-wal"), home / "index" / "current.new"):
        path.write_bytes(b"half")
    (home / "index" / "feedback.db").write_bytes(b"of somebody else")
    update_with(HashingEncoder(), home / "documents", home / "index")
    names = {path.name for path in (home / "index").iterdir()}
    assert names == {"current", "version", "write.lock", "feedback.db", current_database(home / "index").name}


def test_vectors_of_a_long_document_that_is_gone_are_not_kept(home, monkeypatch):
    monkeypatch.setattr("index.update._GROUP", 2)
    write_files(home / "documents", {"long.md": "\n\n".join(f"# Part {n}\n\nText {n}." for n in range(9))})

    def kill(point):
        if point == "pending.after_commit":
            raise KeyboardInterrupt

    faults.arm(kill)
    with pytest.raises(KeyboardInterrupt):
        update_with(HashingEncoder(), home / "documents", home / "index")
    faults.arm(None)
    carry_out(["delete", "long.md"], home)
    update_with(HashingEncoder(), home / "documents", home / "index")
    assert check_mended(home) == []


def test_the_table_counts_trials_and_inconsistent_ones_by_the_place_of_killing():
    results = [Result("add.begun", "1", ()), Result("add.begun", "2", ("wrong", "wrong too"))]
    assert table(results).splitlines()[2:] == ["| `add.begun` | 2 | 1 |", "| all | 2 | 1 |"]
