import os
import sys

import pytest

from index.collection import is_present, read_file, scan
from index.errors import CollectionMissing, FileTooLarge, UnreadableFile
from tests.standins import write_files

SUFFIXES = (".txt", ".md")


def codes(found):
    return {other.path: other.code for other in found.others}


def test_files_are_found_in_folders_and_ordered_by_their_posix_paths(tmp_path):
    write_files(tmp_path, {"b.txt": "b", "a/z.md": "z", "a/a/x.TXT": "x"})
    assert [file.doc_id for file in scan(tmp_path, suffixes=SUFFIXES).files] == ["a/a/x.TXT", "a/z.md", "b.txt"]


def test_everything_that_is_left_out_is_named_with_its_reason(tmp_path):
    write_files(tmp_path, {"a.txt": "a", "b.docx": "b", "noending": "c", ".hidden/d.txt": "d", ".e.txt": "e"})
    found = scan(tmp_path, suffixes=SUFFIXES)
    assert [file.doc_id for file in found.files] == ["a.txt"]
    assert codes(found) == {
        "b.docx": "file_type_unsupported",
        "noending": "file_type_unsupported",
        ".hidden": "file_hidden",
        ".e.txt": "file_hidden",
    }
    assert all(other.is_skipped for other in found.others)


def test_links_are_followed_to_files_within_the_folder_and_nowhere_else(tmp_path):
    write_files(tmp_path / "outside", {"secret.txt": "s"})
    root = write_files(tmp_path / "root", {"a.txt": "a", "sub/b.txt": "b"})
    (root / "inside.txt").symlink_to(root / "a.txt")
    (root / "secret.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root)
    (root / "broken.txt").symlink_to(root / "nothing")
    found = scan(root, suffixes=SUFFIXES)
    assert [file.doc_id for file in found.files] == ["a.txt", "inside.txt", "sub/b.txt"]
    assert codes(found) == {
        "secret.txt": "file_outside_collection",
        "folder": "file_outside_collection",
        "loop": "file_outside_collection",
        "broken.txt": "file_unreadable",
    }


def test_the_folder_of_the_index_is_not_walked(tmp_path):
    write_files(tmp_path, {"a.txt": "a", "var/b.txt": "b"})
    found = scan(tmp_path, suffixes=SUFFIXES, excluded=[tmp_path / "var"])
    assert [file.doc_id for file in found.files] == ["a.txt"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_unicode_is_reported_by_an_escaped_one(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    (tmp_path / "two\nlines.txt").write_text("x")
    assert codes(scan(tmp_path, suffixes=SUFFIXES)) == {
        "caf\\udce9.txt": "file_name_invalid",
        "two\\nlines.txt": "file_name_invalid",
    }


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    assert codes(scan(tmp_path, suffixes=SUFFIXES)) == {"pipe.txt": "file_type_unsupported"}


@pytest.mark.parametrize("name", ["missing", "a.txt"])
def test_a_missing_folder_or_a_file_in_its_place_is_a_clear_error(tmp_path, name):
    write_files(tmp_path, {"a.txt": "a"})
    with pytest.raises(CollectionMissing, match="--documents"):
        scan(tmp_path / name, suffixes=SUFFIXES)


def test_a_file_over_the_limit_is_refused_and_one_at_the_limit_is_read(tmp_path):
    write_files(tmp_path, {"a.txt": "12345"})
    (file,) = scan(tmp_path, suffixes=SUFFIXES).files
    assert read_file(file, max_bytes=5).content == b"12345"
    with pytest.raises(FileTooLarge, match="limit of 4 bytes"):
        read_file(file, max_bytes=4)


def test_a_file_that_is_gone_since_the_scan_is_unreadable(tmp_path):
    write_files(tmp_path, {"a.txt": "a"})
    (file,) = scan(tmp_path, suffixes=SUFFIXES).files
    file.path.unlink()
    with pytest.raises(UnreadableFile, match="No such file"):
        read_file(file)


def test_names_in_any_script_and_with_any_spaces_are_names(tmp_path):
    names = ["été.txt", "zwj 👩‍🚀.txt", "narrow space.txt", "日本.txt"]
    write_files(tmp_path, dict.fromkeys(names, "x"))
    assert {file.doc_id for file in scan(tmp_path, suffixes=SUFFIXES).files} == set(names)


def test_a_file_is_present_under_its_own_name_only(tmp_path):
    write_files(tmp_path, {"Sub/Notes.md": "x"})
    assert is_present(tmp_path, "Sub/Notes.md")
    assert not is_present(tmp_path, "Sub/notes.md")
    assert not is_present(tmp_path, "sub/Notes.md")
    assert not is_present(tmp_path, "Sub/Notes.md/x")
