import os
from contextlib import closing

import pytest

from index.collection import read_file
from index.errors import CollectionMissing, IndexNotWritable, OtherCollection, UndecodableFile
from index.parsing import parse
from index.records import Filter
from index.store.database import Database
from index.store.folder import current_database
from index.update import Progress, preview
from tests.equivalence import differences, seen
from tests.standins import HashingEncoder, opened, update_with, write_files


@pytest.fixture
def encoder():
    return HashingEncoder()


@pytest.fixture
def root(tmp_path):
    return write_files(
        tmp_path / "documents",
        {"a.md": "# A\n\nThe bridge opened in 1890.", "b.txt": "The tower opened in 1889.", "sub/c.txt": "Third text."},
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "index"


def test_the_first_update_adds_everything_and_the_second_encodes_nothing(encoder, root, folder):
    first = update_with(encoder, root, folder)
    assert (first.added, first.n_encoded) == (("a.md", "b.txt", "sub/c.txt"), 3)
    encoder.encoded.clear()
    second = update_with(encoder, root, folder)
    assert (second.n_changes, second.n_unchanged, second.index_version) == (0, 3, first.index_version)
    assert encoder.encoded == []


def test_an_edit_replaces_the_passages_and_encodes_only_those_that_are_new(encoder, root, folder):
    write_files(root, {"long.md": "# One\n\nFirst part.\n\n# Two\n\nSecond part."})
    update_with(encoder, root, folder)
    encoder.encoded.clear()
    write_files(root, {"long.md": "# One\n\nFirst part.\n\n# Two\n\nAnother part."})
    report = update_with(encoder, root, folder)
    assert (report.replaced, report.n_encoded, report.n_reused) == (("long.md",), 1, 1)
    assert encoder.encoded == ["One › Two\n# Two\n\nAnother part."]


def test_a_renamed_file_is_not_encoded_again(encoder, root, folder):
    update_with(encoder, root, folder)
    encoder.encoded.clear()
    (root / "b.txt").rename(root / "sub" / "renamed.txt")
    report = update_with(encoder, root, folder)
    assert (report.renamed, report.added, report.deleted, report.n_encoded) == (("sub/renamed.txt",), (), (), 0)
    assert encoder.encoded == []
    with opened(folder) as store, store.snapshot() as snapshot:
        assert [summary.doc_id for summary in snapshot.summaries()] == ["a.md", "sub/c.txt", "sub/renamed.txt"]


def test_a_vanished_file_disappears(encoder, root, folder):
    update_with(encoder, root, folder)
    (root / "a.md").unlink()
    assert update_with(encoder, root, folder).deleted == ("a.md",)
    with opened(folder) as store, store.snapshot() as snapshot:
        assert snapshot.lexical("bridge", 5, Filter()) == []


def test_a_file_with_a_new_time_and_the_same_content_is_unchanged(encoder, root, folder):
    update_with(encoder, root, folder)
    os.utime(root / "a.md", (1, 1))
    report = update_with(encoder, root, folder)
    assert (report.n_changes, report.n_unchanged) == (0, 3)


def test_a_new_list_of_bad_files_is_a_new_version_and_the_same_list_is_not(encoder, root, folder):
    before = update_with(encoder, root, folder).index_version
    write_files(root, {"bad.txt": b"\0"})
    with opened(folder) as store:
        assert update_with(encoder, root, folder).index_version == before + 1
        assert store.refresh()
        with store.snapshot() as snapshot:
            assert [failure.path for failure in snapshot.failures()] == ["bad.txt"]
    assert update_with(encoder, root, folder).index_version == before + 1


def test_of_a_thousand_files_that_fail_one_that_is_mended_changes_a_few_rows(encoder, root, folder):
    write_files(root, {f"bad/{number:03}.txt": b"\0" for number in range(1000)})
    update_with(encoder, root, folder)
    with closing(Database(current_database(folder))) as database:
        failures = [failure for failure in database.failures() if failure.path != "bad/500.txt"]
        assert len(failures) == 999
        before = database._connection.total_changes
        database.set_failures(failures, stamps={})
        assert database._connection.total_changes - before < 10
        database.check()
        assert database.failures() == failures


def test_names_that_look_alike_when_escaped_stay_apart(encoder, root, folder):
    write_files(root, {"x\x1b.dat": "a", "x\\x1b.dat": "b"})
    report = update_with(encoder, root, folder)
    assert [other.path for other in report.others] == ["x\\\\x1b.dat", "x\\x1b.dat"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_folder_that_can_no_longer_be_listed_is_reported_and_the_rest_goes_on(encoder, root, folder):
    update_with(encoder, root, folder)
    (root / "sub").chmod(0)
    try:
        report = update_with(encoder, root, folder)
    finally:
        (root / "sub").chmod(0o700)
    assert (report.deleted, [failure.path for failure in report.failed]) == (("sub/c.txt",), ["sub"])


@pytest.mark.parametrize("settled_after_ns", [2 * 10**9, -1], ids=["within the clock's tick", "long after"])
def test_an_edit_that_keeps_size_and_time_is_seen(encoder, root, folder, monkeypatch, settled_after_ns):
    monkeypatch.setattr("index.update._SETTLED_AFTER_NS", settled_after_ns)
    path = root / "b.txt"
    update_with(encoder, root, folder)
    status = path.stat()
    path.write_text("The tower opened in 1999.")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert update_with(encoder, root, folder).replaced == ("b.txt",)


def test_a_settled_file_is_not_read_again(encoder, root, folder, monkeypatch):
    monkeypatch.setattr("index.update._SETTLED_AFTER_NS", -1)
    update_with(encoder, root, folder)

    def refuse(file, **options):
        raise AssertionError(f"{file} was read")

    monkeypatch.setattr("index.update.read_file", refuse)
    assert update_with(encoder, root, folder).n_unchanged == 3


def test_a_build_with_bad_files_finishes_with_the_good_ones_and_lists_the_bad(encoder, root, folder):
    write_files(root, {"binary.txt": b"a\0b", "empty.md": " ", "large.txt": "x" * 200, "table.xlsx": "x"})
    report = update_with(encoder, root, folder, max_file_bytes=100)
    assert len(report.added) == 3
    assert {failure.path: failure.code for failure in report.failed} == {
        "binary.txt": "file_undecodable",
        "empty.md": "file_without_text",
        "large.txt": "file_too_large",
    }
    with opened(folder) as store, store.snapshot() as snapshot:
        assert [(f.path, f.is_skipped) for f in snapshot.failures()] == [
            ("binary.txt", False),
            ("empty.md", False),
            ("large.txt", False),
            ("table.xlsx", True),
        ]


def test_a_file_that_can_no_longer_be_read_no_longer_answers(encoder, root, folder):
    update_with(encoder, root, folder)
    write_files(root, {"a.md": b"\0\0"})
    report = update_with(encoder, root, folder)
    assert (report.deleted, [failure.path for failure in report.failed]) == (("a.md",), ["a.md"])
    write_files(root, {"a.md": "Mended bridge."})
    assert update_with(encoder, root, folder).added == ("a.md",)
    with opened(folder) as store, store.snapshot() as snapshot:
        assert snapshot.failures() == []


def test_a_missing_folder_leaves_the_index_as_it_is(encoder, root, folder, tmp_path):
    update_with(encoder, root, folder)
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(CollectionMissing):
        update_with(encoder, root, folder)
    with opened(folder) as store, store.snapshot() as snapshot:
        assert snapshot.counts().n_documents == 3


def test_a_folder_that_was_moved_is_followed_without_encoding(encoder, root, folder, tmp_path):
    update_with(encoder, root, folder)
    root.rename(tmp_path / "elsewhere")
    report = update_with(encoder, tmp_path / "elsewhere", folder)
    assert (report.n_changes, report.n_encoded) == (0, 0)


def test_an_index_is_not_turned_over_to_another_folder_in_silence(encoder, root, folder, tmp_path):
    update_with(encoder, root, folder)
    other = write_files(tmp_path / "other", {"x.txt": "Other."})
    with pytest.raises(OtherCollection, match="--index"):
        update_with(encoder, other, folder)


def test_a_document_with_no_change_keeps_its_passages_ids_and_ids_are_never_used_again(encoder, root, folder):
    update_with(encoder, root, folder)

    def ids():
        with opened(folder) as store, store.snapshot() as snapshot:
            return {passage.doc_id: n for n, passage in snapshot.passages(range(1, 30)).items()}

    before = ids()
    write_files(root, {"sub/c.txt": "Third text, edited."})
    update_with(encoder, root, folder)
    after = ids()
    assert after["a.md"] == before["a.md"]
    assert after["sub/c.txt"] > max(before.values())


def test_progress_runs_from_nothing_to_everything(encoder, root, folder):
    seen: list[Progress] = []
    update_with(encoder, root, folder, on_progress=seen.append)
    assert (seen[0].n_files_done, seen[0].n_files) == (0, 3)
    assert (seen[-1].n_files_done, seen[-1].bytes_done, seen[-1].n_encoded) == (3, seen[-1].bytes_total, 3)


def test_an_update_that_breaks_off_is_continued_where_it_stopped(encoder, root, folder, monkeypatch):
    monkeypatch.setattr("index.update._GROUP", 1)
    calls = []

    def fail_on_third(texts):
        calls.append(texts)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return HashingEncoder.encode_passages(encoder, texts)

    encoder.encode_passages = fail_on_third
    with pytest.raises(KeyboardInterrupt):
        update_with(encoder, root, folder)
    del encoder.encode_passages
    report = update_with(encoder, root, folder)
    assert (report.added, report.n_unchanged, report.n_encoded) == (("a.md",), 2, 1)


def test_a_long_document_that_breaks_off_is_continued_within(encoder, root, folder, monkeypatch):
    monkeypatch.setattr("index.update._GROUP", 10)
    write_files(root, {"long.md": "\n\n".join(f"# Part {n}\n\nText of part {n}." for n in range(45))})
    real = encoder.encode_passages

    def fail_at_last(texts):
        if "Text of part 44." in " ".join(texts):
            raise KeyboardInterrupt
        return real(texts)

    encoder.encode_passages = fail_at_last
    with pytest.raises(KeyboardInterrupt):
        update_with(encoder, root, folder)
    encoder.encode_passages = real
    report = update_with(encoder, root, folder)
    assert "long.md" in report.added
    assert report.n_encoded < 20 < report.n_reused


def test_versions_go_on_counting_after_a_rebuild(encoder, root, folder):
    before = update_with(encoder, root, folder).index_version
    rebuilt = update_with(encoder, root, folder, rebuild=True).index_version
    assert rebuilt == before + 4  # the empty one, and three documents
    for path in root.rglob("*.*"):
        path.unlink()
    emptied = update_with(encoder, root, folder).index_version
    assert emptied == rebuilt + 3
    assert update_with(encoder, root, folder, rebuild=True).index_version == emptied + 1


def test_a_file_that_comes_back_before_it_is_deleted_stays(encoder, root, folder, monkeypatch):
    update_with(encoder, root, folder)
    (root / "b.txt").unlink()
    real_plan = __import__("index.update", fromlist=["make_plan"]).make_plan

    def plan_then_save(*args, **kwargs):
        plan = real_plan(*args, **kwargs)
        write_files(root, {"b.txt": "The tower opened in 1889."})
        return plan

    monkeypatch.setattr("index.update.make_plan", plan_then_save)
    assert update_with(encoder, root, folder).deleted == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_a_clear_error(encoder, root, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(IndexNotWritable, match="--index"):
        update_with(encoder, root, locked / "index")


def test_a_file_in_the_place_of_the_index_folder_is_a_clear_error(encoder, root, tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(IndexNotWritable, match="--index"):
        update_with(encoder, root, tmp_path / "taken")


@pytest.fixture
def settled(monkeypatch):
    """Every file counts as unchanged for long."""
    monkeypatch.setattr("index.update._SETTLED_AFTER_NS", -1)


@pytest.fixture
def files_read(monkeypatch):
    """The names of the files that are read."""
    names = []

    def read_and_note(file, **options):
        names.append(file.doc_id)
        return read_file(file, **options)

    monkeypatch.setattr("index.update.read_file", read_and_note)
    return names


def test_a_file_that_failed_is_not_read_again_until_it_changes(encoder, root, folder, settled, files_read):
    write_files(root, {"bad.txt": b"a\0b"})
    first = update_with(encoder, root, folder)
    files_read.clear()
    second = update_with(encoder, root, folder)
    assert files_read == []
    assert (second.others, second.n_not_retried, second.index_version) == (first.others, 1, first.index_version)
    write_files(root, {"bad.txt": "Mended."})
    third = update_with(encoder, root, folder)
    assert (third.added, third.failed, third.n_not_retried) == (("bad.txt",), (), 0)


def test_failed_files_are_read_again_on_demand(encoder, root, folder, settled, monkeypatch):
    write_files(root, {"new.txt": "A kind of text that only the next version reads."})

    def refuse_new(content, *, doc_id, **options):
        if doc_id == "new.txt":
            raise UndecodableFile("not yet")
        return parse(content, doc_id=doc_id, **options)

    monkeypatch.setattr("index.update.parse", refuse_new)
    update_with(encoder, root, folder)
    monkeypatch.setattr("index.update.parse", parse)
    assert update_with(encoder, root, folder).added == ()
    assert update_with(encoder, root, folder, retry_failed=True).added == ("new.txt",)


def test_a_file_over_the_limit_is_tried_again_each_time(encoder, root, folder, settled):
    write_files(root, {"large.txt": "x" * 200})
    assert len(update_with(encoder, root, folder, max_file_bytes=100).failed) == 1
    assert update_with(encoder, root, folder).added == ("large.txt",)


def test_a_file_that_failed_within_the_clocks_tick_is_read_again(encoder, root, folder, files_read):
    write_files(root, {"bad.txt": b"a\0b"})
    update_with(encoder, root, folder)
    files_read.clear()
    assert update_with(encoder, root, folder).n_not_retried == 0
    assert "bad.txt" in files_read


@pytest.mark.skipif(os.name == "nt", reason="there a backslash is no part of a name")
def test_a_file_that_failed_is_listed_by_a_name_that_no_other_file_has(encoder, root, folder, settled, files_read):
    write_files(root, {"a\\b.txt": b"\0", "a\\\\b.txt": b"\0", ".citespanignore": "a?b.txt"})
    report = update_with(encoder, root, folder)
    assert {"a\\\\b.txt", "a\\\\\\\\b.txt"} <= {other.path for other in report.others}
    files_read.clear()
    assert update_with(encoder, root, folder).n_not_retried == 1


def test_a_failed_file_that_vanished_is_forgotten(encoder, root, folder, settled):
    write_files(root, {"bad.txt": b"a\0b"})
    update_with(encoder, root, folder)
    (root / "bad.txt").unlink()
    report = update_with(encoder, root, folder)
    assert (report.others, report.n_not_retried) == ((), 0)
    with closing(Database(current_database(folder))) as database:
        assert database.failed_stamps() == {}


def test_a_preview_is_what_the_update_then_does_and_changes_nothing(encoder, root, folder, settled):
    write_files(root, {"bad.txt": b"a\0b", "old.txt": "Old.", "table.xlsx": "x"})
    update_with(encoder, root, folder)
    write_files(root, {"a.md": "# A\n\nAnother bridge.", "new.txt": "New."})
    (root / "b.txt").rename(root / "renamed.txt")
    (root / "old.txt").unlink()
    before = seen(folder, encoder), sorted(path.name for path in folder.iterdir())
    plan = preview(root, folder)
    assert differences(seen(folder, encoder), before[0], to_the_bit=True) == []
    assert sorted(path.name for path in folder.iterdir()) == before[1]
    assert [file.doc_id for file in plan.to_encode] == ["new.txt", "a.md"]
    assert [item.failure.path for item in plan.failed_before] == ["bad.txt"]
    assert [file.doc_id for file in preview(root, folder, retry_failed=True).add] == ["bad.txt", "new.txt"]
    report = update_with(encoder, root, folder)
    assert tuple(file.doc_id for file in plan.add) == report.added
    assert tuple(file.doc_id for file in plan.replace) == report.replaced
    assert tuple(rename.file.doc_id for rename in plan.rename) == report.renamed
    assert tuple(known.doc_id for known in plan.delete) == report.deleted
    assert plan.n_unchanged == report.n_unchanged


def test_a_preview_of_a_first_index_or_of_a_rebuild_adds_everything_and_makes_no_folder(encoder, root, folder):
    assert [file.doc_id for file in preview(root, folder).add] == ["a.md", "b.txt", "sub/c.txt"]
    assert not folder.exists()
    update_with(encoder, root, folder)
    assert len(preview(root, folder).add) == 0
    assert len(preview(root, folder, rebuild=True).add) == 3


def test_a_preview_of_another_folder_is_refused_as_its_update_is(encoder, root, folder, tmp_path):
    update_with(encoder, root, folder)
    with pytest.raises(OtherCollection, match="--index"):
        preview(write_files(tmp_path / "other", {"x.txt": "Other."}), folder)
