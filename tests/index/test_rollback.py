import sqlite3
from contextlib import closing

import pytest

from index.backup import back_up, restore
from index.errors import (
    DamagedIndex,
    EncoderMismatch,
    IndexBusy,
    IndexNotWritable,
    NoIndex,
    NoPreviousIndex,
    UnsupportedIndex,
)
from index.freshness import find_drift
from index.health import Result, examine
from index.rollback import find_previous, prune, roll_back, version_reached
from index.store import faults
from index.store.database import Database
from index.store.folder import current_database, note_version, noted_version, previous_database, writing
from qa.composition import read_all_feedback
from qa.requests import check
from tests.standins import HashingEncoder, build_engine, opened, update_with, write_files

OTHER = HashingEncoder(salt="other")


@pytest.fixture
def root(tmp_path):
    return write_files(tmp_path / "documents", {"a.txt": "The bridge opened in 1890.", "b.txt": "The tower."})


@pytest.fixture
def folder(root, tmp_path):
    """An index that was rebuilt after an edit, with another encoder."""
    update_with(HashingEncoder(), root, tmp_path / "index")
    write_files(root, {"a.txt": "The bridge closed in 1990."})
    update_with(OTHER, root, tmp_path / "index", rebuild=True)
    return tmp_path / "index"


def test_what_hinders_a_look_at_the_former_index_for_a_moment_does_not_lose_it(root, folder, monkeypatch):
    def refuse(_):
        raise IndexNotWritable("the disk is full")

    former = current_database(folder)
    monkeypatch.setattr(Database, "check", refuse)
    update_with(HashingEncoder(), root, folder, rebuild=True)
    monkeypatch.undo()
    assert previous_database(folder) == former
    roll_back(folder)
    assert "1990" in text(folder)


def test_a_note_of_versions_is_read_whoever_ended_its_lines(folder):
    note_version(current_database(folder), 7)
    note = folder / "version"
    note.write_bytes(note.read_bytes().replace(b"\n", b"\r\n"))
    assert noted_version(current_database(folder)) == 7


def text(folder):
    with closing(Database(current_database(folder))) as database:
        database.check()
        return database.document("a.txt").text


def version(folder):
    with closing(Database(current_database(folder))) as database:
        return database.index_version


def listed(folder):
    return {path.name for path in folder.iterdir()} - {"write.lock", "feedback.lock"}


