import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from index.errors import DamagedFeedback, IndexBusy, IndexNotWritable, UnknownFeedback, UnsupportedFeedback
from index.records import Span
from index.store.connection import connect
from index.store.folder import writing
from qa.feedback import Entry, Quoted, Verdict
from qa.feedback_store import FeedbackStore
from tests.standins import HashingEncoder, update_with, write_files

ROOT = Path(__file__).parents[2]
ENTRY = Entry(
    entry_id="e0",
    time="2026-11-05T12:00:00+00:00",
    question="When? 😀 \x1b[31m",
    verdict=Verdict.WRONG,
    answer="in 1890\n",
    place=Quoted("a b/ü.md", Span(3, 11), "in 1890\n", "f" * 64),
    corrected="",
    comment="",
    index_version=7,
    reader="r",
    encoder="e",
)
SILENCE = replace(
    ENTRY, entry_id="e1", verdict=Verdict.RIGHT, answer=None, place=None, corrected=None, comment="so it is"
)


@pytest.fixture
def store(tmp_path):
    return FeedbackStore(tmp_path)


def ids(entries):
    return [entry.entry_id for entry in entries]


def test_an_entry_comes_back_as_it_was_kept(store):
    store.add(ENTRY)
    store.add(SILENCE)
    assert store.newest() == [SILENCE, ENTRY]
    assert store.get("e0") == ENTRY


def test_without_a_file_there_is_nothing_and_reading_makes_none(store):
    assert (store.newest(), store.count()) == ([], 0)
    with pytest.raises(UnknownFeedback):
        store.get("e0")
    assert not store.path.exists()


def test_a_folder_that_is_not_there_is_made(tmp_path):
    store = FeedbackStore(tmp_path / "a" / "b")
    store.add(ENTRY)
    assert store.newest() == [ENTRY]


def test_the_list_goes_on_before_an_entry_even_within_one_second(store):
    for number in range(5):
        store.add(replace(ENTRY, entry_id=f"e{number}"))
    assert ids(store.newest(2)) == ["e4", "e3"]
    assert ids(store.newest(2, before="e3")) == ["e2", "e1"]
    assert ids(store.newest(before="e0")) == []
    with pytest.raises(UnknownFeedback):
        store.newest(before="e9")


def test_what_is_taken_back_is_gone_and_nothing_else(store):
    store.add(ENTRY)
    store.add(SILENCE)
    assert store.delete("e0") == ENTRY
    assert store.newest() == [SILENCE]
    for _ in range(2):
        with pytest.raises(UnknownFeedback):
            store.delete("e0")


@pytest.mark.parametrize("entry_id", ["", "'; DROP TABLE entries; --", "nul\0", "x" * 10**6, "%"])
def test_an_id_is_never_more_than_a_value(store, entry_id):
    store.add(ENTRY)
    with pytest.raises(UnknownFeedback):
        store.delete(entry_id)
    assert store.count() == 1


