import json
import re
from contextlib import closing

import pytest
from click.testing import CliRunner

from index.store.folder import current_database, previous_database
from qa import composition, process
from qa.cli import citespan
from qa.composition import open_engine
from qa.evaluation.datasets import read_squad
from qa.feedback import Judgement, Place, Verdict, judge
from qa.feedback_store import FeedbackStore
from qa.settings import settings_from
from tests.standins import HashingEncoder, OverlapReader, write_files


@pytest.fixture(autouse=True)
def stand_in_models(monkeypatch):
    monkeypatch.setattr(composition, "open_encoder", lambda name="hashing", **options: HashingEncoder())
    monkeypatch.setattr(composition, "open_reader", lambda name="overlap", **options: OverlapReader())


@pytest.fixture
def run(tmp_path, monkeypatch):
    write_files(
        tmp_path / "docs",
        {
            "news/bridge.md": "# Bridge\n\nIt was built of steel.\nThe bridge\nopened in 1890. It is long.",
            "tower.txt": "The tower opened in 1889.",
            "broken.txt": b"\0",
            "photo.jpg": b"x",
        },
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")

    def invoke(*args, **env):
        return CliRunner().invoke(citespan, args, env={"CITESPAN_DOCUMENTS": "docs", **env})

    return invoke


def test_index_tells_what_it_adds_and_could_not_read_and_what_is_left_out(run):
    result = run("index")
    assert result.exit_code == 0
    assert "+ news/bridge.md" in result.stderr
    assert "! broken.txt: it holds binary data" in result.stderr
    assert "[file_undecodable]" in result.stderr
    assert "· photo.jpg: left out" in result.stderr
    assert "2 added, 0 replaced, 0 renamed, 0 removed, 0 unchanged, 1 could not be read" in result.stderr


def test_a_second_index_says_that_nothing_had_to_be_encoded(run):
    run("index")
    assert "2 unchanged, 1 could not be read; nothing had to be encoded" in run("index").stderr


def test_a_folder_without_any_document_is_told(run, tmp_path):
    write_files(tmp_path / "pictures", {"photo.jpg": b"x"})
    result = run("index", "--documents", "pictures", "--index", "other")
    assert result.exit_code == 0
    assert "! No document is indexed: the folder has none that can be read (.txt, .md, " in result.stderr
    assert "No document" not in run("index").stderr
    assert "No document" not in run("index").stderr


def test_one_of_a_thing_is_not_told_as_several(run, tmp_path):
    write_files(tmp_path / "one", {"tower.txt": "The tower opened in 1889."})
    assert "; 1 passage encoded, " in run("index", "--documents", "one", "--index", "other").stderr
    assert "  tower.txt  1 passage\n" in run("status", "--files", "--documents", "one", "--index", "other").stdout


def test_index_json_is_json_and_nothing_else(run):
    result = run("index", "--json")
    assert json.loads(result.stdout)["added"] == ["news/bridge.md", "tower.txt"]


def test_rebuild_makes_the_index_anew(run):
    run("index")
    assert "2 added" in run("index", "--rebuild").stderr


def test_a_dry_run_tells_what_there_is_to_do_and_changes_nothing(run, tmp_path):
    run("index")
    version = json.loads(run("status", "--json").stdout)["index_version"]
    write_files(tmp_path / "docs", {"new.txt": "The canal opened in 1869."})
    (tmp_path / "docs" / "tower.txt").rename(tmp_path / "docs" / "eiffel.txt")
    result = run("index", "--dry-run")
    assert result.exit_code == 0
    assert "+ new.txt\n" in result.stdout
    assert "> tower.txt > eiffel.txt\n" in result.stdout
    assert "· photo.jpg: left out" in result.stdout
    assert "1 to replace" not in result.stdout
    assert "files (" in result.stdout
    assert result.stdout.endswith("Nothing was changed.\n")
    plan = json.loads(run("index", "--dry-run", "--json").stdout)
    assert plan["rename"] == [{"from": "tower.txt", "to": "eiffel.txt"}]
    assert "new.txt" in plan["add"]
    assert json.loads(run("status", "--json").stdout)["index_version"] == version


def test_a_dry_run_without_an_index_makes_none(run, tmp_path):
    assert "+ tower.txt" in run("index", "--dry-run").stdout
    assert not (tmp_path / "var").exists()


def test_unchanged_files_that_failed_are_said_not_to_have_been_read_again(run, monkeypatch):
    monkeypatch.setattr("index.update._SETTLED_AFTER_NS", -1)
    run("index")
    again = run("index")
    assert "! broken.txt: it holds binary data" in again.stderr
    assert "1 of them unchanged since they failed, and not read again: citespan index --retry-failed" in again.stderr
    assert "not read again" not in run("index", "--retry-failed").stderr
    assert json.loads(run("index", "--dry-run", "--json").stdout)["failed_before"][0]["path"] == "broken.txt"


def test_ask_prints_the_answer_its_context_and_file_and_line(run):
    run("index")
    result = run("ask", "When was the bridge opened?", "--min-confidence", "0.01")
    assert result.exit_code == 0
    first = result.stdout.split("\n\n")[0]
    assert first.startswith("The bridge\nopened in 1890.\n")
    assert "\n  # Bridge It was built of steel. The bridge opened in 1890. It is long.\n" in first
    assert "news/bridge.md:4" in first


def test_ask_json_is_the_apis_answer(run):
    run("index")
    result = run("ask", "When was the bridge opened?", "--min-confidence", "0.01", "--json")
    citation = json.loads(result.stdout)["answers"][0]["citation"]
    assert (citation["doc_id"], citation["line"]) == ("news/bridge.md", 4)


def test_ask_says_so_when_the_documents_do_not(run):
    run("index")
    result = run("ask", "Who composed zarzuelas?", "--min-confidence", "0.99")
    assert result.exit_code == 0
    assert result.stdout.startswith("The documents do not say.\nNearest passage: ")


def test_ask_explains_itself(run):
    run("index")
    result = run("ask", "When was the bridge opened?", "--explain")
    assert "Answers from confidence 0.50 on (set by reader)." in result.stdout
    assert "1. The bridge opened in 1890.  confidence 0." in result.stdout
    assert re.search(
        r"news/bridge\.md \[\d+:\d+\]  start [\d.]+, end 0\.00, no answer 4\.00; meaning \d", result.stdout
    )
    assert "explanation" in json.loads(run("ask", "opened?", "--explain", "--json").stdout)
    assert "No answer: not confident." in run("ask", "Who composed zarzuelas?", "--explain").stdout


def test_how_seldom_answers_may_be_wrong_is_a_setting(run):
    run("index")
    chosen = json.loads(run("ask", "opened?", "--max-risk", "0.1", "--explain", "--json").stdout)["explanation"]
    assert (chosen["min_confidence"], chosen["chosen_by"]) == (0.9, "max_risk")
    assert "parameter_invalid" in run("ask", "opened?", "--max-risk", "0.001").stderr
    assert "parameter_invalid" in run("ask", "opened?", "--max-risk", "0.1", "--min-confidence", "0.1").stderr


@pytest.mark.parametrize("arguments", [["ask", "When was the bridge opened?"], ["ask", "?"], ["search", "bridge"]])
def test_what_is_told_says_how_old_it_is(run, arguments):
    run("index")
    then = json.loads(run("status", "--json").stdout)["reconciled_at"]
    last = run(*arguments).stdout.splitlines()[-1]
    assert last == f"Documents as of {then}; `citespan index` reads what has changed since."


def test_a_filter_that_nothing_passes_is_told(run):
    run("index")
    for command in ("ask", "search"):
        assert "no document is indexed, or none passes --path and --type" in run(command, "x", "--path", "no").stdout


def test_ask_and_search_can_be_restricted(run):
    run("index")
    found = json.loads(run("search", "opened", "--path", "news", "--json").stdout)["hits"]
    assert {hit["doc_id"] for hit in found} == {"news/bridge.md"}
    found = json.loads(run("ask", "opened", "--type", "text/plain", "--json").stdout)["passages"]
    assert {hit["doc_id"] for hit in found} == {"tower.txt"}


def test_search_lists_passages_with_both_ranks(run):
    run("index")
    result = run("search", "tower")
    assert "1. tower.txt [0:25]" in result.stdout
    assert "meaning 1, words 1" in result.stdout


def test_status_counts_and_lists_what_is_not_in_the_index(run):
    run("index")
    result = run("status")
    assert "Documents" in result.stdout
    assert re.search(r"Compared with the folder  20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", result.stdout)
    assert "broken.txt" in result.stdout
    assert "photo.jpg" not in result.stdout
    assert "photo.jpg" in run("status", "--files").stdout
    assert json.loads(run("status", "--json").stdout)["n_documents"] == 2


@pytest.mark.parametrize("command", [["ask", "When?"], ["search", "bridge"], ["status"], ["verify", "none.json"]])
def test_without_an_index_every_command_says_which_one_to_run(run, command, tmp_path):
    (tmp_path / "none.json").write_text("[]")
    result = run(*command)
    assert result.exit_code == 1
    assert "[index_missing]" in result.stderr
    assert "citespan index" in result.stderr
    assert not result.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["ask", ""], "question_empty"),
        (["ask", "  "], "question_empty"),
        (["ask", "x" * 10_000], "question_too_long"),
        (["ask", "q", "-k", "0"], "parameter_invalid"),
        (["ask", "half \udcff"], "text_invalid"),
        (["search", "q", "-k", "1000000000"], "parameter_invalid"),
        (["search", "q", "--path", "../etc"], "parameter_invalid"),
    ],
)
def test_wrong_input_is_exit_status_2_with_its_code(run, arguments, code):
    run("index")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"[{code}]" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["ask", "q", "-k", "five"], ["ask"], ["index", "--nonsense"], ["ask", "q", "--port", "1"]]
)
def test_what_the_command_line_does_not_know_is_exit_status_2(run, arguments):
    assert run(*arguments).exit_code == 2


