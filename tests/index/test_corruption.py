"""Whatever happens to a file of an index, the answers are those of the sound index, or there is an error with a code.

python -m tests.index.test_corruption     # prints the table of docs/reliability.md
"""

import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from index.collection import MAX_FILE_BYTES
from index.errors import CitespanError, DamagedIndex
from index.health import Result, examine
from index.records import Filter
from index.rollback import roll_back
from index.store.database import Database
from index.store.embedded import EmbeddedStore
from index.store.folder import current_database, previous_database
from qa.engine import Engine, Source
from qa.feedback_store import FeedbackStore
from qa.requests import check
from tests.qa.test_feedback_store import ENTRY, SILENCE
from tests.standins import HashingEncoder, OverlapReader, update_with, write_files

DOCUMENTS = {
    "news/bridge.md": "# Bridge\n\nThe bridge opened in 1890. It is long.\n\n"
    + "\n\n".join(
        f"## Span {n}\n\nThe span {n} of the bridge weighs {n * 7} tons and rests on pier {n}." for n in range(60)
    ),
    "news/tower.txt": "The tower opened in 1889. It is high.",
    "places/harbour.html": "<h1>Harbour</h1><p>The harbour holds ships of iron.</p>",
    "places/ü.txt": "Brücken und Türme: 😀 gibt es überall. " * 200,
}
FAILING: dict[str, str | bytes] = {"broken.txt": b"\0", "table.xlsx": "1"}
OTHERS = {"news/tower.txt": "The tower opened in 1999. It is low.", "more.txt": "The bridge opened in 2000."}
QUESTIONS = ("When was the bridge opened?", "What weighs 203 tons?", "Who composed zarzuelas?")
RESTRICTIONS = (Filter(), Filter(paths=("places",)), Filter(media_types=("text/plain",)))


def asked(folder):
    """Everything that an index answers, but how long it took."""
    source = Source(folder.parent / "documents", folder, "hashing", MAX_FILE_BYTES)
    with closing(Engine(EmbeddedStore(folder), HashingEncoder(), OverlapReader(), source=source)) as engine:
        said: list[object] = []
        for question in QUESTIONS:
            for restriction in RESTRICTIONS:
                request = check(question, k=5, paths=restriction.paths, media_types=restriction.media_types)
                response = engine.ask(request)
                said.append((response.answers, response.hits, response.state))
        said.append(engine.status())
        documents = engine.documents().documents
        said.append((documents, [engine.document(document.doc_id) for document in documents], engine.media_types()))
        return said


def damaged(folder, work, damage):
    """A copy of a folder with a damage done to it."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(folder, work)
    damage(work)
    return work


def outcome(folder, expected):
    """'sound' or the code of an error; anything else is a failure of the test."""
    try:
        found = asked(folder)
    except CitespanError as error:
        return error.code
    assert found == expected
    return "sound"


def truncate(name, n_bytes, folder):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:n_bytes])


def flip(name, at, folder, mask=0xFF):
    content = bytearray((folder / name).read_bytes())
    content[at] ^= mask
    (folder / name).write_bytes(content)


def remove(name, folder):
    (folder / name).unlink()


def replace_by(name, content, folder):
    (folder / name).write_bytes(content)


def shown(path):
    """What a file of an index's folder is called in the table: a database not by its random name."""
    if not path.name.startswith("index-"):
        return path.name
    previous = path.name.startswith(previous_database(path.parent).name)
    return f"index-….sqlite{path.name[len('index-0123456789abcdef.sqlite') :]}{' (previous)' if previous else ''}"


