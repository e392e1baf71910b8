import errno
import json
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from index.backup import back_up, restore
from index.errors import (
    BackupExists,
    BackupMissing,
    BackupNotWritable,
    DamagedBackup,
    DamagedFeedback,
    DamagedIndex,
    IndexNotWritable,
    NoIndex,
    UnsupportedBackup,
)
from index.records import Filter
from index.store import connection
from index.store.database import Database
from index.store.folder import current_database, leftovers
from qa.composition import read_all_feedback
from qa.feedback_store import FeedbackStore
from tests.qa.test_feedback_store import ENTRY, SILENCE
from tests.standins import HashingEncoder, opened, update_with, write_files


@pytest.fixture
def root(tmp_path):
    return write_files(tmp_path / "documents", {"a.md": "# A\n\nThe bridge opened in 1890.", "b.txt": "The tower."})


@pytest.fixture
def folder(root, tmp_path):
    update_with(HashingEncoder(), root, tmp_path / "index")
    FeedbackStore(tmp_path / "index").add(ENTRY)
    return tmp_path / "index"


@pytest.fixture(params=["backup", "backup.zip"])
def target(request, tmp_path):
    return tmp_path / "backups" / request.param


def save(folder, target):
    return back_up(folder, target, check_feedback=read_all_feedback)


def bring_back(folder, target):
    return restore(folder, target, check_feedback=read_all_feedback)


def said(folder):
    vector = HashingEncoder().encode_questions(["the bridge"])[0]
    with opened(folder) as store, store.snapshot() as snapshot:
        summaries = snapshot.summaries()
        texts = [snapshot.document(summary.doc_id) for summary in summaries]
        return summaries, texts, snapshot.dense(vector, 9, Filter()), snapshot.lexical("bridge", 9, Filter())


def listed(folder):
    return sorted(path.name for path in folder.iterdir())


def spoil(target, name, change):
    """Change a file of a backup, in a folder or in an archive."""
    if target.is_dir():
        (target / name).write_bytes(change((target / name).read_bytes()))
        return
    with zipfile.ZipFile(target) as archive:
        files = {member: archive.read(member) for member in archive.namelist()}
    files[name] = change(files[name])
    with zipfile.ZipFile(target, "w") as archive:
        for member, content in files.items():
            archive.writestr(member, content)


def test_what_is_restored_is_what_was_backed_up(folder, root, target):
    before = said(folder)
    made = save(folder, target)
    assert (made.n_documents, made.n_passages, made.n_feedback) == (2, 2, 1)
    assert listed(target.parent) == [target.name]
    shutil.rmtree(folder)
    restored = bring_back(folder, target)
    assert (said(folder), FeedbackStore(folder).newest()) == (before, [ENTRY])
    assert restored.set_aside is None
    assert leftovers(folder) == []
    assert update_with(HashingEncoder(), root, folder).n_changes == 0


def test_an_index_is_backed_up_while_it_is_served_and_written(folder, root, target):
    with opened(folder) as store:
        write_files(root, {"late.txt": "In the write-ahead log alone."})
        update_with(HashingEncoder(), root, folder)
        with closing(sqlite3.connect(current_database(folder), isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("DELETE FROM documents")
            assert save(folder, target).n_documents == 3
            writer.execute("ROLLBACK")
        store.refresh()


def test_a_running_service_follows_a_restore(folder, root, target):
    save(folder, target)
    write_files(root, {"a.md": "# A\n\nThe bridge closed in 1990."})
    update_with(HashingEncoder(), root, folder)
    with opened(folder) as store:
        with store.snapshot() as before:
            restored = bring_back(folder, target)
            assert "1990" in before.document("a.md").text
        assert store.refresh()
        with store.snapshot() as after:
            assert "1890" in after.document("a.md").text
            assert after.index_version == restored.index_version > before.index_version
        update_with(HashingEncoder(), root, folder)
        assert store.refresh()
        with store.snapshot() as last:
            assert "1990" in last.document("a.md").text


def test_feedback_that_was_there_is_set_aside_and_never_lost(folder, target):
    save(folder, target)
    FeedbackStore(folder).add(SILENCE)
    restored = bring_back(folder, target)
    assert FeedbackStore(folder).newest() == [ENTRY]
    assert restored.set_aside is not None
    restored.set_aside.rename(folder / "feedback.db")
    assert FeedbackStore(folder).newest() == [SILENCE, ENTRY]


def test_a_backup_without_feedback_leaves_the_feedback_there_is(folder, target):
    (folder / "feedback.db").unlink()
    assert save(folder, target).n_feedback == 0
    FeedbackStore(folder).add(SILENCE)
    assert bring_back(folder, target).set_aside is None
    assert FeedbackStore(folder).newest() == [SILENCE]


def test_nothing_is_written_over(folder, target):
    save(folder, target)
    with pytest.raises(BackupExists, match="name another"):
        save(folder, target)
    empty = target.parent / "empty"
    empty.mkdir()
    with pytest.raises(BackupExists):
        save(folder, empty)


def test_a_damaged_index_is_not_backed_up(folder, target):
    with closing(sqlite3.connect(current_database(folder))) as connection:
        connection.execute("UPDATE documents SET text = 'x' WHERE doc_id = 'b.txt'")
        connection.commit()
    with pytest.raises(DamagedIndex, match=r"nothing was backed up: .*b\.txt"):
        save(folder, target)
    assert listed(target.parent) == []


def test_damaged_feedback_is_not_left_out_in_silence(folder, target):
    (folder / "feedback.db").write_bytes(b"garbage")
    with pytest.raises(DamagedFeedback):
        save(folder, target)
    assert listed(target.parent) == []


def test_without_an_index_there_is_nothing_to_back_up(tmp_path, target):
    with pytest.raises(NoIndex):
        save(tmp_path / "nowhere", target)


@pytest.mark.parametrize("name", ["database", "feedback.db"])
@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
    ],
    ids="emptied truncated longer flipped".split(),
)
def test_a_backup_that_is_not_what_was_backed_up_is_refused_and_the_index_stays(folder, target, name, change):
    made = save(folder, target)
    before, files = said(folder), listed(folder)
    spoil(target, made.database if name == "database" else name, change)
    with pytest.raises(DamagedBackup, match="restore another"):
        bring_back(folder, target)
    assert (said(folder), listed(folder)) == (before, files)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: b"",
        lambda m: b"[]",
        lambda m: b"\xff",
        lambda m: json.dumps({**json.loads(m), "database": "../../etc/passwd"}).encode(),
        lambda m: json.dumps({**json.loads(m), "database": None}).encode(),
        lambda m: json.dumps({**json.loads(m), "n_passages": "3"}).encode(),
        lambda m: json.dumps({**json.loads(m), "n_passages": 3}).encode(),
        lambda m: json.dumps({**json.loads(m), "more": 1}).encode(),
        lambda m: json.dumps({"format": 1}).encode(),
    ],
)
def test_a_manifest_that_is_none_is_refused(folder, target, change):
    save(folder, target)
    spoil(target, "manifest.json", change)
    with pytest.raises(DamagedBackup):
        bring_back(folder, target)
    assert leftovers(folder) == []


