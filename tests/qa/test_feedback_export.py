import json
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from index.errors import NothingToExport, UnknownDocument
from index.records import Document, Span
from qa.evaluation.datasets import locate, read_squad
from qa.feedback import Entry, Quoted, Verdict
from qa.feedback_export import export, told

BRIDGE = (
    "# Bridge 😀\n\nIt was planned in 1890.\n\n"
    "Work began in 1891.\nThe bridge opened in 1894, and was closed in 1891 for a day. It cost 18 pounds.\n\n"
    "It is long.\n"
)
TOWER = "The tower is made of iron."
DOCUMENTS = {
    "bridge.md": Document("bridge.md", "Bridge", BRIDGE, "b" * 64, "text/markdown"),
    "tower.txt": Document("tower.txt", "Tower", TOWER, "c" * 64, "text/plain"),
}
PARAGRAPH = BRIDGE.split("\n\n")[2]


def quoted(words, *, of="bridge.md", sha256=None):
    document = DOCUMENTS[of]
    start = document.text.index(words)
    return Quoted(of, Span(start, start + len(words)), words, sha256 or document.sha256)


RIGHT = Entry(
    entry_id="e1",
    time="2026-11-05T12:00:00+00:00",
    question="When did the bridge open?",
    verdict=Verdict.RIGHT,
    answer="1894",
    place=quoted("1894"),
    corrected=None,
    comment="",
    index_version=1,
    reader="r",
    encoder="e",
)
WRONG = replace(RIGHT, verdict=Verdict.WRONG)
READ = "The bridge opened in 1894, and was closed in 1891 for a day."
SILENCE = replace(RIGHT, answer=None, place=quoted(READ))


@pytest.fixture
def exported(tmp_path):
    def write_and_read(*newest, documents=DOCUMENTS):
        made = export(newest, document=finder(documents), doc_ids={d.sha256: d.doc_id for d in documents.values()})
        path = tmp_path / "feedback.json"
        path.write_text(json.dumps(made.squad), encoding="utf-8")
        questions = read_squad(path)
        assert len(questions) == made.n_answerable + made.n_impossible
        assert sum(question.is_answerable for question in questions) == made.n_answerable
        return questions

    return write_and_read


def finder(documents):
    def find(doc_id):
        if doc_id not in documents:
            raise UnknownDocument(doc_id)
        return documents[doc_id]

    return find


def reason(entry, documents=DOCUMENTS):
    """Why an entry alone is left out."""
    with pytest.raises(NothingToExport) as caught:
        export([entry], document=finder(documents), doc_ids={d.sha256: d.doc_id for d in documents.values()})
    return str(caught.value)


def changed(text):
    return {"bridge.md": replace(DOCUMENTS["bridge.md"], text=text, sha256="d" * 64)}


def test_a_right_answer_is_gold_where_it_stands_in_its_paragraph(exported):
    (question,) = exported(RIGHT)
    assert (question.question_id, question.text, question.article) == ("e1", RIGHT.question, "bridge.md")
    assert question.paragraph == PARAGRAPH
    assert (question.golds, question.answers[0].start) == (("1894",), PARAGRAPH.index("1894"))


def test_the_evaluation_finds_the_gold_answer_again_in_the_document(exported):
    for question in exported(RIGHT, replace(WRONG, question="Which year?", entry_id="e2", corrected="18 pounds")):
        (span,) = locate(question, BRIDGE)
        assert (span.of(BRIDGE),) == question.golds


def test_the_form_is_that_of_squad_2():
    made = export([RIGHT], document=finder(DOCUMENTS), doc_ids={})
    assert made.squad == {
        "version": "v2.0",
        "data": [
            {
                "title": "bridge.md",
                "paragraphs": [
                    {
                        "context": PARAGRAPH,
                        "qas": [
                            {
                                "id": "e1",
                                "question": "When did the bridge open?",
                                "answers": [{"text": "1894", "answer_start": PARAGRAPH.index("1894")}],
                                "is_impossible": False,
                            }
                        ],
                    }
                ],
            }
        ],
    }


def test_a_correction_is_gold_where_it_stands_nearest_to_what_was_cited(exported):
    after, before = exported(
        replace(WRONG, corrected="1891"),
        replace(WRONG, entry_id="e2", question="Which year?", place=quoted("Work"), corrected="1891"),
    )
    assert after.answers[0].start == PARAGRAPH.rindex("1891")
    assert before.answers[0].start == PARAGRAPH.index("1891")


def test_a_correction_may_be_in_another_paragraph_and_is_then_in_its_context(exported):
    (question,) = exported(replace(WRONG, corrected="long"))
    assert (question.paragraph, question.golds) == ("It is long.\n", ("long",))


def test_a_correction_is_found_over_line_ends_and_cut_as_it_stands(exported):
    (question,) = exported(replace(WRONG, corrected="1891. The bridge"))
    assert question.golds == ("1891.\nThe bridge",)


@pytest.mark.parametrize("corrected", ["189", "89", "pound", "in 18", "THE BRIDGE"])
def test_a_correction_is_found_as_whole_words_only(corrected):
    assert "the correction does not stand in the document" in reason(replace(WRONG, corrected=corrected))


@pytest.mark.parametrize("corrected", ["pounds.", "1894,", "# Bridge 😀", "😀"])
def test_a_correction_may_begin_and_end_with_other_characters_than_letters(exported, corrected):
    assert exported(replace(WRONG, corrected=corrected))[0].golds == (corrected,)


def test_a_wrong_answer_to_what_the_documents_do_not_say_is_unanswerable(exported):
    (question,) = exported(replace(WRONG, corrected=""))
    assert (question.article, question.paragraph, question.answers) == ("bridge.md", PARAGRAPH, ())


