import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CitespanError, EmptyQuestion, InputError, InvalidParameter, InvalidText, QuestionTooLong
from qa.requests import MAX_K, MAX_QUESTION, check, check_path, parse_number


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", EmptyQuestion),
        (" \t\n\u2003", EmptyQuestion),
        ("x" * 10_000, QuestionTooLong),
        ("x" * (MAX_QUESTION + 1), QuestionTooLong),
        ("When\0?", InvalidText),
        ("\0", InvalidText),
        ("half \ud83d", InvalidText),
    ],
)
def test_a_text_that_is_no_question_is_refused(text, error):
    with pytest.raises(error):
        check(text)


@pytest.mark.parametrize("text", ["x" * MAX_QUESTION, "متى افتتح الجسر؟", "😀?", " When? "])
def test_any_other_text_is_a_question(text):
    assert check(text).text == text.strip()


@pytest.mark.parametrize("k", [0, -1, MAX_K + 1, 10**9])
def test_k_out_of_range_is_refused_with_the_range(k):
    with pytest.raises(InvalidParameter, match=f"from 1 to {MAX_K}"):
        check("q", k=k)


@pytest.mark.parametrize("value", ["", "abc", "5.5", "1e3", "１", "1_0", " 5", "+5", "--5", "9" * 5000, "0x10", "5\n"])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(InvalidParameter):
        parse_number(value, "k")


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../../b", "a\\b", "..", "a/.."])
def test_a_path_outside_the_collection_is_refused(path):
    with pytest.raises(InvalidParameter, match="outside the collection"):
        check("q", paths=[path])


def test_a_path_that_is_the_whole_collection_restricts_nothing():
    assert not check("q", paths=[".", "./"]).restriction


@pytest.mark.parametrize(("path", "expected"), [("news/", "news"), ("./news//a.md", "news/a.md"), ("a..b", "a..b")])
def test_a_path_is_normalised(path, expected):
    assert check_path(path) == expected


@pytest.mark.parametrize("values", [[""], [" "], ["x" * 2000], ["a\0"], ["\ud800"], ["a"] * 51])
def test_filters_are_checked_too(values):
    with pytest.raises(InputError):
        check("q", media_types=values)


@given(st.text(alphabet=st.characters(), max_size=40), st.integers(), st.lists(st.text(), max_size=3))
def test_whatever_is_sent_is_a_request_or_one_of_our_errors(text, k, paths):
    try:
        request = check(text, k=k, paths=paths)
    except CitespanError:
        return
    assert request.text
    assert 1 <= request.k <= MAX_K
