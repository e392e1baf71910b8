import hashlib
import math
import shutil
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import (
    DamagedIndex,
    EncoderMismatch,
    IndexBusy,
    NoIndex,
    StoreError,
    UnknownDocument,
    UnsupportedIndex,
)
from index.records import Filter, Passage, Span
from index.store.database import Database
from index.store.embedded import EmbeddedStore
from index.store.folder import current_database, previous_database, writing
from index.store.vectors import VectorIndex
from index.store.words import WordIndex
from tests.standins import HashingEncoder, opened, update_with, write_files

NONE = np.array([], dtype=np.int64)


def by_id(ids):
    return {passage_id: passage_id for passage_id in ids}


def passages(texts):
    return [Passage(n, "a", "", "text/plain", Span(0, len(t)), t, "") for n, t in enumerate(texts, start=1)]


@pytest.fixture
def folder(tmp_path):
    root = write_files(
        tmp_path / "documents",
        {
            "news/a.md": "# Bridge\n\nThe bridge opened in 1890. It is long.",
            "news/b.txt": "The tower opened in 1889. It is high.",
            "newsletter.txt": "The newsletter appears in spring.",
            "places/c.html": "<h1>Bridge</h1><p>A bridge of stone.</p>",
        },
    )
    update_with(HashingEncoder(), root, tmp_path / "index")
    return tmp_path / "index"


unit_vectors = (
    st.integers(0, 2**32 - 1)
    .map(np.random.default_rng)
    .map(lambda rng: rng.integers(-2, 3, size=(int(rng.integers(1, 40)), 4)).astype(np.float32))
)


@given(unit_vectors, st.integers(1, 50), st.sets(st.integers(1, 40)), st.booleans())
def test_dense_search_is_numpys_brute_force_in_ids_and_in_scores(vectors, k, allowed, is_filtered):
    # Small integers: many ties, and sums that are exact in any order.
    ids = np.arange(1, len(vectors) + 1, dtype=np.int64)
    query = vectors[0]
    among = sorted(allowed & set(ids.tolist())) if is_filtered else None
    expected = sorted(
        (
            (float(vector @ query), int(i))
            for i, vector in zip(ids, vectors, strict=True)
            if among is None or i in among
        ),
        key=lambda pair: (-pair[0], pair[1]),
    )[:k]
    found = VectorIndex.build(ids, vectors).search(query, k, order=by_id, allowed=among)
    assert [(entry.score, entry.passage_id) for entry in found] == expected


def test_a_changed_vector_index_is_the_one_built_afresh():
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(20, 8)).astype(np.float32)
    ids = np.arange(1, 21, dtype=np.int64)
    index = VectorIndex.build(ids[:12], vectors[:12])
    changed = index.changed(np.array([3, 4, 5, 9]), ids[12:], vectors[12:])
    kept = [i for i in range(20) if ids[i] not in (3, 4, 5, 9)]
    fresh = VectorIndex.build(ids[kept], vectors[kept])
    assert changed.search(vectors[0], 20, order=by_id, allowed=None) == fresh.search(
        vectors[0], 20, order=by_id, allowed=None
    )
    assert len(index) == 12


def test_lexical_scores_are_those_of_bm25_worked_out_by_hand():
    texts = ["cat sat", "cat cat dog bird", "fish"]
    found = WordIndex(passages(texts)).searcher().search("cat", 3, order=by_id, allowed=None)
    # Robertson's BM25 with k1 = 1.2, b = 0.75 and ln(1 + (N - n + 0.5) / (n + 0.5)).
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    mean_length = (2 + 4 + 1) / 3

    def bm25(tf, length):
        return idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length / mean_length))

    assert [entry.passage_id for entry in found] == [2, 1]
    assert [entry.score for entry in found] == pytest.approx([bm25(2, 4), bm25(1, 2)], rel=1e-5)


@pytest.mark.parametrize("query", ['"', "text:cat", "cat AND (", "+-&|!(){}[]^~*?:\\/", "😀", "cat\ud7ff"])
def test_nothing_in_a_query_is_an_operator(query):
    searcher = WordIndex(passages(["cat", "dog"])).searcher()
    assert {entry.passage_id for entry in searcher.search(query, 5, order=by_id, allowed=None)} <= {1}


