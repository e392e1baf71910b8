import json

import pytest

from index.errors import InvalidEvaluationData
from qa.evaluation.own import read_own


def written(path, content):
    path.write_text(content, encoding="utf-8")
    return path


def test_a_csv_file_has_questions_with_answers_and_documents(tmp_path):
    path = written(
        tmp_path / "q.csv",
        "\ufeffquestion,answer,document\n"
        '"When, and where, was it opened?",1890 | in 1890,bridge.md\n'
        "Who paid?,,\n"
        "\n"
        "Where is the price list?,,prices.md\n",
    )
    opened, paid, prices = read_own(path)
    assert (opened.text, opened.golds, opened.article) == (
        "When, and where, was it opened?",
        ("1890", "in 1890"),
        "bridge.md",
    )
    assert (opened.question_id, paid.question_id, prices.question_id) == ("2", "3", "5")
    assert (paid.is_answerable, paid.is_graded) == (False, True)
    assert (prices.is_answerable, prices.is_graded) == (False, False)


@pytest.mark.parametrize(
    "content",
    ["Question;Answer\nWhen, and how?;1890\n", '\ufeffQUESTION, Answer\n"When, and how?",1890\n'],
    ids=["semicolons", "capitals"],
)
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path, content):
    (question,) = read_own(written(tmp_path / "q.csv", content))
    assert (question.text, question.golds) == ("When, and how?", ("1890",))


def test_jsonl_and_tsv_say_the_same(tmp_path):
    rows = [{"question": "When?", "answer": ["1890", "in 1890"]}, {"question": "Who?", "answer": None}]
    jsonl = written(tmp_path / "q.jsonl", "\n".join(map(json.dumps, rows)))
    tsv = written(tmp_path / "q.tsv", "question\tanswer\nWhen?\t1890|in 1890\nWho?\t\n")
    assert [(q.text, q.golds, q.is_graded) for q in read_own(jsonl)] == [
        (q.text, q.golds, q.is_graded) for q in read_own(tsv)
    ]


def test_a_line_of_jsonl_may_be_a_question_that_nothing_answers(tmp_path):
    path = written(tmp_path / "q.jsonl", '{"question": "When?", "answer": "1890"}\n{"question": "Who?"}\n')
    assert [question.is_answerable for question in read_own(path)] == [True, False]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("q.csv", "", "needs question"),
        ("q.csv", "question\nWhen?\n", "questions alone"),
        ("q.csv", "frage,answer\nWann?,1890\n", "needs question"),
        ("q.csv", "question,answer\n", "holds no questions"),
        ("q.csv", "question,answer\n,1890\n", "line 2"),
        ("q.csv", "question,answer\nWhen, where?,1890\n", "line 2"),
        ("q.csv", "question,answer\nWhen?\n", "line 2"),
        ("q.csv", 'question,answer\n"When?,1890\n', "is no CSV"),
        ("q.jsonl", '{"question": "When?", "answer": "1890"}\n{', "line 2"),
        ("q.jsonl", "[]\n", "line 1"),
        ("q.jsonl", '{"question": "When?", "answer": 1890}\n', "line 1"),
        ("q.jsonl", '{"question": "When?"}\n', "questions alone"),
        ("q.jsonl", '{"question": "When?", "answer": "1890"}\n{"answer": "1890"}\n', "line 2 .*needs question"),
        ("q.jsonl", '{"question": "When?", "answers": ["1890"]}\n', "line 1 .*'answers', which is not known"),
        ("q.csv", "question,answer,notes\nWhen?,1890,\n", "'notes', which is not known"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_place(tmp_path, name, content, told):
    with pytest.raises(InvalidEvaluationData, match=told):
        read_own(written(tmp_path / name, content))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(InvalidEvaluationData, match="cannot read"):
        read_own(tmp_path / "missing.csv")
    (tmp_path / "q.csv").write_bytes(b"question,answer\n\xff\xfe,1890\n")
    with pytest.raises(InvalidEvaluationData, match="cannot read"):
        read_own(tmp_path / "q.csv")