def spoil(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE documents SET text = 'x' WHERE doc_id = 'a.txt'")
        connection.commit()


def of_other_format(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
        connection.commit()


def checks(folder):
    return {finding.check: finding for finding in examine(folder, open_encoder=lambda _: OTHER)}


def test_a_first_index_has_no_previous_one(root, tmp_path):
    update_with(HashingEncoder(), root, tmp_path / "index")
    assert find_previous(tmp_path / "index") is None
    with pytest.raises(NoPreviousIndex, match="a rebuild or a restore keeps the one that it replaces"):
        roll_back(tmp_path / "index")


def test_without_an_index_there_is_nothing_to_roll_back_or_prune_and_no_folder_is_made(tmp_path):
    for step in (roll_back, prune, find_previous):
        with pytest.raises(NoIndex):
            step(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_rebuild_keeps_the_index_that_it_replaces_and_an_update_leaves_it(folder, root):
    write_files(root, {"c.txt": "A canal."})
    update_with(OTHER, root, folder)
    previous = find_previous(folder)
    assert previous is not None
    assert previous.contents is not None
    assert previous.contents.identity.fingerprint == HashingEncoder().fingerprint
    assert previous.contents.counts.n_documents == 2
    assert previous.n_bytes == previous_database(folder).stat().st_size
    assert listed(folder) == {
        "current",
        "version",
        current_database(folder).name,
        previous_database(folder).name,
    }


def test_only_one_is_kept(folder, root):
    former = current_database(folder)
    update_with(OTHER, root, folder, rebuild=True)
    assert previous_database(folder) == former
    assert set(folder.glob("index-*")) == {current_database(folder), former}


def test_a_rollback_goes_back_and_a_second_one_comes_back(folder):
    versions = [version(folder)]
    for wanted in ("The bridge opened in 1890.", "The bridge closed in 1990.", "The bridge opened in 1890."):
        contents = roll_back(folder)
        assert text(folder) == wanted
        assert contents.state.index_version == version(folder)
        versions.append(version(folder))
    assert versions == sorted(set(versions))
    assert noted_version(current_database(folder)) == versions[-1]


def test_after_a_rollback_the_index_is_updated_by_its_own_encoder(folder, root):
    roll_back(folder)
    with pytest.raises(EncoderMismatch):
        update_with(OTHER, root, folder)
    report = update_with(HashingEncoder(), root, folder)
    assert report.replaced == ("a.txt",)
    assert text(folder) == "The bridge closed in 1990."
    roll_back(folder)
    assert update_with(OTHER, root, folder).n_changes == 0


def test_what_changed_since_the_previous_index_was_in_use_is_stale(folder, root):
    roll_back(folder)
    with closing(Database(current_database(folder))) as database:
        drift = find_drift(
            root,
            folder,
            known=database.known(),
            failures=database.failures(),
            reconciled_at=database.state.reconciled_at,
        )
    assert (drift.n_added, drift.n_changed, drift.n_removed) == (0, 1, 0)


def test_a_restore_keeps_the_index_that_it_replaces(folder, tmp_path):
    back_up(folder, tmp_path / "kept.zip", check_feedback=read_all_feedback)
    roll_back(folder)
    restore(folder, tmp_path / "kept.zip", check_feedback=read_all_feedback)
    assert text(folder) == "The bridge closed in 1990."
    roll_back(folder)
    assert text(folder) == "The bridge opened in 1890."


@pytest.mark.parametrize("harm", [spoil, of_other_format, lambda path: path.write_bytes(b"garbage")])
def test_an_index_that_cannot_be_used_is_not_kept_and_the_one_before_it_is(folder, root, harm, caplog):
    kept = previous_database(folder)
    harm(current_database(folder))
    update_with(OTHER, root, folder, rebuild=True)
    assert previous_database(folder) == kept
    assert "not kept for a rollback: the index at" in caplog.text
    roll_back(folder)
    assert text(folder) == "The bridge opened in 1890."


@pytest.mark.parametrize(
    ("harm", "error", "what"),
    [
        (spoil, DamagedIndex, r"is damaged \(a\.txt: not what was written\)"),
        (lambda path: path.write_bytes(b"garbage"), DamagedIndex, "is damaged"),
        (lambda path: path.unlink(), DamagedIndex, "names no previous database that is there"),
        (lambda path: note_version(path, 99), DamagedIndex, "it is at version 2, and was at 99"),
        (of_other_format, UnsupportedIndex, "has format 99, and this version of Citespan reads 3"),
    ],
)
def test_a_previous_index_that_cannot_be_used_is_told_and_harmless_until_it_is_pruned(folder, harm, error, what):
    before = text(folder)
    harm(previous_database(folder))
    with pytest.raises(error, match=what + ".*; the index in use .*`citespan prune`") as caught:
        roll_back(folder)
    assert "--rebuild" not in str(caught.value)
    assert text(folder) == before
    findings = checks(folder)
    assert findings["previous"].result is Result.LEFTOVER
    assert findings["previous"].message.endswith("`citespan prune` removes it")
    assert all(finding.result is not Result.DAMAGED for finding in findings.values())
    prune(folder)
    assert find_previous(folder) is None
    assert text(folder) == before


@pytest.mark.parametrize("harm", [spoil, lambda path: path.write_bytes(b"garbage"), lambda path: path.unlink()])
def test_a_rollback_is_a_way_out_of_damage_and_versions_go_on(folder, harm):
    reached, damaged = version(folder), current_database(folder)
    harm(damaged)
    contents = roll_back(folder)
    assert text(folder) == "The bridge opened in 1890."
    assert contents.state.index_version > reached
    assert damaged.exists() == bool(find_previous(folder))


def test_versions_go_on_after_a_rebuild_of_an_index_that_cannot_be_read(folder, root):
    reached = version(folder)
    current_database(folder).write_bytes(b"garbage")
    assert version_reached(folder) == reached
    assert update_with(OTHER, root, folder, rebuild=True).index_version > reached


def test_a_version_that_nobody_can_have_reached_is_not_counted_on_from(folder):
    (folder / "version").write_text(f"{current_database(folder).name} {9 * 10**30}\nhalf a li")
    assert version_reached(folder) == version(folder)


def test_pruning_removes_the_previous_index_and_what_was_left_over_and_tells_their_sizes(folder):
    (folder / "version.new").write_bytes(b"half")
    previous = previous_database(folder)
    n_bytes = previous.stat().st_size
    removed = {file.name: file.n_bytes for file in prune(folder)}
    assert removed == {"version.new": 4, previous.name: n_bytes}
    assert listed(folder) == {"current", "version", current_database(folder).name}
    assert text(folder) == "The bridge closed in 1990."
    assert prune(folder) == ()


@pytest.mark.parametrize("step", [roll_back, prune])
def test_nothing_is_rolled_back_or_pruned_while_somebody_writes(folder, step, monkeypatch):
    monkeypatch.setattr("index.store.folder._PATIENCE_S", 0.05)
    before = listed(folder)
    with writing(folder), pytest.raises(IndexBusy):
        step(folder)
    assert listed(folder) == before
    assert text(folder) == "The bridge closed in 1990."


@pytest.mark.parametrize("step", [roll_back, prune])
def test_a_pointer_that_cannot_be_written_leaves_both_where_they_are(folder, step, monkeypatch):
    current, previous = current_database(folder), previous_database(folder)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", refuse)
        with pytest.raises(IndexNotWritable, match="No space left"):
            step(folder)
    assert (current_database(folder), previous_database(folder)) == (current, previous)
    roll_back(folder)
    assert text(folder) == "The bridge opened in 1890."


@pytest.mark.parametrize("point", ["rollback.checked", "count.after_commit", "rollback.noted", "switch.staged"])
def test_a_rollback_that_was_cut_short_is_done_anew_with_a_version_of_its_own(folder, root, point):
    class Cut(BaseException):
        pass

    def cut(reached):
        if reached == point:
            raise Cut

    faults.arm(cut)
    with pytest.raises(Cut):
        roll_back(folder)
    faults.arm(None)
    assert text(folder) == "The bridge closed in 1990."
    write_files(root, {"c.txt": "A canal."})
    served = update_with(OTHER, root, folder).index_version
    assert roll_back(folder).state.index_version > served


def test_the_doctor_looks_at_the_previous_index_and_does_not_call_it_left_over(folder):
    findings = checks(folder)
    assert {finding.result for finding in findings.values()} == {Result.SOUND}
    assert findings["previous"].message.startswith("version 2 by hashing, ")
    prune(folder)
    assert checks(folder)["previous"].message == "none is kept for a rollback"


def test_a_running_service_follows_a_rollback_and_no_version_comes_twice(root, tmp_path):
    folder = tmp_path / "index"
    update_with(HashingEncoder(), root, folder)
    write_files(root, {"a.txt": "The bridge closed in 1990."})
    update_with(HashingEncoder(), root, folder, rebuild=True)
    seen = []
    with opened(folder) as store:
        for wanted in ("1890", "1990", "1890"):
            roll_back(folder)
            assert store.refresh()
            with store.snapshot() as snapshot:
                assert wanted in snapshot.document("a.txt").text
                seen.append(snapshot.index_version)
        roll_back(folder)
        roll_back(folder)  # back again before anybody looked
        assert store.refresh()
        with store.snapshot() as snapshot:
            seen.append(snapshot.index_version)
    assert seen == sorted(set(seen))


def test_a_service_of_the_former_encoder_answers_on_and_follows_when_its_index_is_back(root, tmp_path):
    folder = tmp_path / "index"
    update_with(HashingEncoder(), root, folder)
    with opened(folder) as store:
        write_files(root, {"a.txt": "The bridge closed in 1990."})
        update_with(OTHER, root, folder, rebuild=True)
        for _ in range(2):
            with pytest.raises(EncoderMismatch, match=r"citespan rollback.*answers from the former index until then"):
                store.refresh()
        with store.snapshot() as snapshot:
            assert "1890" in snapshot.document("a.txt").text
        roll_back(folder)
        assert store.refresh()
        update_with(HashingEncoder(), root, folder)
        assert store.refresh()
        with store.snapshot() as snapshot:
            assert "1990" in snapshot.document("a.txt").text


def test_of_another_encoder_a_service_says_so_when_it_is_to_update_or_to_be_fresh_and_answers_otherwise(tmp_path):
    files = {"a.txt": "The bridge opened in 1890."}
    with closing(build_engine(tmp_path, files)) as engine:
        before = engine.ask(check("When was the bridge opened?"))
        update_with(OTHER, tmp_path / "documents", tmp_path / "index", rebuild=True)
        with pytest.raises(EncoderMismatch, match="citespan index --rebuild"):
            engine.update()
        with pytest.raises(EncoderMismatch, match="started anew"):
            engine.ask(check("When was the bridge opened?", fresh="strict"))
        assert engine.ask(check("When was the bridge opened?")).answers == before.answers
        roll_back(tmp_path / "index")
        assert engine.update().n_changes == 0
        assert engine.ask(check("When was the bridge opened?")).index_version > before.index_version


def test_pruning_takes_nothing_from_a_service_that_answers_from_the_previous_index(root, tmp_path):
    folder = tmp_path / "index"
    update_with(HashingEncoder(), root, folder)
    with opened(folder) as store:
        update_with(OTHER, root, folder, rebuild=True)
        prune(folder)
        with pytest.raises(EncoderMismatch):
            store.refresh()
        with store.snapshot() as snapshot:
            assert "1890" in snapshot.document("a.txt").text


def test_an_index_of_another_encoder_is_not_derived_to_find_that_out(folder, monkeypatch):
    with opened(folder) as store:
        roll_back(folder)
        monkeypatch.setattr("index.store.embedded._derive", lambda _: pytest.fail("derived"))
        with pytest.raises(EncoderMismatch):
            store.refresh()
