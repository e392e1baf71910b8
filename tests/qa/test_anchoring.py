import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from index.records import Document, Span
from qa.anchoring import MAX_PLACES, Edit, Quotation, anchor, difference, find_similar, locate
from qa.citations import citation_of

TEXT = "# Bridge\n\nThe bridge opened in 1890. It is long, and it is old.\n\nThe tower opened in 1889."

texts = st.text(st.sampled_from("ab .\n😀é"), max_size=60)
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


def quotation(text, start, end):
    """A quotation as a citation carries it."""
    citation = citation_of(Document("a.txt", "", text, "", ""), Span(start, end))
    return Quotation(citation.quote, citation.prefix, citation.suffix, start)


def quoted(words, text=TEXT):
    return quotation(text, text.index(words), text.index(words) + len(words))


@st.composite
def quotations(draw, alphabet=texts):
    before, quote, after = draw(alphabet), draw(alphabet), draw(alphabet)
    assume(quote)
    text = before + quote + after
    return text, quotation(text, len(before), len(before) + len(quote))


@given(quotations(anything))
def test_in_an_unchanged_text_a_quote_stands_where_it_stood(case):
    text, wanted = case
    assert locate(text, wanted).places == (wanted.span,)


@given(quotations(), anything)
def test_text_inserted_before_its_context_moves_a_quote_by_just_that_much(case, inserted):
    text, wanted = case
    changed = inserted + text
    whole = wanted.prefix + wanted.quote + wanted.suffix
    assume(changed.count(whole) == 1 and changed.find(whole, changed.find(whole) + 1) < 0)
    assert anchor(changed, wanted) == (wanted.span.shifted(len(inserted)),)


@given(quotations(), st.text(st.sampled_from("xyz "), max_size=60), st.text(st.sampled_from("xyz "), max_size=60))
def test_a_place_that_is_told_has_the_quote_and_no_other_agrees_as_well(case, before, after):
    text, wanted = case
    span = wanted.span
    changed = before + text[: span.end] + after + text[span.end :]
    for place in locate(changed, wanted).places:
        assert place.of(changed) == wanted.quote


@given(quotations(), st.text(st.sampled_from("xyz"), max_size=60))
def test_a_quote_that_is_gone_is_never_found(case, instead):
    text, wanted = case
    changed = text[: wanted.start] + instead + text[wanted.span.end :]
    assume(wanted.quote not in changed)
    assert locate(changed, wanted).places == ()


@given(
    st.lists(st.sampled_from(["The bridge opened in 1890. ", "It is long. ", "1890 "]), max_size=12), st.integers(0, 9)
)
def test_places_that_cannot_be_told_apart_are_all_told_nearest_first(sentences, start):
    text = "".join(sentences)
    wanted = Quotation("opened", "", "", 1000 + start)
    places = locate(text, wanted).places
    assert len(places) == min(text.count("opened"), MAX_PLACES)
    assert list(places) == sorted(places, key=lambda span: -span.start)


@given(anything, anything)
def test_a_difference_gives_both_texts_back(former, present):
    edits = difference(former, present)
    assert "".join(edit.text for edit in edits if edit.op != "insert") == former
    assert "".join(edit.text for edit in edits if edit.op != "delete") == present
    assert all(edit.text for edit in edits)


@given(anything, anything, anything, anything, st.integers(0, 10**12))
def test_whatever_is_quoted_from_whatever_text_is_located_within_it(text, quote, prefix, suffix, start):
    assume(quote)
    found = locate(text, Quotation(quote, prefix, suffix, start))
    assert all(place.of(text) == quote for place in found.places)
    assert not (found.places and found.similar)
    if found.similar:
        kept = "".join(edit.text for edit in found.similar.difference if edit.op != "delete")
        assert kept == found.similar.span.of(text) != quote


def test_the_same_words_in_two_places_are_told_apart_by_what_stands_around_them():
    for words in ("opened in 1890", "The bridge opened", "The tower opened"):
        for moved in (f"{TEXT}\n\n{TEXT.replace('0', '7')}", f"{TEXT.replace('0', '7')}\n\n{TEXT}"):
            (place,) = anchor(moved, quoted(words))
            assert place.of(moved) == words
    first, second = TEXT.index("opened"), TEXT.rindex("opened")
    swapped = TEXT[second - 30 :] + "\n\n" + TEXT[: second - 30]
    assert anchor(swapped, quotation(TEXT, first, first + 6)) == (
        Span(swapped.rindex("opened"), swapped.rindex("opened") + 6),
    )
    assert anchor(swapped, quotation(TEXT, second, second + 6)) == (Span(30, 36),)