def test_a_missing_folder_is_exit_status_1_with_the_remedy(run):
    result = run("index", "--documents", "nowhere")
    assert result.exit_code == 1
    assert "[collection_missing]" in result.stderr
    assert "--documents" in result.stderr


def test_an_index_made_by_another_encoder_is_exit_status_1_with_the_remedy(run, monkeypatch):
    run("index")
    monkeypatch.setattr(composition, "open_encoder", lambda name="x", **options: HashingEncoder(salt="other"))
    for command in (["index"], ["ask", "q"]):
        result = run(*command)
        assert result.exit_code == 1
        assert "[index_encoder_mismatch]" in result.stderr
        assert "--rebuild" in result.stderr


def test_a_damaged_database_is_exit_status_1_and_a_rebuild_mends_it(run, tmp_path):
    run("index")
    current_database(tmp_path / "var").write_bytes(b"garbage")
    for path in (tmp_path / "var").glob("*-wal"):
        path.unlink()
    result = run("ask", "q")
    assert result.exit_code == 1
    assert "[index_damaged]" in result.stderr
    assert run("index", "--rebuild").exit_code == 0
    assert run("ask", "tower?").exit_code == 0


def test_documents_and_questions_cannot_write_to_the_terminal(run, tmp_path):
    write_files(tmp_path / "docs", {"evil.txt": "The \x1b[31mred\x1b[0m dragon [bold]roars[/bold] loudly."})
    run("index")
    result = run("ask", "What roars?", "--path", "evil.txt", "--min-confidence", "0")
    assert "[bold]roars[/bold]" in result.stdout
    assert "\x1b" not in result.stdout