def test_words_are_found_in_other_inflections_cases_and_without_accents():
    searcher = WordIndex(passages(["The CAFÉS opened"])).searcher()
    assert [entry.passage_id for entry in searcher.search("cafe opening", 5, order=by_id, allowed=None)] == [1]


def test_equal_lexical_scores_are_ordered_by_their_keys_even_at_the_cut():
    searcher = WordIndex(passages(["same words"] * 30)).searcher()
    found = searcher.search("words", 3, order=lambda ids: {i: -i for i in ids}, allowed=None)
    assert [entry.passage_id for entry in found] == [30, 29, 28]


def test_a_searcher_does_not_see_what_is_added_after_it():
    index = WordIndex(passages(["cat"]))
    before = index.searcher()
    index.change(NONE, np.array([9]), read=lambda ids: {i: Passage(i, "b", "", "", Span(0, 3), "cat", "") for i in ids})
    assert (len(before), len(index.searcher())) == (1, 2)


WORDS = "cat cats dog bird fish sat which the".split()
random_texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), min_size=1, max_size=30)


def ranked_by_words(searcher):
    return [
        [(entry.passage_id, round(entry.score, 5)) for entry in searcher.search(q, 99, order=by_id, allowed=None)]
        for q in ("cat", "the dog sat", "which fish")
    ]