def test_the_nearest_of_places_with_the_same_context_is_not_taken_for_the_right_one():
    # A row above the others pushes the first to where the second was.
    rows = "| open | yes |\n" * 9
    wanted = quotation(rows, 54, 57)
    assert wanted.quote == "yes"
    places = anchor("\n" + rows, wanted)
    assert len(places) > 1
    assert Span(55, 58) in places


def test_context_that_agrees_on_one_side_is_enough():
    wanted = quoted("1890")
    for changed in (
        TEXT.replace("The bridge opened in 1890", "In spite of all that was said, it was finished in 1890"),
        TEXT.replace("It is long, and it is old.", "Nobody knows its builder."),
    ):
        (place,) = anchor(changed, wanted)
        assert place.of(changed) == "1890"


def test_a_short_quote_in_other_words_is_a_coincidence():
    changed = "An unrelated note of the year 1890, by somebody else."
    assert locate(changed, quoted("1890")).places == ()
    assert locate(changed, Quotation("1890", "", "", 31)).places == (Span(30, 34),)  # there is no context to disagree


def test_a_long_quote_is_found_whatever_stands_around_it():
    words = "It is long, and it is old."
    changed = f"Elsewhere now. {words} So they say."
    assert locate(changed, quoted(words)).places == (Span(15, 15 + len(words)),)


@pytest.mark.parametrize(
    ("words", "changed", "similar", "edits"),
    [
        ("1890", TEXT.replace("1890", "1891"), "1891", [("delete", "1890"), ("insert", "1891")]),
        (
            "opened in 1890",
            "Intro. " + TEXT.replace("opened in 1890", "opened in May 1890"),
            "opened in May 1890",
            [("equal", "opened in "), ("insert", "May "), ("equal", "1890")],
        ),
        (
            "The bridge opened in 1890.",
            TEXT.replace("opened in 1890", "was opened\nin 1890"),
            "The bridge was opened\nin 1890.",
            [
                ("equal", "The bridge "),
                ("insert", "was "),
                ("equal", "opened"),
                ("delete", " "),
                ("insert", "\n"),
                ("equal", "in 1890."),
            ],
        ),
        ("1890", TEXT.replace(" in 1890", ""), None, []),
        ("1890", "Something else altogether.", None, []),
        ("1890", "", None, []),
    ],
)
def test_of_a_quote_that_was_changed_the_words_in_its_place_are_told(words, changed, similar, edits):
    found = locate(changed, quoted(words))
    assert found.places == ()
    assert (found.similar and found.similar.span.of(changed)) == similar
    assert [(edit.op, edit.text) for edit in (found.similar.difference if found.similar else ())] == edits


def test_scripts_that_do_not_part_words_are_compared_by_character():
    text = "这座桥于1890年开通。它很长。"
    changed = "前言。" + text.replace("1890", "1891")
    found = locate(changed, quoted("桥于1890年开通", text))
    assert found.similar is not None
    assert found.similar.span.of(changed) == "桥于1891年开通"
    assert Edit("insert", "1891") in found.similar.difference


def test_a_similar_place_is_the_one_with_the_same_context_not_the_nearest():
    changed = TEXT.replace("1890", "1891").replace("1889", "1888")
    found = find_similar(changed, quoted("1889"))
    assert found is not None
    assert found.span.of(changed) == "1888"


def words(n, letters, seed=1):
    chosen = random.Random(seed)
    return " ".join(chosen.choice(letters) for _ in range(n))


HOSTILE = {
    "one word again and again": (words(200_000, "a"), words(200, "a") + "b"),
    "two words at random": (words(200_000, "ab"), words(200, "ab", 2) + " c"),
    "one letter without a space": ("a" * 2_000_000, "a" * 19_999 + "b"),
    "periods": ("ab" * 1_000_000, "ab" * 9_000 + "c"),
    "the quote everywhere": ("a" * 2_000_000, "aa"),
    "white space": (" \n" * 1_000_000, " x "),
    "a quote of many words": (words(200_000, "abcdefgh"), words(9_000, "abcdefgh", 3)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_and_no_quote_is_too_much(name):
    text, quote = HOSTILE[name]
    # Tens of milliseconds each; without the limits it would be minutes.
    found = locate(text, Quotation(quote, words(100, "ab", 4), words(100, "ab", 5), 1_000_000))
    assert all(place.of(text) == quote for place in found.places)
    assert bool(found.places) == (name == "the quote everywhere")


def test_a_word_as_long_as_a_document_is_not_told_as_similar():
    text = f"The bridge opened in {'9' * 100_000}. It is long, and it is old."
    assert locate(text, quoted("1890")).similar is None