def test_a_right_silence_is_unanswerable_by_just_the_passage_that_was_read(exported):
    (question,) = exported(SILENCE)
    assert (question.paragraph, question.answers) == (READ, ())


def test_a_wrong_silence_is_answered_by_its_correction(exported):
    (question,) = exported(replace(SILENCE, verdict=Verdict.WRONG, corrected="18 pounds"))
    assert (question.paragraph, question.golds) == (PARAGRAPH, ("18 pounds",))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (WRONG, "it says what is wrong, and not what would be right"),
        (replace(SILENCE, verdict=Verdict.WRONG), "it says what is wrong, and not what would be right"),
        (replace(SILENCE, place=None), "no passage had been read"),
        (replace(WRONG, corrected="in 1066"), "the correction does not stand in the document"),
    ],
)
def test_what_says_nothing_of_what_is_right_is_left_out_and_told(entry, why):
    assert reason(entry) == f"nothing can be exported: 1 entry was left out: {why}"


def test_without_feedback_there_is_nothing_to_export():
    with pytest.raises(NothingToExport, match="there is no feedback yet"):
        export([], document=finder(DOCUMENTS), doc_ids={})


def test_entries_that_are_left_out_are_counted_by_their_reasons():
    others = [replace(WRONG, entry_id=f"w{n}", question=f"Q{n}") for n in range(1200)]
    made = export([RIGHT, RIGHT, *others], document=finder(DOCUMENTS), doc_ids={})
    assert told(made.left_out) == (
        "1 entry was left out: the question was judged again later; "
        "1,200 entries were left out: it says what is wrong, and not what would be right"
    )
    assert told({}) == ""


def test_the_last_word_on_a_question_counts_however_it_is_spaced_and_in_whatever_case(exported):
    later = replace(WRONG, entry_id="e2", question="when did  the bridge OPEN?", corrected="1891")
    (question,) = exported(later, RIGHT)
    assert (question.question_id, question.golds) == ("e2", ("1891",))


def test_a_later_doubt_takes_an_earlier_gold_answer_away():
    with pytest.raises(NothingToExport):
        export([WRONG, RIGHT], document=finder(DOCUMENTS), doc_ids={})


def test_a_quote_that_moved_is_followed_where_it_is_the_only_one(exported):
    (question,) = exported(RIGHT, documents=changed("New.\n\nIt opened in 1894 at last.\n\nOld."))
    assert (question.paragraph, question.golds) == ("It opened in 1894 at last.", ("1894",))


@pytest.mark.parametrize("text", ["Gone.", "1894 and 1894.", "It has 18945 rivets."])
def test_a_quote_that_is_gone_or_ambiguous_in_a_changed_document_is_left_out(text):
    assert "the document was changed" in reason(RIGHT, changed(text))


def test_a_text_that_another_version_reads_otherwise_from_the_same_file_is_a_changed_one():
    documents = {"bridge.md": replace(DOCUMENTS["bridge.md"], text="short")}
    assert "the document was changed" in reason(RIGHT, documents)


def test_a_document_that_was_renamed_is_followed_and_one_that_was_deleted_is_told(exported):
    (question,) = exported(RIGHT, documents={"new.md": replace(DOCUMENTS["bridge.md"], doc_id="new.md")})
    assert (question.article, question.golds) == ("new.md", ("1894",))
    assert "the document is no longer there" in reason(RIGHT, {"tower.txt": DOCUMENTS["tower.txt"]})


def test_a_text_without_blank_lines_gives_its_lines_as_context(exported):
    text = (
        "\n".join(f"Line {n} is like every other line of this text." for n in range(500)) + "\nIt opened in 1894 here."
    )
    (question,) = exported(RIGHT, documents=changed(text))
    assert question.paragraph == "It opened in 1894 here."


def test_the_same_feedback_gives_the_same_file_in_the_order_of_the_documents():
    iron = replace(RIGHT, entry_id="e0", question="Of what?", answer="iron", place=quoted("iron", of="tower.txt"))
    entries = [iron, RIGHT, replace(RIGHT, entry_id="e2", question="Which year?")]
    made = [export(order, document=finder(DOCUMENTS), doc_ids={}).squad for order in (entries, entries[::-1])]
    assert made[0] == made[1]
    (bridge, tower) = made[0]["data"]
    assert (bridge["title"], tower["title"]) == ("bridge.md", "tower.txt")
    assert [qa["id"] for qa in bridge["paragraphs"][0]["qas"]] == ["e1", "e2"]


@given(
    st.lists(st.sampled_from(["a", "bb", "1", "é", "😀", ".", " ", "\n", "\n\n", "\r", "\x1c"]), max_size=60), st.data()
)
def test_whatever_is_quoted_stands_where_the_file_says(pieces, data):
    text = "".join(pieces)
    words = [
        span
        for span in (Span(i, j) for i in range(len(text)) for j in range(i + 1, len(text) + 1))
        if span.of(text).strip()
    ]
    assume(words)
    span = data.draw(st.sampled_from(words))
    document = Document("d", "", text, "e" * 64, "text/plain")
    entry = replace(RIGHT, answer=span.of(text), place=Quoted("d", span, span.of(text), document.sha256))
    made = export([entry], document=finder({"d": document}), doc_ids={})
    (paragraph,) = made.squad["data"][0]["paragraphs"]
    (gold,) = paragraph["qas"][0]["answers"]
    assert gold["text"] == span.of(text)
    assert paragraph["context"][gold["answer_start"] :].startswith(gold["text"])
    assert text[span.start - gold["answer_start"] :].startswith(paragraph["context"])
