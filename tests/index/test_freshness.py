import os
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import freshness, update
from index.collection import Failure, read_file
from index.errors import CollectionMissing
from index.freshness import Drift, find_drift
from index.store.database import Database
from index.store.folder import current_database
from index.store.schema import seal
from tests.crash.edits import NAMES, carry_out
from tests.standins import HashingEncoder, update_with, write_files

NONE = Drift(0, 0, 0)


@pytest.fixture
def root(tmp_path):
    return write_files(
        tmp_path / "documents",
        {"a.md": "# A\n\nThe bridge.", "b.txt": "The tower.", "sub/c.txt": "Third.", "d.jpg": b"x", "e.txt": b"\0"},
    )


@pytest.fixture
def folder(tmp_path, root):
    update_with(HashingEncoder(), root, tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Files count as old as they are: a test need not wait for the clock's next tick."""
    monkeypatch.setattr(update, "_SETTLED_AFTER_NS", -1)
    monkeypatch.setattr(freshness, "_TICK_S", -5.0)


def drift(root, folder):
    with closing(Database(current_database(folder))) as database:
        return find_drift(
            root,
            folder,
            known=database.known(),
            failures=database.failures(),
            reconciled_at=database.state.reconciled_at,
        )


def test_a_folder_that_was_just_indexed_is_what_the_index_says_though_a_file_cannot_be_read(root, folder):
    assert drift(root, folder) == NONE


def test_what_was_added_changed_and_removed_is_counted(root, folder):
    write_files(root, {"new.txt": "New.", "b.txt": "The tower was torn down."})
    (root / "a.md").unlink()
    (root / "sub" / "c.txt").rename(root / "moved.txt")
    assert drift(root, folder) == Drift(n_added=2, n_changed=1, n_removed=2)
    update_with(HashingEncoder(), root, folder)
    assert drift(root, folder) == NONE


def test_nothing_is_read_but_what_its_time_leaves_in_doubt(root, folder, monkeypatch):
    read = []

    def read_and_note(file, **limits):
        read.append(file.doc_id)
        return read_file(file, **limits)

    monkeypatch.setattr(update, "read_file", read_and_note)
    os.utime(root / "b.txt", (1, 1))
    (root / "a.md").unlink()
    write_files(root, {"new.txt": "x" * 100_000})
    assert drift(root, folder) == Drift(n_added=1, n_changed=0, n_removed=1)
    assert read == ["b.txt"]


def test_files_that_are_left_out_by_rule_change_nothing(root, folder):
    write_files(root, {"other.jpg": b"y", ".hidden.txt": "x"})
    (root / "d.jpg").unlink()
    assert drift(root, folder) == NONE


def test_a_file_that_could_not_be_read_counts_when_it_was_mended_or_is_gone(root, folder, monkeypatch):
    write_files(root, {"e.txt": "Mended."})
    monkeypatch.setattr(freshness, "_TICK_S", 2.0)
    assert drift(root, folder) == Drift(0, 1, 0)
    (root / "e.txt").unlink()
    assert drift(root, folder) == Drift(0, 0, 1)


def test_a_file_that_has_come_to_be_unreadable_counts(root, folder):
    (root / "broken.txt").symlink_to(root / "nowhere.txt")
    assert drift(root, folder) == Drift(1, 0, 0)
    update_with(HashingEncoder(), root, folder)
    assert drift(root, folder) == NONE


def test_an_index_below_its_documents_is_no_part_of_them(root):
    update_with(HashingEncoder(), root, root / "var")
    assert drift(root, root / "var") == NONE


def test_an_index_that_does_not_know_when_it_was_compared_is_compared_all_the_same(root, folder):
    with closing(Database(current_database(folder))) as database, database._writing("test") as connection:
        connection.execute("DELETE FROM meta WHERE key = 'reconciled_at'")
        seal(connection)
    # Whether what could not be read was mended since, nobody knows.
    assert drift(root, folder) == Drift(0, 1, 0)
    (root / "e.txt").unlink()
    update_with(HashingEncoder(), root, folder)
    assert drift(root, folder) == NONE


def test_a_folder_that_is_gone_is_an_error_and_no_change(root, folder, tmp_path):
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(CollectionMissing):
        drift(root, folder)


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"),
            st.sampled_from(NAMES),
            st.sampled_from(["The bridge opened in 1890.", "# Title\n\nThe tower.", "same words", ""]),
        ),
        st.tuples(st.just("delete"), st.sampled_from(NAMES)),
        st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.just(("update",)),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.sampled_from([-1, 2 * 10**9]))
def test_there_is_drift_where_an_update_has_something_to_do_and_nowhere_else(tmp_path_factory, steps, settled_after_ns):
    base = tmp_path_factory.mktemp("drift")
    root = write_files(base / "documents", {"a.txt": "same words"})
    failed: tuple[Failure, ...] = ()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "_SETTLED_AFTER_NS", settled_after_ns)
        patch.setattr(freshness, "_TICK_S", 2.0)
        update_with(HashingEncoder(), root, base / "index")
        for step in [*steps, ("update",)]:
            if step[0] != "update":
                carry_out(list(step), base)
                continue
            found = drift(root, base / "index")
            report = update_with(HashingEncoder(), root, base / "index")
            if report.n_changes or report.failed != failed:
                assert found
            else:
                # What could not be read, and was written a moment ago, may have been mended.
                assert bool(found) == bool(failed)
            failed = report.failed
