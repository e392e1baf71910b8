import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import InvalidEvaluationData
from index.records import Span
from qa.evaluation.datasets import (
    Question,
    locate,
    on_documents,
    read_articles,
    read_reported_articles,
    read_squad,
    select,
    title_of,
    write_articles,
)
from tests.qa.evaluation.squad import BRIDGE, article, articles, qa, write_squad

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not beside this repository")


def test_questions_are_read_with_their_gold_spans(tmp_path):
    questions = read_squad(write_squad(tmp_path / "q.json", articles()))
    assert [question.question_id for question in questions] == ["when", "what", "who", "tower-when", "tower-why"]
    first = questions[0]
    assert (first.article, first.paragraph, first.text) == ("Big_Bridge", BRIDGE, "When was the bridge opened?")
    assert first.answers == (Span(21, 25), Span(18, 25))
    assert first.golds == ("1890", "in 1890")
    assert [question.is_answerable for question in questions] == [True, True, False, True, False]


def test_a_file_of_squad_1_1_has_no_marks_of_impossible_questions(tmp_path):
    asked = {"id": "1", "question": "When?", "answers": [{"text": "1890", "answer_start": 21}]}
    (question,) = read_squad(write_squad(tmp_path / "q.json", [article("B", (BRIDGE, [asked]))]))
    assert question.golds == ("1890",)


def test_offsets_count_code_points(tmp_path):
    context = "🌉 é: opened in 1890"
    data = [article("B", (context, [qa("1", "When?", ("1890", 15))]))]
    assert read_squad(write_squad(tmp_path / "q.json", data))[0].answers == (Span(15, 19),)


def one(**changes):
    return [article("B", (BRIDGE, [{**qa("7", "When?", ("1890", 21)), **changes}]))]


def answer(**changes):
    return one(answers=[{"text": "1890", "answer_start": 21, **changes}])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (answer(answer_start=20), "'1890' of question '7' is not at 20"),
        (answer(answer_start=-5), "not at -5"),
        (answer(answer_start=10**9), "not at 1000000000"),
        (answer(text=""), "'' of question '7'"),
        (answer(answer_start="21"), "not in SQuAD's form"),
        (answer(answer_start=None), "not in SQuAD's form"),
        (answer(text=1890), "not in SQuAD's form"),
        (one(answers=[{"text": "1890"}]), "lacks 'answer_start'"),
        (one(answers=[]), "has 0 answers, which is_impossible contradicts"),
        (one(is_impossible=True), "has 1 answers, which is_impossible contradicts"),
        (one(answers=None), "not in SQuAD's form"),
        (one(question=None), "None is no text"),
        (one(id=7), "7 is no text"),
        ([article(None, (BRIDGE, [qa("7", "When?")]))], "None is no text"),
        ([article("B", (None, [qa("7", "When?", ("1890", 21))]))], "not in SQuAD's form"),
        ([{"title": "B"}], "lacks 'paragraphs'"),
        ([*one(), *one()], "more than one question with the id '7'"),
        ([], "holds no questions"),
        (None, "not in SQuAD's form"),
        ("text", "not in SQuAD's form"),
    ],
)
def test_a_malformed_file_of_questions_is_an_error_that_says_where(tmp_path, data, message):
    with pytest.raises(InvalidEvaluationData, match=r"q\.json") as error:
        read_squad(write_squad(tmp_path / "q.json", data))
    assert message in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'"data"'])
def test_what_is_no_json_object_is_an_error(tmp_path, content):
    (tmp_path / "q.json").write_bytes(content)
    with pytest.raises(InvalidEvaluationData):
        read_squad(tmp_path / "q.json")
    with pytest.raises(InvalidEvaluationData):
        read_reported_articles(tmp_path / "q.json")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    for read in (read_squad, read_reported_articles, read_articles):
        with pytest.raises(InvalidEvaluationData, match="missing"):
            read(tmp_path / "missing")


def test_questions_are_chosen_by_article(tmp_path):
    questions = read_squad(write_squad(tmp_path / "q.json", articles()))
    assert [question.question_id for question in select(questions, ["Tower"])] == ["tower-when", "tower-why"]


