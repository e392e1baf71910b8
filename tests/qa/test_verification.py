from dataclasses import replace

import pytest

from index.records import Span
from qa import requests
from qa.anchoring import Quotation
from qa.saved_citations import SavedCitation, parse_citations
from qa.verification import Standing
from qa.wire import response_json
from tests.standins import build_engine, update_with, write_files

BRIDGE = "# Bridge\n\nThe bridge opened in 1890. It is long, and it is old."
FILES = {"news/bridge.md": BRIDGE, "tower.txt": "The tower opened in 1889. It is made of iron."}


@pytest.fixture
def engine(tmp_path):
    engine = build_engine(tmp_path, FILES)
    yield engine
    engine.close()


@pytest.fixture
def saved(engine):
    return saved_from(engine, "news/bridge.md", "1890")


@pytest.fixture
def change(engine):
    """Write files, delete those that are None, and bring the index up to them."""

    def carry_out(files):
        root = engine.source.documents
        for name, content in files.items():
            if content is None:
                (root / name).unlink()
        write_files(root, {name: content for name, content in files.items() if content is not None})
        engine.update()

    return carry_out


def saved_from(engine, doc_id, words):
    """A citation of some words as the index has them now."""
    document = engine.document(doc_id).document
    start = document.text.index(words)
    end = start + len(words)
    around = document.text[max(0, start - 32) : start], document.text[end : end + 32]
    return SavedCitation(doc_id, Quotation(words, *around, start), document.sha256)


def check(engine, saved):
    (checked,) = engine.verify([saved]).checked
    if checked.citation:
        text = engine.document(checked.citation.doc_id).document.text
        assert checked.citation.quote == checked.citation.span.of(text) == saved.quotation.quote
    assert checked.saved == saved
    assert bool(checked.citation) == checked.standing.holds
    assert bool(checked.places) == (checked.standing is Standing.AMBIGUOUS)
    return checked


def test_every_citation_of_an_answer_is_valid_until_its_document_changes(engine, change):
    answered = response_json(engine.ask(requests.check("When was the bridge opened?")))
    saved = parse_citations([citation for answer in answered["answers"] for citation in answer["citations"]])
    assert saved
    assert {checked.standing for checked in engine.verify(saved).checked} == {Standing.VALID}
    change({"news/bridge.md": "Gone.", "tower.txt": None})
    assert not any(checked.standing.holds for checked in engine.verify(saved).checked)


def test_an_edit_before_the_quote_moves_it_by_just_that_much(engine, saved, change):
    change({"news/bridge.md": f"A new line.\n\n{BRIDGE}"})
    checked = check(engine, saved)
    assert checked.standing is Standing.MOVED
    assert checked.citation is not None
    assert checked.citation.span == saved.quotation.span.shifted(13)
    assert checked.citation.sha256 != saved.sha256
    assert checked.citation.line == 5


def test_an_edit_behind_the_quote_leaves_it_valid(engine, saved, change):
    change({"news/bridge.md": BRIDGE + " It is red."})
    assert check(engine, saved).standing is Standing.VALID


def test_a_file_that_was_renamed_is_followed(engine, saved, change):
    change({"news/bridge.md": None, "old/crossing.md": BRIDGE})
    checked = check(engine, saved)
    assert checked.standing is Standing.MOVED
    assert checked.citation is not None
    assert (checked.citation.doc_id, checked.citation.span) == ("old/crossing.md", saved.quotation.span)


def test_a_file_that_was_renamed_is_followed_though_another_has_its_name(engine, saved, change):
    change({"news/bridge.md": "Now of something else.", "old/crossing.md": BRIDGE})
    checked = check(engine, saved)
    assert checked.citation is not None
    assert checked.citation.doc_id == "old/crossing.md"


def test_a_document_is_looked_in_before_a_copy_of_what_it_was(engine, saved, change):
    change({"news/bridge.md": f"New. {BRIDGE}", "backup.md": BRIDGE})
    checked = check(engine, saved)
    assert checked.citation is not None
    assert (checked.citation.doc_id, checked.citation.span) == ("news/bridge.md", saved.quotation.span.shifted(5))


def test_of_two_copies_of_a_file_that_is_gone_neither_is_guessed(engine, saved, change):
    change({"news/bridge.md": None, "a.md": BRIDGE, "b.md": BRIDGE})
    checked = check(engine, saved)
    assert [(place.doc_id, place.span) for place in checked.places] == [
        ("a.md", saved.quotation.span),
        ("b.md", saved.quotation.span),
    ]


def test_a_quote_that_stands_twice_with_the_same_context_is_not_guessed(engine, saved, change):
    change({"news/bridge.md": f"Twice.\n\n{BRIDGE}\n\n{BRIDGE}"})
    checked = check(engine, saved)
    assert [place.span.start for place in checked.places] == [39, 39 + len(BRIDGE) + 2]


def test_what_was_changed_is_told_with_what_is_there_now(engine, saved, change):
    change({"news/bridge.md": BRIDGE.replace("1890", "1891")})
    checked = check(engine, saved)
    assert checked.standing is Standing.CHANGED
    assert checked.replacement is not None
    assert (checked.replacement.doc_id, checked.replacement.quote) == ("news/bridge.md", "1891")
    assert checked.replacement.similar.span == Span(31, 35)


def test_a_document_that_is_gone_is_told(engine, saved, change):
    change({"news/bridge.md": None})
    assert check(engine, saved).standing is Standing.DELETED


def test_a_document_that_was_renamed_and_changed_is_not_found(engine, saved, change):
    change({"news/bridge.md": None, "old/crossing.md": BRIDGE + " It is red."})
    assert check(engine, saved).standing is Standing.DELETED


def test_a_quote_that_the_document_never_had_is_not_there_whatever_digest_comes_with_it(engine, saved):
    forged = replace(saved, quotation=Quotation("in 1990", "", "", 28))
    assert check(engine, forged).standing is Standing.CHANGED
    assert check(engine, replace(forged, doc_id="nowhere.md")).standing is Standing.CHANGED
    assert check(engine, replace(forged, doc_id="nowhere.md", sha256="0" * 64)).standing is Standing.DELETED


def test_many_citations_are_told_in_their_order(engine, saved):
    tower = saved_from(engine, "tower.txt", "1889")
    gone = replace(tower, doc_id="nowhere.txt", sha256="0" * 64)
    verification = engine.verify([tower, saved, gone, tower])
    assert [checked.saved for checked in verification.checked] == [tower, saved, gone, tower]
    assert [checked.standing.value for checked in verification.checked] == ["valid", "valid", "deleted", "valid"]
    assert verification.index_version == engine.status().index_version
    assert engine.verify([]).checked == ()


def test_the_documents_are_those_of_the_version_that_answers(engine, saved):
    write_files(engine.source.documents, {"news/bridge.md": "Changed."})
    before = engine.verify([saved])
    update_with(engine._encoder, engine.source.documents, engine.source.index)
    # Another process has written; this one has not caught up yet.
    assert engine.verify([saved]) == before
    engine.refresh()
    after = engine.verify([saved])
    assert after.index_version == before.index_version + 1
    assert [checked.standing.value for checked in (*before.checked, *after.checked)] == ["valid", "changed"]
