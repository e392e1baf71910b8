import sqlite3
from contextlib import closing

import numpy as np
import pytest

from index.errors import EncoderMissing, IndexBusy, NoIndex
from index.health import Result, examine, misplaced, repair
from index.records import Passage, Span
from index.store.database import Database
from index.store.digests import document_digest, number, passages_digest, state_of
from index.store.folder import current_database, leftovers, note_version, noted_version, writing
from index.store.verification import DOCUMENT_FIELDS
from tests.standins import HashingEncoder, opened, update_with, write_files


@pytest.fixture
def root(tmp_path):
    return write_files(
        tmp_path / "documents",
        {"a.md": "# Bridge\n\n" + "The bridge opened in 1890. It is long. " * 20, "b.txt": "The tower opened in 1889."},
    )


@pytest.fixture
def folder(root, tmp_path):
    update_with(HashingEncoder(), root, tmp_path / "index")
    return tmp_path / "index"


def found(folder, *, encoder=None, **options):
    return {f.check: f for f in examine(folder, open_encoder=lambda _: encoder or HashingEncoder(), **options)}


def wrong(folder, **options):
    return {check: f.message for check, f in found(folder, **options).items() if f.result is not Result.SOUND}


def rewrite(folder, statement, *values):
    """Change what is stored, and seal it as if it had been written so: only a look at the content can tell."""
    with closing(sqlite3.connect(current_database(folder))) as connection:
        connection.execute(statement, values)
        total = 0
        columns = 'passage_id, "start", "end", heading, text_sha256, vector'
        for document_id, text, *fields in connection.execute(
            f"SELECT document_id, text, {DOCUMENT_FIELDS} FROM documents"
        ).fetchall():
            rows = connection.execute(
                f"SELECT {columns} FROM passages WHERE document_id = ?", (document_id,)
            ).fetchall()
            digest = document_digest(fields, text, passages_digest(rows))
            connection.execute(
                "UPDATE documents SET digest = ?, passages_digest = ? WHERE document_id = ?",
                (digest, passages_digest(rows), document_id),
            )
            total += number(digest)
        total += sum(number(digest) for (digest,) in connection.execute("SELECT digest FROM failures"))
        (version,) = connection.execute("SELECT max(index_version) FROM changes").fetchone()
        connection.execute("UPDATE meta SET value = ? WHERE key = 'state'", (state_of(version, total),))
        connection.commit()


def test_of_a_sound_index_every_check_says_so(folder):
    findings = found(folder, n_encoded=5)
    assert {finding.result for finding in findings.values()} == {Result.SOUND}
    assert list(findings) == (
        "pointer,database,structure,digests,failures,completeness,version,spans,files,vectors,encoder,encoding,"
        "derived indexes,previous,leftovers"
    ).split(",")
    assert findings["files"].message == "the text of 2 documents is what the files say"
    assert "the least cosine 1.00000" in findings["encoding"].message


def test_an_index_that_is_served_and_written_can_be_examined(folder, root):
    with opened(folder) as store, writing(folder):
        assert wrong(folder) == {}
        assert not store.refresh()


def test_an_empty_index_is_sound(tmp_path):
    update_with(HashingEncoder(), write_files(tmp_path / "empty", {}), tmp_path / "index")
    assert wrong(tmp_path / "index", n_encoded=3) == {}


def test_without_an_index_there_is_nothing_to_examine(tmp_path):
    with pytest.raises(NoIndex):
        found(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"index-0123456789abcdef.sqlite"])
def test_a_pointer_that_leads_nowhere_is_damage(folder, content):
    (folder / "current").write_bytes(content)
    assert "--rebuild" in wrong(folder)["pointer"]


def test_damage_is_named_with_its_document_and_its_remedy(folder):
    with closing(sqlite3.connect(current_database(folder))) as connection:
        connection.execute("UPDATE documents SET text = replace(text, '1889', '1888')")
        connection.commit()
    amiss = wrong(folder)
    assert amiss["digests"].startswith("b.txt: not what was written: make it anew with `citespan index --rebuild`")
    assert "citespan restore" in amiss["digests"]
    assert {"files", "derived indexes"} <= amiss.keys()
    assert "spans" in amiss  # the document cannot be read


@pytest.mark.parametrize(
    ("statement", "check", "message"),
    [
        ('UPDATE passages SET "end" = 10000 WHERE passage_id = (SELECT max(passage_id) FROM passages)', "spans", "outside"),
        ('UPDATE passages SET "end" = "end" - 3 WHERE passage_id = 1', "spans", "b.txt: characters from 22 on"),
        ("UPDATE documents SET text = replace(text, '1890', '1891')", "files", "a.md: its text is not"),
        ("UPDATE documents SET headings = '[]'", "files", "a.md: its text is not"),
    ],
)  # fmt: skip
def test_what_was_wrong_when_it_was_written_is_found_too(folder, statement, check, message):
    rewrite(folder, statement)
    assert message in wrong(folder)[check]


@pytest.mark.parametrize(
    "vector",
    [np.zeros(64), np.full(64, np.nan), np.full(64, np.inf), np.full(64, 0.1255)],
    ids="zero nan inf long".split(),
)
def test_a_vector_that_is_no_unit_vector_is_found(folder, vector):
    rewrite(folder, "UPDATE passages SET vector = ? WHERE passage_id = 1", vector.astype("<f4").tobytes())
    assert "passage 1 has a vector of no unit length" in wrong(folder)["vectors"]