class Indexes:
    """A sound index at rest, one whose writer was killed with its log still needed, and two of other documents.

    Each of them keeps a previous index, which has a document that is gone by now.
    """

    def __init__(self, base):
        self.base = base
        # A log whose end is cut off may have lost the last look at the folder alone; the one before is as true.
        with patch("index.update.datetime", SimpleNamespace(now=lambda zone: datetime(2026, 11, 5, tzinfo=zone))):
            self.rest, self.killed = self._make("mine", DOCUMENTS, ENTRY)
            self.other_rest, self.other_killed = self._make("other", OTHERS, SILENCE)
        self.expected = {folder: asked(self._copy(folder)) for folder in (self.rest, self.killed)}

    def _make(self, name, files, entry):
        documents = write_files(self.base / name / "documents", files | FAILING)
        folder = self.base / name / "index"
        write_files(documents, {"early.txt": f"The bridge of {name} was planned in 1880."})
        update_with(HashingEncoder(), documents, folder)
        (documents / "early.txt").unlink()
        update_with(HashingEncoder(), documents, folder, rebuild=True)
        FeedbackStore(folder).add(entry)
        rest = Path(shutil.copytree(folder, self.base / name / "rest"))
        with closing(EmbeddedStore(folder)):  # a reader keeps the log from being copied into the database
            for change in ("Added later.", "Added later, and edited."):
                write_files(documents, {"late.md": change})
                update_with(HashingEncoder(), documents, folder)
            killed = Path(shutil.copytree(folder, self.base / name / "killed"))
        return rest, killed

    def _copy(self, folder):
        return damaged(folder, self.base / "sound", lambda _: None)

    def cases(self, density):
        """Yield (file as `shown`, kind of damage, folder, damage); bits are flipped at `density` places of a header and a body."""
        for folder, other in ((self.rest, self.other_rest), (self.killed, self.other_killed)):
            for path in sorted(folder.iterdir()):
                name, label, size = path.name, shown(path), path.stat().st_size
                yield label, "missing", folder, partial(remove, name)
                yield label, "emptied", folder, partial(truncate, name, 0)
                if not size:  # a lock
                    yield label, "replaced", folder, partial(replace_by, name, b"x" * 5000)
                    continue
                lengths = {1, 16, 99, 100, 512, 4096, size // 3, size // 2, size - 4096, size - 1}
                for n_bytes in sorted(length for length in lengths if 0 < length < size):
                    yield label, "truncated", folder, partial(truncate, name, n_bytes)
                for number, at in enumerate(_places(size, density)):
                    yield label, "bits flipped", folder, partial(flip, name, at, mask=(1 << at % 8, 0xFF)[number % 2])
                (twin,) = [twin for twin in other.iterdir() if shown(twin) == label]
                yield label, "replaced", folder, partial(replace_by, name, twin.read_bytes())

    def outcome(self, folder, damage):
        return outcome(damaged(folder, self.base / "work", damage), self.expected[folder])

    def outcome_of_feedback(self, folder, damage):
        """What is read of the feedback, or the code of an error; anything else is a failure of the test."""
        try:
            found = FeedbackStore(damaged(folder, self.base / "work", damage)).newest()
        except CitespanError as error:
            return error.code
        assert found in ([ENTRY], [SILENCE], [])
        return {0: "none", ENTRY.entry_id: "as it was kept", SILENCE.entry_id: "another's"}[
            found[0].entry_id if found else 0
        ]


def _places(size, density):
    """Places in the header, all over the file, and at its end."""
    head = range(0, min(size, 100), max(100 // density, 1))
    spread = range(0, size, max(size // density, 1))
    return sorted({*head, *spread, size - 1})


@pytest.fixture(scope="module")
def indexes(tmp_path_factory):
    return Indexes(tmp_path_factory.mktemp("corruption"))


def test_whatever_happens_to_a_file_the_answers_are_right_or_there_is_an_error_with_a_code(indexes):
    found = Counter((name, kind, indexes.outcome(folder, damage)) for name, kind, folder, damage in indexes.cases(8))
    kinds = {"missing", "emptied", "truncated", "bits flipped", "replaced"}
    of_locks = {"missing", "emptied", "replaced"}  # they hold nothing
    assert {name: {kind for of, kind, _ in found if of == name} for name, _, _ in found} == {
        **dict.fromkeys(("current", "version", "feedback.db"), kinds),
        **dict.fromkeys(("index-….sqlite", "index-….sqlite-shm", "index-….sqlite-wal"), kinds),
        "index-….sqlite (previous)": kinds,
        **dict.fromkeys(("feedback.lock", "write.lock"), of_locks),
    }
    for name in ("feedback.db", "feedback.lock", "write.lock", "index-….sqlite-shm", "index-….sqlite (previous)"):
        assert {how for of, _, how in found if of == name} == {"sound"}
    for kind in ("missing", "emptied", "replaced"):
        assert {how for name, how_damaged, how in found if (name, how_damaged) == ("index-….sqlite", kind)} == {
            "index_damaged"
        }


def test_after_damage_a_rollback_gives_the_previous_answers_or_an_error_and_the_index_in_use_as_it_was(indexes):
    sound = damaged(indexes.rest, indexes.base / "work", lambda _: None)
    roll_back(sound)
    previous = asked(sound)
    name, size = previous_database(indexes.rest).name, previous_database(indexes.rest).stat().st_size
    n_line = len(current_database(indexes.rest).name) + 1
    damages = [
        partial(remove, name),
        *(partial(truncate, name, n_bytes) for n_bytes in (0, 100, size - 1)),
        *(partial(flip, name, at) for at in _places(size, 25)),
        *(partial(truncate, "current", n_bytes) for n_bytes in (n_line - 1, n_line, n_line + 1, 2 * n_line - 2)),
        *(partial(flip, "current", at, mask=1 << at % 8) for at in range(n_line, 2 * n_line)),
        partial(
            replace_by, "current", current_database(indexes.rest).name.encode() + b"\nindex-0123456789abcdef.sqlite"
        ),
        partial(replace_by, "current", current_database(indexes.rest).name.encode() + b"\n../../\xff\0\n\n"),
    ]
    outcomes = set()
    for damage in damages:
        work = damaged(indexes.rest, indexes.base / "work", damage)
        try:
            roll_back(work)
        except CitespanError as error:
            outcomes.add(error.code)
            assert asked(work) == indexes.expected[indexes.rest]
        else:
            assert asked(work) == previous
    assert outcomes == {"index_damaged", "index_previous_missing"}


@pytest.mark.parametrize(
    "wanted",
    [
        b"opened in 1890", b"tons and rests on pier 29", "überall".encode(), b"news/tower.txt", b"text/plain", b"Harbour",
        b"Bridge \xe2\x80\xba Span 31", b"fingerprint", b"hashing", b"max_tokens", b"broken.txt", b"file_undecodable",
        b"binary", b"file_type_unsupported", b"reconciled_at",
    ],
)  # fmt: skip
def test_a_changed_character_of_what_is_stored_never_reaches_an_answer(indexes, wanted):
    content = current_database(indexes.rest).read_bytes()
    places = [at for at in range(len(content)) if content.startswith(wanted, at)]
    assert places
    name = current_database(indexes.rest).name
    outcomes = {indexes.outcome(indexes.rest, partial(flip, name, at + len(wanted) - 1, mask=1)) for at in places[:9]}
    assert outcomes <= {"index_damaged", "sound"}  # sound: it stands in the log too, whose words nobody reads
    assert "index_damaged" in outcomes


@pytest.mark.parametrize("column", ["vector", "text_sha256"])
def test_a_flipped_bit_of_a_vector_is_found_before_it_ranks_anything(indexes, column):
    database = current_database(indexes.rest)
    with closing(sqlite3.connect(database)) as connection:
        cells = [row[0] for row in connection.execute(f"SELECT {column} FROM passages")]
    content = database.read_bytes()
    for cell in cells[::15]:
        damage = partial(flip, database.name, content.index(cell) + len(cell) - 1, mask=1)
        assert indexes.outcome(indexes.rest, damage) == "index_damaged"


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE passages SET "end" = "end" - 1 WHERE passage_id = 2',
        "UPDATE passages SET heading = '' WHERE passage_id = 3",
        "UPDATE documents SET text = replace(text, '1890', '1891')",
        "UPDATE documents SET text = CAST(x'ff' AS TEXT) WHERE doc_id = 'news/tower.txt'",
        "UPDATE documents SET title = 'x' WHERE doc_id = 'news/tower.txt'",
        "UPDATE documents SET headings = '[[0]]' WHERE doc_id = 'news/bridge.md'",
        "UPDATE documents SET digest = x'', passages_digest = x'' WHERE doc_id = 'news/tower.txt'",
        "DELETE FROM passages WHERE passage_id = 5",
        "DELETE FROM documents WHERE doc_id = 'news/tower.txt'",
        "PRAGMA foreign_keys = OFF; DELETE FROM documents WHERE doc_id = 'news/tower.txt'",
        "UPDATE failures SET message = 'x' WHERE path = 'broken.txt'",
        "UPDATE failures SET is_skipped = 1 - is_skipped",
        "UPDATE failures SET stamp = '[1, 2, 3]'",
        "DELETE FROM failures WHERE path = 'table.xlsx'",
        "DELETE FROM changes",
        "UPDATE meta SET value = '63' WHERE key = 'dimension'",
        "UPDATE meta SET value = '[]' WHERE key = 'passages'",
        "UPDATE meta SET value = '/' WHERE key = 'root'",
        "UPDATE meta SET value = '2031-01-01T00:00:00+00:00' WHERE key = 'reconciled_at'",
        "DELETE FROM meta WHERE key = 'reconciled_at'",
        "DELETE FROM meta WHERE key = 'state'",
        "DELETE FROM meta WHERE key = 'seal'",
        "DROP TABLE changes",
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = CAST(x'ff' AS TEXT) || sql WHERE name = 'failures'",
    ],
)  # fmt: skip
def test_a_database_that_is_whole_and_says_something_else_is_damaged(indexes, statement):
    def change(folder):
        with closing(sqlite3.connect(current_database(folder), isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executescript(statement)

    assert indexes.outcome(indexes.rest, change) == "index_damaged"


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *(("documents", column) for column in ("digest", "text", "doc_id", "headings", "n_characters")),
        *(("failures", column) for column in ("digest", "message", "is_skipped")),
    ],
)
def test_a_cell_of_another_type_than_its_column_is_damage(indexes, table, column):
    def change(folder):
        with closing(sqlite3.connect(current_database(folder), isolation_level=None)) as connection:
            # As a flipped byte in a row's header does: SQLite looks at types when it writes.
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("UPDATE sqlite_master SET sql = replace(replace(sql, 'STRICT', ''), 'NOT NULL', '')")
            connection.execute("PRAGMA writable_schema = RESET")
            connection.execute(f"UPDATE {table} SET {column} = NULL")

    work = damaged(indexes.rest, indexes.base / "work", change)
    assert outcome(work, indexes.expected[indexes.rest]) == "index_damaged"
    findings = list(examine(work, open_encoder=lambda _: HashingEncoder()))
    assert any(finding.result is Result.DAMAGED for finding in findings)


def test_an_index_whose_log_was_taken_away_is_not_taken_for_an_older_one(indexes):
    def lose_the_log(folder):
        for path in folder.glob("*-wal"):
            path.unlink()

    work = damaged(indexes.killed, indexes.base / "work", lose_the_log)
    with pytest.raises(DamagedIndex, match=r"it is at version \d+, and was at \d+"):
        EmbeddedStore(work)


def test_an_update_heals_an_index_that_lost_its_last_changes(indexes, tmp_path):
    for path in indexes.killed.glob("*-wal"):
        work = damaged(indexes.killed, tmp_path / "index", lambda folder, name=path.name: (folder / name).unlink())
    update_with(HashingEncoder(), indexes.base / "mine" / "documents", work)
    assert [document.n_characters for document in asked(work)[-1][0]] == [
        document.n_characters for document in indexes.expected[indexes.killed][-1][0]
    ]


def test_an_update_of_a_damaged_index_ends_with_an_answer_or_an_error_of_ours(indexes):
    documents = indexes.base / "mine" / "documents"
    name = current_database(indexes.rest).name
    size = (indexes.rest / name).stat().st_size
    codes = set()
    for at in _places(size, 12):
        work = damaged(indexes.rest, indexes.base / "work", partial(flip, name, at))
        try:
            update_with(HashingEncoder(), documents, work)
            texts = {view.document.doc_id: view.document.text for view in asked(work)[-1][1]}
        except CitespanError as error:
            codes.add(error.code)
        else:
            assert texts == {**DOCUMENTS, "late.md": "Added later, and edited."} | {
                "places/harbour.html": texts["places/harbour.html"]
            }
    assert "index_damaged" in codes


def test_the_doctor_finds_whatever_asking_finds_and_more(indexes):
    name = current_database(indexes.rest).name
    size = (indexes.rest / name).stat().st_size
    n_damaged = 0
    for number, at in enumerate(_places(size, 25)):
        damage = partial(flip, name, at, mask=(1 << at % 8, 0xFF)[number % 2])
        how = indexes.outcome(indexes.rest, damage)
        work = damaged(indexes.rest, indexes.base / "work", damage)
        findings = list(examine(work, open_encoder=lambda _: HashingEncoder(), n_encoded=3))
        is_damaged = any(finding.result is Result.DAMAGED for finding in findings)
        assert is_damaged or how == "sound"
        n_damaged += is_damaged
    assert n_damaged


def test_feedback_is_what_was_kept_or_there_is_an_error_with_a_code(indexes):
    found = Counter(
        (kind, indexes.outcome_of_feedback(folder, damage))
        for name, kind, folder, damage in indexes.cases(25)
        if name == "feedback.db"
    )
    # A file that is gone is like none that ever was; feedback moves to another index with its file, and is valid there.
    assert {how for kind, how in found if kind == "missing"} == {"none"}
    assert {how for kind, how in found if kind == "replaced"} == {"another's"}
    assert {how for kind, how in found if kind == "emptied"} == {"feedback_damaged"}
    assert {how for kind, how in found if kind == "truncated"} <= {"feedback_damaged", "as it was kept"}
    of_flips = {how for kind, how in found if kind == "bits flipped"}
    assert of_flips - {"feedback_unsupported"} == {"as it was kept", "feedback_damaged"}


@pytest.mark.parametrize("wanted", [b"in 1890", "a b/ü.md".encode(), b"wrong", b"2026-11-05", b"ffff"])
def test_a_changed_character_of_what_somebody_said_is_told(indexes, wanted):
    content = (indexes.rest / "feedback.db").read_bytes()
    damage = partial(flip, "feedback.db", content.index(wanted) + len(wanted) - 1, mask=1)
    assert indexes.outcome_of_feedback(indexes.rest, damage) == "feedback_damaged"


def test_feedback_that_its_table_lost_is_told(indexes):
    content = (indexes.rest / "feedback.db").read_bytes()
    pages = range(4096, len(content), 4096)
    leaf = max(at for at in pages if content.startswith(b"\x0d\0\0\0\1", at) and b"in 1890" in content[at : at + 4096])
    lose = partial(flip, "feedback.db", leaf + 4, mask=1)  # the number of its cells
    assert indexes.outcome_of_feedback(indexes.rest, lose) == "feedback_damaged"


def test_what_cannot_be_read_is_checked_again_whenever_it_is_told_and_before_an_update_trusts_it(indexes):
    work = damaged(indexes.rest, indexes.base / "work", lambda _: None)
    with closing(sqlite3.connect(current_database(work))) as connection:
        connection.execute("UPDATE failures SET stamp = '[1, 2, 3]' WHERE path = 'broken.txt'")
        connection.commit()
    with closing(Database(current_database(work))) as database:  # which, other than a store, checks nothing on opening
        for read in (database.failures, database.failed_stamps, lambda: database.set_failures([], stamps={})):
            with pytest.raises(DamagedIndex, match=r"broken\.txt"):
                read()
    with pytest.raises(DamagedIndex, match=r"broken\.txt"):
        update_with(HashingEncoder(), indexes.base / "mine" / "documents", work)
    findings = {finding.check: finding.result for finding in examine(work, open_encoder=lambda _: HashingEncoder())}
    assert findings["failures"] is Result.DAMAGED


def test_a_document_is_checked_again_whenever_it_is_read(indexes):
    work = damaged(indexes.rest, indexes.base / "work", lambda _: None)
    name, content = current_database(work).name, current_database(work).read_bytes()
    flip(name, content.index(b"opened in 1889") + 10, work, mask=1)
    with closing(Database(current_database(work))) as database:  # which, other than a store, checks nothing on opening
        assert database.document("news/bridge.md").title == "Bridge"
        with pytest.raises(DamagedIndex, match=r"news/tower\.txt"):
            database.document("news/tower.txt")


def test_a_damaged_vector_is_not_taken_over_for_another_document(indexes):
    work = damaged(indexes.rest, indexes.base / "work", lambda _: None)
    with closing(sqlite3.connect(current_database(work))) as connection:
        digest, vector = connection.execute("SELECT text_sha256, vector FROM passages WHERE passage_id = 1").fetchone()
        connection.execute("UPDATE passages SET vector = ? WHERE passage_id = 1", (bytes(len(vector)),))
        connection.commit()
    with closing(Database(current_database(work))) as database, pytest.raises(DamagedIndex, match="a vector"):
        database.stored_vectors([digest])


def test_a_damaged_change_log_does_not_mislead_a_running_service(indexes, tmp_path):
    documents = write_files(tmp_path / "documents", DOCUMENTS)
    folder = tmp_path / "index"
    update_with(HashingEncoder(), documents, folder)
    with closing(EmbeddedStore(folder)) as store:
        write_files(documents, {"news/tower.txt": "The tower closed."})
        update_with(HashingEncoder(), documents, folder)
        with closing(sqlite3.connect(current_database(folder))) as connection:
            connection.execute("UPDATE changes SET removed_last = removed_last + 2 WHERE removed_last IS NOT NULL")
            connection.commit()
        with pytest.raises(DamagedIndex, match="log of changes"):
            store.refresh()
        assert store.refresh()  # derived anew from the truth, which is sound


def main():
    """Print the table: how often each damage was harmless, and the codes of the errors that it gave otherwise."""
    with tempfile.TemporaryDirectory() as base:
        indexes = Indexes(Path(base))
        found = Counter(
            (name, kind, indexes.outcome(folder, damage)) for name, kind, folder, damage in indexes.cases(60)
        )
    print("| file | damage | cases | as the sound index | error |\n|---|---|---|---|---|")
    for name, kind in dict.fromkeys((name, kind) for name, kind, _ in found):
        counts = {how: n for (of, damage, how), n in found.items() if (of, damage) == (name, kind)}
        errors = ", ".join(f"`{code}` {n}" for code, n in sorted(counts.items()) if code != "sound")
        print(f"| `{name}` | {kind} | {sum(counts.values())} | {counts.get('sound', 0)} | {errors or '–'} |")


if __name__ == "__main__":
    main()
