import pytest

from index.errors import CitespanError, InvalidParameter, InvalidRequest, InvalidText, UnknownParameter
from qa.anchoring import Quotation
from qa.saved_citations import MAX_CITATIONS, MAX_CONTEXT, MAX_QUOTE, SavedCitation, citations_in, parse_citations

CITATION = {"doc_id": "a.md", "start": 5, "end": 9, "quote": "1890", "sha256": "0" * 64}


def test_a_citation_may_come_bare_or_as_an_answer_has_it():
    whole = {**CITATION, "title": "A", "prefix": "in ", "suffix": ".", "heading": "", "line": 1, "url": "/x"}
    assert parse_citations([CITATION, whole]) == (
        SavedCitation("a.md", Quotation("1890", "", "", 5), "0" * 64),
        SavedCitation("a.md", Quotation("1890", "in ", ".", 5), "0" * 64),
    )
    assert parse_citations([]) == ()


def test_offsets_count_code_points():
    parse_citations([{**CITATION, "quote": "😀é東x"}])
    with pytest.raises(InvalidParameter, match="code points"):
        parse_citations([{**CITATION, "end": 11, "quote": "😀é東x"}])


BAD = [
    ({"doc_id": ...}, InvalidRequest),
    ({"sha256": ...}, InvalidRequest),
    ({"quote": ...}, InvalidRequest),
    ({"note": "mine"}, UnknownParameter),
    ({"doc_id": 5}, InvalidParameter),
    ({"doc_id": "x" * 5000}, InvalidParameter),
    ({"doc_id": "a\0"}, InvalidText),
    ({"start": "5"}, InvalidParameter),
    ({"start": True}, InvalidParameter),
    ({"start": 5.0}, InvalidParameter),
    ({"start": -1}, InvalidParameter),
    ({"start": 9}, InvalidParameter),
    ({"end": 10}, InvalidParameter),
    ({"end": 10**400}, InvalidParameter),
    ({"start": 10**400, "end": 10**400 + 4}, InvalidParameter),
    ({"start": 10**18, "end": 10**18 + 4}, InvalidParameter),
    ({"end": 5, "quote": ""}, InvalidParameter),
    ({"quote": " \n\t "}, InvalidParameter),
    ({"quote": "18\ud800x"}, InvalidText),
    ({"quote": "18\0x"}, InvalidText),
    ({"quote": None}, InvalidParameter),
    ({"end": 6 + MAX_QUOTE, "quote": "x" * (MAX_QUOTE + 1)}, InvalidParameter),
    ({"prefix": None}, InvalidParameter),
    ({"prefix": "x" * (MAX_CONTEXT + 1)}, InvalidParameter),
    ({"suffix": "\udfff"}, InvalidText),
    ({"sha256": "0" * 63}, InvalidParameter),
    ({"sha256": "F" * 64}, InvalidParameter),
    ({"sha256": "0" * 64 + "\n"}, InvalidParameter),
    ({"sha256": 0}, InvalidParameter),
]


@pytest.mark.parametrize(("change", "error"), BAD)
def test_what_is_no_citation_is_refused_and_named(change, error):
    citation = {key: value for key, value in {**CITATION, **change}.items() if value is not ...}
    with pytest.raises(error):
        parse_citations([CITATION, citation])


@pytest.mark.parametrize("value", [None, {}, "x", 5, CITATION, [[]], [None], ["x"], [CITATION] * (MAX_CITATIONS + 1)])
def test_what_is_no_list_of_citations_is_refused(value):
    with pytest.raises(CitespanError):
        parse_citations(value)


@pytest.mark.parametrize(
    ("value", "n"),
    [
        (CITATION, 1),
        ([CITATION, CITATION], 2),
        ({"citations": [CITATION]}, 1),
        ({"question": "q", "answers": [{"citation": CITATION, "citations": [CITATION, CITATION]}]}, 2),
        ({"answers": []}, 0),
        ([], 0),
    ],
)
def test_citations_are_taken_from_whatever_form_they_were_kept_in(value, n):
    assert citations_in(value) == [CITATION] * n


@pytest.mark.parametrize("value", [None, 5, "x", {}, {"answers": 5}, {"answers": [5]}, {"answers": [{"citations": 5}]}])
def test_where_there_are_no_citations_the_forms_are_told(value):
    with pytest.raises(InvalidRequest, match="ask --json"):
        citations_in(value)
