import os
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from index.collection import scan
from index.errors import CollectionError
from index.ignoring import IgnoreRules, Rule
from tests.standins import HashingEncoder, opened, update_with, write_files

NAMES = ("a.txt", "b.txt", "keep.txt", "x/a.txt", "x/keep.txt", "x/y/a.txt", "y/b.txt", "y/x/b.txt", "y/x/y/keep.txt")


def listed(root):
    """The files of a collection, and what a rule leaves out."""
    found = scan(root, suffixes=(".txt",))
    ignored = {other.path: other.message for other in found.others if other.code == "file_ignored"}
    return [file.doc_id for file in found.files], ignored


def test_what_the_file_names_is_left_out_and_listed_with_the_line_that_does_it(tmp_path):
    write_files(tmp_path, dict.fromkeys(NAMES, "text") | {".citespanignore": "# mine\n\nb.txt\n/x/\n"})
    files, ignored = listed(tmp_path)
    assert files == ["a.txt", "keep.txt", "y/x/y/keep.txt"]
    assert ignored == {
        "b.txt": "line 3 of .citespanignore leaves it out: b.txt",
        "y/b.txt": "line 3 of .citespanignore leaves it out: b.txt",
        "y/x/b.txt": "line 3 of .citespanignore leaves it out: b.txt",
        "x": "line 4 of .citespanignore leaves it out: /x/",
    }


def test_the_last_line_that_matches_decides():
    rules = IgnoreRules("*.txt\r\n!keep.txt\r\n")
    assert rules.rule_against("a.txt", is_folder=False) == Rule(1, "*.txt")
    assert rules.rule_against("sub/keep.txt", is_folder=False) is None


def test_only_the_one_in_the_root_counts_and_it_is_no_document(tmp_path):
    write_files(tmp_path, {"x/a.txt": "a", "x/.citespanignore": "*", ".citespanignore": "\ufeffnothing"})
    found = scan(tmp_path, suffixes=(".txt", ".citespanignore"))
    assert [file.doc_id for file in found.files] == ["x/a.txt"]
    assert {other.path: other.code for other in found.others} == {
        ".citespanignore": "file_hidden",
        "x/.citespanignore": "file_hidden",
    }


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git to compare with")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(["*", "!*/", "!keep.txt"])
@example(["x/*", "!x/keep.txt"])
@example(["/x", "!x/keep.txt"])
@example(["**/y/", "y/x/**"])
@example(["x/**", "!x/keep.txt"])
@example(["*.txt", "!x/"])
@given(
    st.lists(
        st.builds(
            "".join,
            st.tuples(
                st.sampled_from(["", "", "!", "/", "**/"]),
                st.sampled_from(["a.txt", "*.txt", "x", "y", "*", "x/y", "?", "[ax]*", "keep*", "x/**/keep.txt"]),
                st.sampled_from(["", "", "/", "/*", "/**"]),
            ),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_patterns_leave_out_what_git_leaves_out(tmp_path_factory, patterns):
    root = write_files(tmp_path_factory.mktemp("git"), dict.fromkeys(NAMES, "text"))
    text = "\n".join(patterns)
    write_files(root, {".citespanignore": text})
    ours, _ = listed(root)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    write_files(root, {".git/rules": text})
    theirs = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-from=.git/rules"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert ours == sorted(set(theirs) & set(NAMES))


@pytest.mark.parametrize("line", ["!", "\\"])
def test_a_line_that_is_no_pattern_is_named(line):
    with pytest.raises(CollectionError, match=r"line 2 of \.citespanignore"):
        IgnoreRules(f"a.txt\n{line}\n")


def test_rules_that_cannot_be_read_stop_the_update_and_the_index_stays_as_it_is(tmp_path):
    root = write_files(tmp_path / "documents", {"a.txt": "The bridge.", "b.txt": "The tower."})
    update_with(HashingEncoder(), root, tmp_path / "index")
    write_files(root, {".citespanignore": b"caf\xe9.txt\n", "c.txt": "The canal."})
    with pytest.raises(CollectionError, match="UTF-8"):
        update_with(HashingEncoder(), root, tmp_path / "index")
    with opened(tmp_path / "index") as store, store.snapshot() as snapshot:
        assert snapshot.counts().n_documents == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_rules_that_may_not_be_read_are_a_clear_error(tmp_path):
    write_files(tmp_path, {".citespanignore": "x"})
    (tmp_path / ".citespanignore").chmod(0)
    with pytest.raises(CollectionError, match="permissions"):
        scan(tmp_path, suffixes=(".txt",))


def test_a_document_that_is_left_out_no_longer_answers_and_comes_back_with_the_rule_gone(tmp_path):
    root = write_files(tmp_path / "documents", {"a.txt": "The bridge.", "old/b.txt": "The tower."})
    update_with(HashingEncoder(), root, tmp_path / "index")
    write_files(root, {".citespanignore": "old/"})
    assert update_with(HashingEncoder(), root, tmp_path / "index").deleted == ("old/b.txt",)
    (root / ".citespanignore").unlink()
    assert update_with(HashingEncoder(), root, tmp_path / "index").added == ("old/b.txt",)