def test_the_environment_sets_what_a_flag_sets(run):
    run("index")
    result = run("ask", "tower?", CITESPAN_INDEX="elsewhere")
    assert "[index_missing]" in result.stderr


def test_no_library_asks_the_hub_unless_it_is_allowed(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    process.prepare_process("warning", hub=True)
    assert "HF_HUB_OFFLINE" not in __import__("os").environ
    process.prepare_process("warning", hub=False)
    assert __import__("os").environ["HF_HUB_OFFLINE"] == "1"


def test_a_rebuild_keeps_the_indexs_encoder(run, monkeypatch):
    asked = []

    def open_and_note(name="hashing", **options):
        asked.append(name)
        return HashingEncoder()

    monkeypatch.setattr(composition, "open_encoder", open_and_note)
    run("index", "--encoder", "my-encoder")
    run("index", "--rebuild")
    assert asked == ["my-encoder", "my-encoder"]


def test_json_holds_no_character_that_commands_a_terminal(run, tmp_path):
    write_files(tmp_path / "docs", {"evil.txt": "The \x9b31m dragon \x7f roars."})
    run("index")
    result = run("search", "dragon", "--path", "evil.txt", "--json")
    assert "\x9b" not in result.stdout
    assert json.loads(result.stdout)["hits"][0]["text"] == "The \x9b31m dragon \x7f roars."


def test_a_home_folder_that_the_shell_did_not_expand_is_expanded(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("index", "--documents", "~/docs", "--index", "~/ix").exit_code == 0
    assert (tmp_path / "ix" / "current").exists()


def test_a_strict_question_is_refused_where_the_folder_has_changed(run, tmp_path):
    run("index")
    (tmp_path / "docs" / "broken.txt").unlink()  # written just now: whether it was mended could not be told
    run("index")
    assert run("ask", "tower?", "--fresh").exit_code == run("search", "tower", "--fresh").exit_code == 0
    write_files(tmp_path / "docs", {"new.txt": "New."})
    for command in (["ask", "tower?", "--fresh"], ["search", "tower", "--fresh"]):
        result = run(*command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "[index_stale]" in result.stderr
        assert "(files added: 1, changed: 0, removed: 0); bring the index up with `citespan index`" in result.stderr
    assert run("ask", "tower?").exit_code == 0


@pytest.fixture
def kept(run, tmp_path):
    """A file with all that `ask --json` printed."""
    run("index")
    asked = run("ask", "When was the bridge opened?", "--min-confidence", "0.01", "--json")
    (tmp_path / "kept.json").write_text(asked.stdout, encoding="utf-8")
    return tmp_path / "kept.json"


def test_citations_that_were_kept_are_verified(run, kept):
    result = run("verify", "kept.json")
    assert result.exit_code == 0
    assert result.stdout.startswith("valid      news/bridge.md [33:59]  The bridge opened in 1890.\n")
    n_cited = sum(len(answer["citations"]) for answer in json.loads(kept.read_text())["answers"])
    assert result.stderr == f"{n_cited} valid; index version 3.\n"


def test_a_citation_that_moved_is_told_with_its_place_and_one_that_does_not_hold_is_exit_status_1(run, kept, tmp_path):
    before = (tmp_path / "docs" / "news" / "bridge.md").read_text()
    write_files(tmp_path / "docs", {"news/bridge.md": f"New.\n\n{before}"})
    run("index")
    result = run("verify", "kept.json")
    assert result.exit_code == 0
    assert (
        "moved      news/bridge.md [33:59]  The bridge opened in 1890.\n  now news/bridge.md:6 [39:65]\n"
        in result.stdout
    )
    write_files(tmp_path / "docs", {"news/bridge.md": before.replace("1890", "1891")})
    run("index")
    result = run("verify", "kept.json")
    assert result.exit_code == 1
    assert (
        "changed    news/bridge.md [33:59]  The bridge opened in 1890.\n"
        "  like it, in news/bridge.md [33:59]: The bridge opened in [-1890-]{+1891+}.\n"
    ) in result.stdout
    (tmp_path / "docs" / "news" / "bridge.md").unlink()
    write_files(tmp_path / "docs", {"copy.md": before, "copy 2.md": before})
    run("index")
    result = run("verify", "kept.json")
    assert result.exit_code == 1
    assert "  perhaps copy 2.md [33:59]\n  perhaps copy.md [33:59]\n" in result.stdout


def test_one_citation_or_a_list_may_be_verified_from_standard_input(run, kept):
    citation = json.loads(kept.read_text())["answers"][0]["citation"]
    env = {"CITESPAN_DOCUMENTS": "docs"}
    for value in (citation, [citation], {"citations": [citation]}):
        result = CliRunner().invoke(citespan, ["verify", "-", "--json"], input=json.dumps(value), env=env)
        assert result.exit_code == 0
        assert json.loads(result.stdout)["citations"][0]["citation"] == citation
    assert (
        CliRunner().invoke(citespan, ["verify", "-"], input="[]", env=env).stderr == "No citations; index version 3.\n"
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "request_invalid"),
        (b"{", "request_invalid"),
        (b"\xff\xff\xff", "request_invalid"),
        (b"[" * 100_000, "request_invalid"),
        (b"5", "request_invalid"),
        (b'{"doc_id": "a"}', "request_invalid"),
        (b'[{"doc_id": 5, "start": 0, "end": 1, "quote": "x", "sha256": ""}]', "parameter_invalid"),
        (b" " * (16 * 2**20 + 1), "request_invalid"),
    ],
)
def test_a_file_without_citations_is_exit_status_2(run, tmp_path, content, code):
    run("index")
    (tmp_path / "kept.json").write_bytes(content)
    result = run("verify", "kept.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"[{code}]" in result.stderr


def test_what_is_verified_cannot_write_to_the_terminal(run, tmp_path):
    run("index")
    citation = {"doc_id": "\x1b[31m", "start": 0, "end": 4, "quote": "\x1b[0m", "sha256": "0" * 64}
    (tmp_path / "kept.json").write_text(json.dumps(citation))
    result = run("verify", "kept.json")
    assert (result.exit_code, "\x1b" in result.stdout) == (1, False)


@pytest.mark.parametrize("words", [("ask", "When?"), ("search", "tower"), ("status",)])
@pytest.mark.parametrize("folder", ["others", "missing"])
def test_another_folder_than_the_one_of_the_index_is_refused(run, tmp_path, words, folder):
    run("index")
    (tmp_path / "others").mkdir()
    result = run(*words, "--documents", folder)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "[index_of_other_collection]" in result.stderr
    assert str(tmp_path / "docs") in result.stderr


@pytest.mark.parametrize("given", [(), ("--documents", "moved")])
def test_what_reads_an_index_takes_the_folder_of_the_index_or_where_that_was_moved(run, tmp_path, given):
    (tmp_path / "docs" / "broken.txt").unlink()  # written just now: whether it was mended could not be told
    write_files(tmp_path / "documents", {"other.txt": "This is not in the index."})
    run("index")
    if given:
        (tmp_path / "docs").rename(tmp_path / "moved")
    assert run("ask", "tower?", "--fresh", *given, CITESPAN_DOCUMENTS=None).exit_code == 0


def say(tmp_path, question, *, verdict=Verdict.WRONG, corrected=None, comment=""):
    """Keep feedback on the tower's only sentence, by an engine on the index of `run`."""
    settings = settings_from({"documents": tmp_path / "docs", "index": tmp_path / "var"})
    place, answer = Place("tower.txt", 0, 25), "The tower opened in 1889."
    with closing(open_engine(settings)) as engine:
        entry = judge(engine, Judgement(question, verdict, answer, place, corrected, comment, 1))
    FeedbackStore(settings.index).add(entry)
    return entry


def test_feedback_is_listed_newest_first(run, tmp_path):
    run("index")
    say(tmp_path, "When did the tower open?", verdict=Verdict.RIGHT)
    entry = say(tmp_path, "How \x1b[31mtall?", corrected="", comment="see\x9b there")
    blocks = run("feedback", "list").stdout.splitlines()
    assert blocks == [
        "wrong  How \ufffd[31mtall?",
        "  The tower opened in 1889.",
        "  rather: The documents do not say.",
        "  comment: see\ufffd there",
        f"  tower.txt [0:25]  {entry.time}  {entry.entry_id}",
        "right  When did the tower open?",
        "  The tower opened in 1889.",
        blocks[-1],
    ]
    listed = json.loads(run("feedback", "list", "--json").stdout)
    assert [said["verdict"] for said in listed["feedback"]] == ["wrong", "right"]
    assert listed["n_feedback"] == 2


def test_without_feedback_the_list_says_so_and_nothing_is_exported(run, tmp_path):
    run("index")
    assert run("feedback", "list").stdout == "There is no feedback yet.\n"
    result = run("feedback", "export", "out.json")
    assert (result.exit_code, list(tmp_path.glob("out*"))) == (1, [])
    assert "[feedback_nothing_to_export]" in result.stderr


def test_feedback_is_exported_as_questions_that_can_be_measured_with(run, tmp_path):
    run("index")
    say(tmp_path, "When did the tower open?", corrected="1889")
    say(tmp_path, "How tall is it?", corrected="")
    say(tmp_path, "What is wrong?")
    result = run("feedback", "export", "out.json")
    assert result.exit_code == 0
    assert result.stderr == (
        "Questions written: 1 with an answer, 1 without\n"
        "1 entry was left out: it says what is wrong, and not what would be right\n"
    )
    found = {question.text: question for question in read_squad(tmp_path / "out.json")}
    assert found["When did the tower open?"].golds == ("1889",)
    assert not found["How tall is it?"].is_answerable
    assert run("feedback", "export", "-").stdout == (tmp_path / "out.json").read_text()


def test_feedback_survives_a_rebuild_and_follows_its_documents(run, tmp_path):
    run("index")
    say(tmp_path, "When did the tower open?", verdict=Verdict.RIGHT)
    (tmp_path / "docs" / "tower.txt").rename(tmp_path / "docs" / "spire.txt")
    write_files(tmp_path / "docs", {"tower.txt": "Another text."})
    assert run("index", "--rebuild").exit_code == 0
    assert "the document was changed" in run("feedback", "export", "out.json").stderr
    (tmp_path / "docs" / "tower.txt").unlink()
    run("index")
    assert run("feedback", "export", "out.json").exit_code == 0
    assert [question.article for question in read_squad(tmp_path / "out.json")] == ["spire.txt"]


def test_damaged_feedback_is_exit_status_1_and_leaves_the_index_in_use(run, tmp_path):
    run("index")
    (tmp_path / "var" / "feedback.db").write_bytes(b"garbage")
    for command in (["feedback", "list"], ["feedback", "export", "out.json"]):
        result = run(*command)
        assert result.exit_code == 1
        assert "[feedback_damaged]" in result.stderr
    assert run("ask", "tower?").exit_code == 0
    assert run("index", "--rebuild").exit_code == 0
    assert (tmp_path / "var" / "feedback.db").read_bytes() == b"garbage"


def test_a_data_set_that_cannot_be_written_is_told(run, tmp_path):
    run("index")
    say(tmp_path, "When did the tower open?", verdict=Verdict.RIGHT)
    result = run("feedback", "export", "no/such/folder/out.json")
    assert result.exit_code == 1
    assert "no/such/folder/out.json" in result.stderr


def test_the_doctor_says_line_by_line_that_all_is_well(run):
    run("index")
    result = run("doctor", "--sample", "2")
    assert result.exit_code == 0
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"sound"}
    told = json.loads(run("doctor", "--json").stdout)
    assert (told["is_sound"], told["repaired"]) == (True, [])
    assert [finding["check"] for finding in told["findings"]][-1] == "feedback"


def test_the_doctor_ends_with_1_where_something_is_damaged_and_names_the_remedy(run, tmp_path):
    run("index")
    content = current_database(tmp_path / "var").read_bytes()
    current_database(tmp_path / "var").write_bytes(content.replace(b"opened in 1889", b"opened in 1888"))
    (tmp_path / "var" / "feedback.db").write_bytes(b"garbage")
    result = run("doctor")
    assert result.exit_code == 1
    assert re.search(r"damaged +digests +tower\.txt: .*citespan index --rebuild", result.stdout)
    assert re.search(r"damaged +feedback ", result.stdout)
    assert not json.loads(run("doctor", "--json").stdout)["is_sound"]
    assert run("doctor", "--repair").exit_code == 1  # it is not mended in silence
    assert run("index", "--rebuild").exit_code == 0
    told = json.loads(run("doctor", "--json").stdout)["findings"]
    assert [finding["check"] for finding in told if finding["result"] != "sound"] == ["feedback"]


def test_the_doctor_looks_into_the_folder_that_is_named(run, tmp_path):
    run("index")
    write_files(tmp_path / "others", {"tower.txt": "x"})
    result = run("doctor", "--documents", "others")
    assert re.search(r"damaged +files +this index was made from .*/docs, not from .*/others", result.stdout)
    assert "encoder" in result.stdout  # what comes after is looked at, too
    (tmp_path / "docs").rename(tmp_path / "moved")
    assert "the text of 2 documents is what the files say" in run("doctor", "--documents", "moved").stdout


def test_the_doctor_removes_what_was_left_over(run, tmp_path):
    run("index")
    (tmp_path / "var" / "index-0123456789abcdef.sqlite").write_bytes(b"x")
    assert "leftover" in run("doctor").stdout
    assert json.loads(run("doctor", "--repair", "--json").stdout)["repaired"] == [
        "removed index-0123456789abcdef.sqlite"
    ]
    assert run("doctor", "--sample", "-1").exit_code == 2
    assert "[index_missing]" in run("doctor", "--index", "nowhere").stderr


def test_an_index_is_backed_up_and_restored_from_the_shell(run, tmp_path):
    run("index")
    say(tmp_path, "When did the tower open?", verdict=Verdict.RIGHT)
    result = run("backup", "kept.zip")
    assert (result.exit_code, result.stdout) == (0, "")
    assert re.search(r"version \d+, 2 documents, \d+ passages, 1 entry of feedback", result.stderr)
    assert "[backup_exists]" in run("backup", "kept.zip").stderr
    current_database(tmp_path / "var").write_bytes(b"garbage")
    assert "[index_damaged]" in run("ask", "tower?").stderr
    result = run("restore", "kept.zip")
    assert result.exit_code == 0
    assert "The feedback that was here is in var/feedback-" in result.stderr
    assert run("ask", "tower?").exit_code == 0
    assert run("doctor").exit_code == 0
    assert "nothing had to be encoded" in run("index").stderr
    for source, code in (("nowhere", "backup_missing"), ("docs", "backup_damaged")):
        result = run("restore", source)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"[{code}]" in result.stderr


def test_a_rebuild_says_that_the_former_index_is_kept_and_status_that_it_is(run):
    run("index")
    assert "Kept for a rollback" not in run("status").stdout
    assert json.loads(run("status", "--json").stdout)["previous"] is None
    result = run("index", "--rebuild")
    assert re.search(
        r"the former index of 20\d\d-\S+ by \S+: 2 documents, 2 passages, [\d,]+ bytes: `citespan rollback`",
        result.stderr,
    )
    assert re.search(r"Kept for a rollback +the former index of 20", run("status").stdout)
    previous = json.loads(run("status", "--json").stdout)["previous"]
    assert (previous["n_documents"], previous["n_passages"], previous["problem"]) == (2, 2, "")
    assert previous["n_bytes"] > 10_000


def test_a_dry_run_of_a_rebuild_tells_what_is_put_in_the_place_of_what(run):
    run("index", "--encoder", "former")
    result = run("index", "--rebuild", "--dry-run", "--encoder", "another")
    assert re.search(
        r"\nIn use, and kept for `citespan rollback` then: the index of 20\S+ by former: 2 documents, 2 passages\.\n",
        result.stdout,
    )
    assert "\nEncoder: former > another\nPassages: 88 tokens (48 of them context, 48 repeated) > 254 " in result.stdout
    told = json.loads(run("index", "--rebuild", "--dry-run", "--json").stdout)["rebuild"]
    assert told["encoder"] == {"from": "former", "to": "former"}
    assert (told["passages"]["from"]["max_tokens"], told["n_documents"], told["n_passages"]) == (88, 2, 2)
    assert json.loads(run("index", "--dry-run", "--json").stdout)["rebuild"] is None


def test_a_dry_run_of_a_rebuild_of_what_cannot_be_read_says_that_nothing_is_kept(run, tmp_path):
    run("index")
    current_database(tmp_path / "var").write_bytes(b"garbage")
    result = run("index", "--rebuild", "--dry-run", "--encoder", "another")
    assert "none is kept for a rollback.\nEncoder: another\nPassages: 254 tokens" in result.stdout
    assert json.loads(run("index", "--rebuild", "--dry-run", "--json").stdout)["rebuild"]["encoder"]["from"] is None


def test_an_index_is_rebuilt_by_another_encoder_rolled_back_and_pruned_from_the_shell(run, monkeypatch):
    monkeypatch.setattr(composition, "open_encoder", lambda name, **options: HashingEncoder(salt=name))
    run("index", "--encoder", "former")
    assert "[index_previous_missing]" in run("rollback").stderr
    run("index", "--rebuild", "--encoder", "new")
    result = run("rollback", CITESPAN_ENCODER="new")
    assert (result.exit_code, result.stdout) == (0, "")
    assert re.search(r"Rolled back to the index of 20\S+ by former: 2 documents, 2 passages\n", result.stderr)
    assert "Give no other --encoder than its own any more; new was given" in result.stderr
    assert run("index").exit_code == run("ask", "tower?").exit_code == 0
    assert "[index_encoder_mismatch]" in run("ask", "tower?", "--encoder", "new").stderr
    assert "any more" not in run("rollback").stderr
    assert json.loads(run("status", "--json").stdout)["encoder"] == "new"
    result = run("prune")
    assert re.fullmatch(r"Removed index-\w{16}\.sqlite\n", result.stdout)
    assert re.fullmatch(r"Freed [\d,]{5,} bytes\n", result.stderr)
    assert json.loads(run("prune", "--json").stdout) == {"removed": [], "n_bytes": 0}
    assert "[index_previous_missing]" in run("rollback").stderr
    assert run("ask", "tower?").exit_code == 0


def test_a_previous_index_that_cannot_be_used_is_told_and_stops_nothing(run, tmp_path):
    run("index")
    run("index", "--rebuild")
    previous_database(tmp_path / "var").write_bytes(b"garbage")
    assert re.search(r"Kept for a rollback +none that can be used: .* is damaged", run("status").stdout)
    assert "is damaged" in json.loads(run("status", "--json").stdout)["previous"]["problem"]
    result = run("rollback")
    assert result.exit_code == 1
    assert "[index_damaged]: nothing was rolled back: " in result.stderr
    assert run("doctor").exit_code == run("ask", "tower?").exit_code == 0


@pytest.mark.parametrize("command", ["rollback", "prune"])
def test_without_an_index_there_is_nothing_to_roll_back_or_prune(run, command, tmp_path):
    assert "[index_missing]" in run(command).stderr
    assert not (tmp_path / "var").exists()