@settings(max_examples=10)
@given(st.lists(random_texts, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_a_word_index_of_many_segments_ranks_after_any_changes_as_one_built_afresh(batches, chance):
    there = {passage.passage_id: passage for passage in passages(batches[0])}

    def read(ids):
        return {i: there[i] for i in ids}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("index.store.words._SEGMENT", 5)
        patch.setattr("index.store.words._SMALL", 2)
        index = WordIndex(there.values(), n_passages=len(there))
        before, then = index.searcher(), ranked_by_words(index.searcher())
        for number, texts in enumerate(batches[1:], start=1):
            removed = chance.sample(sorted(there), k=min(chance.randrange(4), len(there)))
            for passage_id in removed:
                del there[passage_id]
            added = [replace(passage, passage_id=100 * number + passage.passage_id) for passage in passages(texts)]
            there.update((passage.passage_id, passage) for passage in added)
            index.change(np.array(removed, dtype=np.int64), np.array([p.passage_id for p in added]), read=read)
            assert ranked_by_words(index.searcher()) == ranked_by_words(WordIndex(there.values()).searcher())
        assert ranked_by_words(before) == then


def test_what_is_deleted_from_a_word_index_has_only_its_own_segment_written_again():
    there = {passage.passage_id: passage for passage in passages(["cat"] * 40)}
    asked = []

    def read(ids):
        asked.extend(ids)
        return {i: there[i] for i in ids}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("index.store.words._SMALL", 0)
        index = WordIndex([there[i] for i in range(1, 31)])
        index.change(NONE, np.arange(31, 41), read=read)
        asked.clear()
        index.change(np.array([35]), NONE, read=read)
    assert sorted(asked) == [31, 32, 33, 34, 36, 37, 38, 39, 40]
    assert len(index.searcher()) == 39


@pytest.mark.parametrize(
    ("restriction", "expected"),
    [
        (Filter(), {"news/a.md", "news/b.txt", "newsletter.txt", "places/c.html"}),
        (Filter(paths=("news",)), {"news/a.md", "news/b.txt"}),
        (Filter(paths=("news/a.md", "places")), {"news/a.md", "places/c.html"}),
        (Filter(media_types=("text/plain",)), {"news/b.txt", "newsletter.txt"}),
        (Filter(paths=("news",), media_types=("text/plain",)), {"news/b.txt"}),
        (Filter(paths=("nowhere",)), set()),
    ],
)
def test_a_filter_restricts_both_rankings_before_the_cut(folder, restriction, expected):
    vector = HashingEncoder().encode_questions(["the bridge"])[0]
    with opened(folder) as store, store.snapshot() as snapshot:
        dense = snapshot.passages([entry.passage_id for entry in snapshot.dense(vector, 20, restriction)])
        assert {passage.doc_id for passage in dense.values()} == expected
        lexical = snapshot.passages(
            [e.passage_id for e in snapshot.lexical("the bridge opened newsletter", 20, restriction)]
        )
        assert {passage.doc_id for passage in lexical.values()} <= expected
        if expected:
            assert len(snapshot.dense(vector, 1, restriction)) == 1
            assert len(snapshot.lexical("bridge opened newsletter", 1, restriction)) == 1


def test_a_passages_text_is_cut_from_its_document(folder):
    with opened(folder) as store, store.snapshot() as snapshot:
        for passage in snapshot.passages(range(1, 10)).values():
            assert passage.text == passage.span.of(snapshot.document(passage.doc_id).text)


def test_a_passage_in_the_middle_of_a_table_has_the_tables_head_before_it(tmp_path):
    table = "| Boat | Hour | Deposit |\n|---|---|---|\n" + "".join(f"| Canoe {n}. | £{n} | £40 |\n" for n in range(60))
    root = write_files(tmp_path / "documents", {"hire.md": f"# Hire\n\nBoats.\n\n{table}"})
    update_with(HashingEncoder(), root, tmp_path / "index")
    with opened(tmp_path / "index") as store, store.snapshot() as snapshot:
        found = list(snapshot.passages(range(1, 100)).values())
    in_the_middle = [some for some in found if "Canoe" in some.text and "Deposit" not in some.text]
    assert in_the_middle
    assert all((some.before or "").startswith("| Boat | Hour | Deposit |\n") for some in in_the_middle)
    assert not any(some.before for some in found if some not in in_the_middle)


def test_a_snapshot_stays_what_it_is_while_the_index_moves_on(folder, tmp_path):
    vector = HashingEncoder().encode_questions(["the bridge"])[0]
    with opened(folder) as store:
        with store.snapshot() as before:
            seen = before.dense(vector, 9, Filter()), before.lexical("bridge", 9, Filter()), before.summaries()
            write_files(tmp_path / "documents", {"news/a.md": "# Bridge\n\nThe bridge closed in 1990."})
            (tmp_path / "documents" / "news" / "b.txt").unlink()
            update_with(HashingEncoder(), tmp_path / "documents", folder)
            assert store.refresh()
            assert (
                before.dense(vector, 9, Filter()),
                before.lexical("bridge", 9, Filter()),
                before.summaries(),
            ) == seen
            assert "1890" in before.document("news/a.md").text
        with store.snapshot() as after:
            assert after.index_version == before.index_version + 2
            assert "1990" in after.document("news/a.md").text
            with pytest.raises(UnknownDocument):
                after.document("news/b.txt")


def test_refresh_says_whether_there_was_anything_new(folder, tmp_path):
    with opened(folder) as store:
        assert not store.refresh()
        write_files(tmp_path / "documents", {"new.txt": "A new bridge."})
        update_with(HashingEncoder(), tmp_path / "documents", folder)
        assert store.refresh()
        assert not store.refresh()


def test_a_store_takes_up_the_database_that_a_rebuild_switched_to(folder, tmp_path):
    with opened(folder) as store:
        update_with(HashingEncoder(), tmp_path / "documents", folder, rebuild=True)
        assert store.refresh()
        with store.snapshot() as snapshot:
            assert snapshot.counts().n_documents == 4
    assert set(folder.glob("index-*.sqlite")) == {current_database(folder), previous_database(folder)}


def test_a_running_store_does_not_take_up_an_index_of_another_encoder(folder, tmp_path):
    with opened(folder) as store:
        update_with(HashingEncoder(salt="other"), tmp_path / "documents", folder, rebuild=True)
        with pytest.raises(EncoderMismatch, match="started anew"):
            store.refresh()
        with store.snapshot() as snapshot:
            assert snapshot.counts().n_documents == 4


def test_an_index_that_was_deleted_and_made_anew_is_taken_up(folder, tmp_path):
    with opened(folder) as store:
        shutil.rmtree(folder)
        write_files(tmp_path / "documents", {"new.txt": "A new bridge."})
        update_with(HashingEncoder(), tmp_path / "documents", folder)
        assert store.refresh()
        with store.snapshot() as snapshot:
            assert snapshot.counts().n_documents == 5


def test_the_write_ahead_log_of_an_index_that_is_served_does_not_grow_for_ever(folder, tmp_path):
    log = current_database(folder).with_name(current_database(folder).name + "-wal")
    sizes = []
    with opened(folder) as store:
        for number in range(60):
            write_files(tmp_path / "documents", {"news/b.txt": f"The tower opened in {number}."})
            update_with(HashingEncoder(), tmp_path / "documents", folder)
            store.refresh()
            store.refresh()  # nothing is new: time to let go of the log
            sizes.append(log.stat().st_size)
    assert sizes[-1] <= 2 * sizes[5]


def test_a_refresh_that_breaks_off_leaves_nothing_twice(folder, tmp_path, monkeypatch):
    with opened(folder) as store:
        write_files(tmp_path / "documents", {"x.txt": "One bridge.", "y.txt": "Two bridges."})
        update_with(HashingEncoder(), tmp_path / "documents", folder)
        real = WordIndex.searcher
        monkeypatch.setattr(WordIndex, "searcher", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.refresh()
        monkeypatch.setattr(WordIndex, "searcher", real)
        assert store.refresh()
        with store.snapshot() as snapshot:
            assert len(snapshot.lexical("bridge", 20, Filter())) == 4


def test_a_refresh_reads_the_vectors_of_the_difference_and_no_others(folder, tmp_path, monkeypatch):
    read = []
    real = Database.vectors_between

    def read_and_note(self, *ends):
        read.append(ends)
        return real(self, *ends)

    monkeypatch.setattr(Database, "vectors_between", read_and_note)
    with opened(folder) as store:
        ((_, last),) = read
        write_files(tmp_path / "documents", {"news/b.txt": "The tower fell.", "new.txt": "The canal opened in 1869."})
        update_with(HashingEncoder(), tmp_path / "documents", folder)
        store.refresh()
    assert read[1:] == [(last + 1, last + 1), (last + 2, last + 2)]


def test_a_document_is_deleted_without_looking_at_the_rows_of_others(folder):
    statements: list[str] = []
    with closing(Database(current_database(folder))) as database, database._using() as connection:
        connection.set_trace_callback(statements.append)
        database.delete("news/a.md")
        connection.set_trace_callback(None)
        asked = [one for one in statements if one.startswith(("SELECT", "DELETE", "UPDATE"))]
        steps = {step for one in asked for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {one}")}
    assert "SEARCH passages USING COVERING INDEX passages_of_document (document_id=?)" in steps
    assert [step for step in steps if not step.startswith("SEARCH")] == []


def test_a_closed_store_says_so(folder):
    store = EmbeddedStore(folder)
    store.close()
    with pytest.raises(StoreError, match="closed"), store.snapshot():
        pass


def test_a_change_log_that_is_too_short_means_building_anew(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("index.store.database._KEPT_CHANGES", 1)
    with opened(folder) as store:
        write_files(tmp_path / "documents", {"x.txt": "One bridge.", "y.txt": "Two bridges."})
        update_with(HashingEncoder(), tmp_path / "documents", folder)
        assert store.refresh()
        with store.snapshot() as snapshot:
            assert len(snapshot.lexical("bridge", 20, Filter())) == 4


def test_an_update_that_changes_nothing_is_seen_as_a_later_look_and_not_as_another_version(
    folder, tmp_path, monkeypatch
):
    with opened(folder) as store:
        with store.snapshot() as snapshot:
            before = snapshot.state
            monkeypatch.setattr(
                "index.update.datetime", SimpleNamespace(now=lambda tz: datetime(2031, 5, 6, tzinfo=tz))
            )
            update_with(HashingEncoder(), tmp_path / "documents", folder)
            assert not store.refresh()
            assert snapshot.state == before  # a question sees one state
        with store.snapshot() as snapshot:
            assert snapshot.state == replace(before, reconciled_at="2031-05-06T00:00:00+00:00")


def test_an_index_whose_first_update_breaks_off_does_not_say_when_the_folder_was_looked_at(tmp_path, monkeypatch):
    root, index = write_files(tmp_path / "documents", {"x.txt": "One more."}), tmp_path / "new"
    with monkeypatch.context() as patch:
        patch.setattr("index.update._Run.apply", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            update_with(HashingEncoder(), root, index)
    with opened(index) as store, store.snapshot() as snapshot:
        assert snapshot.state.reconciled_at is None
    update_with(HashingEncoder(), root, index)
    with opened(index) as store, store.snapshot() as snapshot:
        assert snapshot.state.reconciled_at is not None


def test_an_update_that_breaks_off_has_not_looked_at_all_of_the_folder(folder, tmp_path, monkeypatch):
    write_files(tmp_path / "documents", {"x.txt": "One more."})
    monkeypatch.setattr("index.update._Run.apply", lambda self: 1 / 0)
    with closing(Database(current_database(folder))) as database:
        before = database.state
        monkeypatch.setattr("index.update.datetime", SimpleNamespace(now=lambda tz: datetime(2031, 5, 6, tzinfo=tz)))
        with pytest.raises(ZeroDivisionError):
            update_with(HashingEncoder(), tmp_path / "documents", folder)
        assert database.state == before


def test_documents_are_found_by_the_digest_of_their_files(folder, tmp_path):
    write_files(tmp_path / "documents", {"z.txt": "Same.", "y.txt": "Same."})
    update_with(HashingEncoder(), tmp_path / "documents", folder)
    digest = hashlib.sha256(b"Same.").hexdigest()
    with opened(folder) as store, store.snapshot() as snapshot:
        assert snapshot.doc_ids_of({digest, "0" * 64}) == {digest: ["y.txt", "z.txt"]}
        assert snapshot.doc_ids_of(set()) == {}


def test_a_closed_stores_connections_are_closed(folder):
    store = EmbeddedStore(folder)
    with store.snapshot() as snapshot:
        store.close()
        assert snapshot.counts().n_documents == 4  # borrowed: still open
    with pytest.raises(StoreError, match="closed database"):
        snapshot.counts()


def test_where_there_is_no_index_the_error_says_how_to_make_one(tmp_path):
    with pytest.raises(NoIndex, match="citespan index"):
        EmbeddedStore(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a database at all", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_a_damaged_index_and_the_remedy_is_named(folder, content):
    path = current_database(folder)
    path.with_name(path.name + "-wal").unlink(missing_ok=True)
    path.write_bytes(content)
    with pytest.raises(DamagedIndex, match="--rebuild"):
        EmbeddedStore(folder)


@pytest.mark.parametrize("name", [b"../../etc/passwd", b"index-1.sqlite/../x", b"", b"\xff\xfe"])
def test_a_pointer_that_names_no_database_of_the_folder_is_not_followed(folder, name):
    (folder / "current").write_bytes(name)
    with pytest.raises(DamagedIndex):
        current_database(folder)


def test_vectors_that_are_not_what_was_written_are_found_out(folder):
    import sqlite3

    with sqlite3.connect(current_database(folder)) as connection:
        connection.execute("UPDATE passages SET vector = substr(vector, 5) WHERE passage_id = 1")
    connection.close()
    with pytest.raises(DamagedIndex, match=r"newsletter\.txt: not what was written"):
        EmbeddedStore(folder)


def test_an_index_of_another_format_is_not_read(folder):
    import sqlite3

    with sqlite3.connect(current_database(folder)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    connection.close()
    with pytest.raises(UnsupportedIndex, match="format 99"):
        Database(current_database(folder))


def test_an_index_of_another_encoder_is_not_written_with_this_one(folder, tmp_path):
    with pytest.raises(EncoderMismatch, match="citespan index --rebuild"):
        update_with(HashingEncoder(salt="other"), tmp_path / "documents", folder)


def test_there_is_one_writer_at_a_time(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("index.store.folder._PATIENCE_S", 0.1)
    with writing(folder), pytest.raises(IndexBusy):
        update_with(HashingEncoder(), tmp_path / "documents", folder)
    update_with(HashingEncoder(), tmp_path / "documents", folder)