def test_an_article_without_questions_is_an_error(tmp_path):
    questions = read_squad(write_squad(tmp_path / "q.json", articles()))
    with pytest.raises(InvalidEvaluationData, match="Castle"):
        select(questions, ["Tower", "Castle"])


def test_the_weights_name_the_articles_they_were_not_fitted_on(tmp_path):
    (tmp_path / "weights.json").write_text(json.dumps({"reported_on_articles": ["Tower"], "weights": {}}))
    assert read_reported_articles(tmp_path / "weights.json") == ["Tower"]


def archive(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_articles_are_read_by_name_with_a_paragraph_a_line(tmp_path):
    files = {"articles/Tower.txt": "Tall.\nÎron.".encode(), "articles/Big_Bridge.txt": b"Long."}
    found = read_articles(archive(tmp_path / "a.tar.gz", files))
    assert list(found.items()) == [("Big_Bridge", ["Long."]), ("Tower", ["Tall.", "Îron."])]


def test_an_archive_that_is_damaged_or_not_text_is_an_error(tmp_path):
    whole = archive(tmp_path / "a.tar.gz", {"a.txt": b"Long." * 1000}).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[:-20])
    (tmp_path / "none.tar.gz").write_bytes(b"no archive")
    archive(tmp_path / "bytes.tar.gz", {"a.txt": b"\xff"})
    for name in ("cut", "none", "bytes"):
        with pytest.raises(InvalidEvaluationData, match=name):
            read_articles(tmp_path / f"{name}.tar.gz")


def test_articles_become_markdown_documents_that_their_questions_name(tmp_path):
    write_articles({"Big_Bridge": ["Long.", "Old."]}, tmp_path / "documents")
    assert (tmp_path / "documents" / "Big_Bridge.md").read_text() == "# Big Bridge\n\nLong.\n\nOld."
    assert [q.article for q in on_documents([Question("1", "?", "Big_Bridge", "Long.", ())])] == ["Big_Bridge.md"]
    assert title_of("Big_Bridge") == "Big Bridge"


def test_an_answer_is_found_in_its_document_though_the_lines_are_parted():
    question = Question("1", "What of?", "b.md", BRIDGE, (Span(43, 48), Span(21, 25)))
    text = "# B\n\nOld steel, 1890.\n\n" + BRIDGE.replace("\n", "\n\n")
    assert [span.of(text) for span in locate(question, text)] == ["steel", "1890"]
    assert [span.start for span in locate(question, text)] == [text.rindex("steel"), text.rindex("1890")]


def test_a_document_without_the_paragraph_is_an_error():
    question = Question("7", "What of?", "b.md", BRIDGE, (Span(43, 48),))
    with pytest.raises(InvalidEvaluationData, match=r"b\.md does not hold the paragraph of question '7'"):
        locate(question, "It was built of iron.")


@given(st.text(alphabet="ab\n ", min_size=1, max_size=30), st.data())
def test_wherever_a_paragraph_stands_its_answers_are_found(paragraph, data):
    start = data.draw(st.integers(0, len(paragraph) - 1))
    end = data.draw(st.integers(start + 1, len(paragraph)))
    question = Question("1", "?", "b.md", paragraph, (Span(start, end),))
    text = f"zz\n{paragraph}\nzz"
    (found,) = locate(question, text)
    assert found.of(text) == paragraph[start:end]


def test_the_golden_set_of_the_sample_documents_is_of_this_form():
    questions = read_squad(ROOT / "tests" / "golden" / "questions.json")
    assert len(questions) == 96
    assert all((ROOT / "documents" / question.article).is_file() for question in questions)


@needs_data
def test_every_answer_of_the_squad_articles_stands_in_its_document(tmp_path):
    questions = read_squad(DATA / "squad2-cs224n-dev" / "dev-v2.0.json")
    assert (len(questions), sum(question.is_answerable for question in questions)) == (6078, 2910)
    write_articles(read_articles(DATA / "squad1-articles" / "articles.tar.gz"), tmp_path)
    assert len(list(tmp_path.iterdir())) == 490
    for question in on_documents(questions):
        text = (tmp_path / question.article).read_text(encoding="utf-8")
        assert tuple(span.of(text) for span in locate(question, text)) == question.golds