def test_a_backup_of_another_format_is_refused(folder, target, monkeypatch):
    save(folder, target)
    with monkeypatch.context() as patch:
        patch.setattr("index.store.schema.FORMAT", "99")
        with pytest.raises(UnsupportedBackup, match="has format 3, and this version of Citespan reads 99"):
            bring_back(folder, target)
    spoil(target, "manifest.json", lambda m: json.dumps({**json.loads(m), "format": 2}).encode())
    with pytest.raises(UnsupportedBackup, match="format 2"):
        bring_back(folder, target)
    assert leftovers(folder) == []


def test_what_is_no_backup_is_refused(folder, tmp_path):
    with pytest.raises(BackupMissing):
        bring_back(folder, tmp_path / "nowhere")
    (tmp_path / "file.zip").write_bytes(b"PK\3\4 no archive")
    for source in (tmp_path / "file.zip", tmp_path / "documents"):
        with pytest.raises(DamagedBackup):
            bring_back(folder, source)


def test_an_archive_with_a_flipped_byte_is_refused_wherever_it_is(folder, tmp_path):
    save(folder, tmp_path / "b.zip")
    content = (tmp_path / "b.zip").read_bytes()
    before = said(folder)
    for at in range(0, len(content), max(len(content) // 200, 1)):
        (tmp_path / "flipped.zip").write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            bring_back(folder, tmp_path / "flipped.zip")
        except (DamagedBackup, UnsupportedBackup):
            assert leftovers(folder) == []
        found = said(folder)
        assert found[:2] == before[:2]  # where a date of the archive was hit, it is restored


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("step", ["mkdir", "rename", "write_text"])
def test_a_backup_that_cannot_be_written_is_told_and_leaves_nothing(folder, target, monkeypatch, error, step):
    def refuse(self, *args, **options):
        raise OSError(error, "refused", str(self))

    target.parent.mkdir()
    monkeypatch.setattr(Path, step, refuse)
    with pytest.raises(BackupNotWritable, match="refused"):
        save(folder, target)
    monkeypatch.undo()
    assert listed(target.parent) == []
    save(folder, target)


def test_a_disk_that_is_full_while_the_database_is_copied_is_told(folder, target, monkeypatch):
    def full(path, **options):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    with monkeypatch.context() as patch:
        real = connection.connect
        patch.setattr(
            "index.store.connection.connect",
            lambda path, *, mode: full(path) if mode == "rwc" else real(path, mode=mode),
        )
        with pytest.raises(BackupNotWritable, match="disk is full"):
            save(folder, target)
    assert listed(target.parent) == []


@pytest.mark.parametrize("step", ["open", "replace"])
def test_a_restore_that_cannot_be_written_leaves_the_index_as_it_was(folder, target, monkeypatch, step):
    save(folder, target)
    before, files = said(folder), listed(folder)
    real = getattr(Path, step)

    def refuse(self, *args, **options):
        if self.parent == folder and (step == "replace" or "xb" in args):
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return real(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, step, refuse)
        with pytest.raises(IndexNotWritable, match="No space left"):
            bring_back(folder, target)
    assert said(folder) == before
    assert set(listed(folder)) - {"current.new"} == set(files)
    bring_back(folder, target)


def test_a_damaged_index_is_what_a_backup_is_for(folder, target):
    before = said(folder)
    save(folder, target)
    current_database(folder).write_bytes(b"garbage")
    (folder / "feedback.db").write_bytes(b"garbage")
    restored = bring_back(folder, target)
    assert said(folder) == before
    assert FeedbackStore(folder).newest() == [ENTRY]
    assert restored.set_aside.read_bytes() == b"garbage"


def test_a_journal_that_feedback_needs_is_set_aside_with_it(folder, target):
    save(folder, target)
    (folder / "feedback.db-journal").write_bytes(b"of the former file")
    restored = bring_back(folder, target)
    assert not (folder / "feedback.db-journal").exists()
    assert restored.set_aside.with_name(restored.set_aside.name + "-journal").read_bytes() == b"of the former file"


def test_a_restored_database_is_one_of_its_folder(folder, target):
    made = save(folder, target)
    bring_back(folder, target)
    path = current_database(folder)
    assert path.name != made.database
    with closing(Database(path)) as database:
        database.check()
        assert database.counts().n_documents == made.n_documents