def test_two_processes_that_write_at_once_both_succeed_from_the_first_entry_on(store):
    program = """
import sys
from dataclasses import replace
from pathlib import Path
from qa.feedback_store import FeedbackStore
from tests.qa.test_feedback_store import ENTRY
sys.stdin.readline()
for number in range(20):
    FeedbackStore(Path(sys.argv[1])).add(replace(ENTRY, entry_id=f"{sys.argv[2]}-{number}"))
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", program, store.path.parent, name], cwd=ROOT, stdin=subprocess.PIPE)
        for name in ("a", "b")
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert sorted(ids(store.newest())) == sorted(f"{name}-{n}" for name in "ab" for n in range(20))
    assert not list(store.path.parent.glob("*.new"))


def test_an_update_of_the_index_holds_up_no_feedback(store):
    with writing(store.path.parent):
        store.add(ENTRY)
        store.add(SILENCE)
    assert store.count() == 2


def test_threads_that_write_at_once_all_succeed(store):
    threads = [
        threading.Thread(target=lambda n=n: [store.add(replace(ENTRY, entry_id=f"{n}-{i}")) for i in range(5)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.count() == 40


def test_a_writer_that_never_ends_is_told_as_busy(store, monkeypatch):
    monkeypatch.setattr("index.store.connection._BUSY_TIMEOUT_S", 0.01)
    store.add(ENTRY)
    other = connect(store.path, mode="rw")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(IndexBusy):
        store.add(SILENCE)
    other.execute("ROLLBACK")
    other.close()
    store.add(SILENCE)


@pytest.mark.parametrize("n_bytes", [0, 1, 100, 4096, 8000])
def test_a_file_that_was_cut_off_is_told_as_damaged_and_left_as_it_is(store, n_bytes):
    for number in range(40):
        store.add(replace(ENTRY, entry_id=f"e{number}", comment="x" * 500))
    cut = store.path.read_bytes()[:n_bytes]
    store.path.write_bytes(cut)
    for use in (store.newest, store.count, lambda: store.add(SILENCE), lambda: store.delete("e0")):
        with pytest.raises(DamagedFeedback, match=r"feedback\.db is damaged"):
            use()
    assert store.path.read_bytes() == cut


@pytest.mark.parametrize("content", [b"garbage", b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_database_is_told_as_damaged(store, content):
    store.path.write_bytes(content)
    for use in (store.newest, lambda: store.add(ENTRY)):
        with pytest.raises(DamagedFeedback, match="bring back a copy"):
            use()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET verdict = 'perhaps'",
        'UPDATE entries SET "end" = 0',
        'UPDATE entries SET "start" = NULL',
        "UPDATE entries SET question = CAST(x'ff' AS TEXT)",
        "DROP TABLE entries",
        "PRAGMA user_version = 0",
    ],
)
def test_a_database_whose_content_is_not_ours_is_told_as_damaged(store, statement):
    store.add(ENTRY)
    connection = connect(store.path, mode="rw")
    connection.execute(statement)
    connection.close()
    with pytest.raises(DamagedFeedback):
        store.newest()


def changed(store, statements):
    with closing(connect(store.path, mode="rw")) as connection:
        connection.executescript(statements)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("entry_id", "'f0'"), ("time", "'2026-11-05T12:00:01+00:00'"), ("question", "'When? '"), ("verdict", "'right'"),
        ("answer", "NULL"), ("doc_id", "'a'"), ('"start"', "2"), ('"end"', "12"), ("quote", "'in 1891'"),
        ("sha256", "''"), ("corrected", "NULL"), ("comment", "'!'"), ("index_version", "8"), ("reader", "'s'"),
        ("encoder", "''"), ("digest", "x''"),
    ],
)  # fmt: skip
def test_an_entry_that_is_not_what_was_kept_is_never_given_out(store, column, value):
    store.add(ENTRY)
    store.add(SILENCE)
    changed(store, f"UPDATE entries SET {column} = {value} WHERE number = 1")
    for use in (store.newest, store.check):
        with pytest.raises(DamagedFeedback):
            use()
    assert store.get("e1") == SILENCE


def test_damaged_entries_are_counted_and_the_first_are_named(store):
    for number in range(6):
        store.add(replace(ENTRY, entry_id=f"e{number}"))
    changed(store, "UPDATE entries SET comment = 'x' WHERE number > 1")
    with pytest.raises(DamagedFeedback, match="5 of 6 entries are not what was kept, the first 'e5', 'e4', 'e3'"):
        store.check()


def make_older(store):
    """Make a file as it was before entries had digests."""
    changed(store, "ALTER TABLE entries DROP COLUMN digest; PRAGMA user_version = 1;")


def test_feedback_from_before_there_were_digests_is_kept_and_gets_them(store):
    store.add(ENTRY)
    store.add(SILENCE)
    make_older(store)
    assert store.newest() == [SILENCE, ENTRY]
    store.add(replace(ENTRY, entry_id="e2"))
    assert store.check() == 3
    changed(store, "UPDATE entries SET comment = 'x' WHERE entry_id = 'e0'")
    with pytest.raises(DamagedFeedback):
        store.get("e0")


def test_an_older_file_with_an_entry_that_is_none_of_ours_is_damaged(store):
    store.add(ENTRY)
    make_older(store)
    loose = "CREATE TABLE loose AS SELECT * FROM entries; DROP TABLE entries; ALTER TABLE loose RENAME TO entries;"
    changed(store, f"{loose} UPDATE entries SET comment = x'00'")
    with pytest.raises(DamagedFeedback, match="bring back a copy"):
        store.newest()


def test_an_upgrade_that_breaks_off_leaves_the_older_file_as_it_was(store, monkeypatch):
    store.add(ENTRY)
    make_older(store)
    before = store.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("qa.feedback_store.row_digest", lambda row: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.newest()
    assert store.path.read_bytes() == before
    assert store.newest() == [ENTRY]


def test_threads_that_find_an_older_file_at_once_all_read_it(store):
    store.add(ENTRY)
    make_older(store)
    with ThreadPoolExecutor(8) as pool:
        assert [each.result() for each in [pool.submit(store.newest) for _ in range(8)]] == [[ENTRY]] * 8


def test_a_file_of_another_version_is_not_touched(store):
    store.add(ENTRY)
    changed(store, "PRAGMA user_version = 3")
    before = store.path.read_bytes()
    with pytest.raises(UnsupportedFeedback, match="format 3"):
        store.add(SILENCE)
    assert store.path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexNotWritable):
        FeedbackStore(tmp_path / "file" / "index").add(ENTRY)


def test_neither_an_update_nor_a_rebuild_of_the_index_touches_the_feedback(tmp_path):
    documents, folder = write_files(tmp_path / "documents", {"a.txt": "Text."}), tmp_path / "index"
    store = FeedbackStore(folder)
    store.add(ENTRY)
    before = store.path.read_bytes()
    for rebuild in (False, True, True):
        update_with(HashingEncoder(), documents, folder, rebuild=rebuild)
    assert store.path.read_bytes() == before
    assert store.newest() == [ENTRY]