def test_a_vector_of_another_text_is_found_by_encoding_it_again(folder):
    vector = HashingEncoder().encode_passages(["something else"])[0]
    rewrite(folder, "UPDATE passages SET vector = ? WHERE passage_id = 1", vector.tobytes())
    assert wrong(folder) == {}
    assert "b.txt: passage 1 is encoded otherwise now (cosine 0." in wrong(folder, n_encoded=100)["encoding"]


def test_a_passage_that_is_all_overlap_with_the_one_before_is_no_damage(folder, root):
    write_files(root, {"b.txt": "# Part\n\n" + "A marker of the first half, long and of stone. " * 6})
    update_with(HashingEncoder(), root, folder)
    assert wrong(folder) == {}


def test_another_encoder_or_none_is_told(folder):
    assert "another" in wrong(folder, encoder=HashingEncoder(salt="x"))["encoder"]

    def none(name):
        raise EncoderMissing(f"no {name}")

    assert {f.check: f.message for f in examine(folder, open_encoder=none)}["encoder"] == "no hashing"


def test_a_file_that_changed_since_is_counted_and_no_damage(folder, root):
    write_files(root, {"b.txt": "The tower closed."})
    (root / "a.md").unlink()
    assert found(folder)["files"].message.endswith("; 2 changed or gone since, or unreadable")
    assert wrong(folder) == {}


def test_a_file_whose_bytes_changed_and_its_stamp_did_not_is_told(folder, root, monkeypatch):
    monkeypatch.setattr("index.update._SETTLED_AFTER_NS", -(10**18))
    update_with(HashingEncoder(), root, folder, rebuild=True)
    with closing(sqlite3.connect(current_database(folder))) as connection:
        connection.execute("UPDATE documents SET sha256 = 'other' WHERE doc_id = 'b.txt'")
        connection.commit()
    assert "b.txt: the file has other bytes" in wrong(folder)["files"]


def test_what_was_left_over_is_told_and_removed_on_demand_and_nothing_else(folder):
    left = "index-0123456789abcdef.sqlite"
    names = [left, f"{left}-wal", "current.new", "feedback-0123456789abcdef.new"]
    for name in names:
        (folder / name).write_bytes(b"x")
    (folder / ".backup.zip.new").mkdir()  # of a backup into this folder, which is not ours to remove
    (folder / "mine.txt").write_bytes(b"of somebody else")
    assert [path.name for path in leftovers(folder)] == sorted(names)
    assert found(folder)["leftovers"].result is Result.LEFTOVER
    assert repair(folder) == tuple(f"removed {name}" for name in sorted(names))
    assert wrong(folder) == {}
    assert (folder / "mine.txt").exists()
    assert repair(folder) == ()


def test_a_log_that_goes_by_itself_while_leftovers_are_removed_is_no_error(folder, monkeypatch):
    left = folder / "index-0123456789abcdef.sqlite"
    left.write_bytes(b"x")
    monkeypatch.setattr("index.store.folder.reached", lambda point: left.unlink())
    assert repair(folder) == ()


def test_an_update_that_ends_while_an_index_is_looked_at_is_no_damage(folder, root):
    with closing(Database(current_database(folder))) as database:
        database.pin()
        write_files(root, {"c.txt": "The canal opened in 1869."})
        update_with(HashingEncoder(), root, folder)
        database.check()


def test_a_version_that_was_not_noted_is_noted_and_a_lost_log_is_not_forgotten(folder):
    note_version(current_database(folder), 1)
    assert found(folder)["version"].result is Result.LEFTOVER
    assert repair(folder) == ("noted the version",)
    assert wrong(folder) == {}
    note_version(current_database(folder), 99)
    assert repair(folder) == ()
    assert noted_version(current_database(folder)) == 99
    assert "its write-ahead log was lost" in wrong(folder)["version"]


def test_nothing_is_removed_while_somebody_writes(folder, monkeypatch):
    monkeypatch.setattr("index.store.folder._PATIENCE_S", 0.05)
    (folder / "index-0123456789abcdef.sqlite").write_bytes(b"a rebuild that is under way")
    with writing(folder), pytest.raises(IndexBusy):
        repair(folder)
    assert leftovers(folder)


def test_places_are_checked_character_by_character():
    def at(*spans):
        return [Passage(n, "a", "", "", Span(*span), "", "") for n, span in enumerate(spans)]

    text = " ab cd\n"
    assert misplaced(text, at((1, 3), (4, 6))) == ""
    assert misplaced(text, at((1, 4), (3, 6))) == ""
    assert misplaced(text, at((0, 7))) == ""
    assert misplaced(text, at((1, 6), (4, 6))) == ""
    assert misplaced(text, at((1, 6), (4, 5))) == "passages out of order at character 4"
    assert misplaced(text, at((1, 3))) == "characters from 3 on are in no passage"
    assert misplaced(text, at((1, 2), (4, 6))) == "characters 2 to 4 are in no passage"
    assert misplaced(text, at((4, 6), (1, 3))) == "characters 0 to 4 are in no passage"
    assert misplaced(text, at((1, 6), (1, 6))) == "passages out of order at character 1"
