import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.sentences import sentence_spans

TEXTS = st.lists(
    st.sampled_from(
        ["Dr. Smith left. ", "Really?! ", "no stop ", "\n\n", "\n- item", "😀", "e.g. this", " ", "«Oui.» ", "。"]
    ),
    max_size=60,
).map("".join)


def sentences(text):
    return [span.of(text) for span in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It opened in 1890. It is long.", ["It opened in 1890.", "It is long."]),
        (
            "Mr. J. R. Smith paid $3.50 to the U.S. office on Jan. 5. He left.",
            ["Mr. J. R. Smith paid $3.50 to the U.S. office on Jan. 5.", "He left."],
        ),
        ("A line\nthat goes on. Next.", ["A line\nthat goes on.", "Next."]),
        ("- one\n- two\n\nThree", ["- one", "- two", "Three"]),
        ("| a | 1 |\n|---|---|\n| b | 2 |", ["| a | 1 |", "|---|---|", "| b | 2 |"]),
        ("Monday\tclosed\nTuesday\topen", ["Monday\tclosed", "Tuesday\topen"]),
        ("Puncture ...... 9\nBrakes ........ 25", ["Puncture ...... 9", "Brakes ........ 25"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_at_full_stops_paragraphs_and_items_and_not_at_abbreviations(text, expected):
    assert sentences(text) == expected


@given(TEXTS)
def test_sentences_hold_every_character_once_but_the_space_between_them(text):
    spans = sentence_spans(text)
    assert all(first.end <= second.start for first, second in itertools.pairwise(spans))
    held = {index for span in spans for index in range(span.start, span.end)}
    assert all(index in held for index, character in enumerate(text) if not character.isspace())
    assert all(span.of(text) == span.of(text).strip() != "" for span in spans)


def test_a_long_text_is_segmented_in_blocks_and_loses_nothing_at_their_borders():
    text = "All work and no play makes Jack a dull boy. " * 2000
    assert sentences(text) == ["All work and no play makes Jack a dull boy."] * 2000


def test_a_text_without_any_border_is_cut_into_blocks():
    assert "".join(sentences("x" * 25_000)) == "x" * 25_000
