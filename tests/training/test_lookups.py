import re
import tomllib
from pathlib import Path

from qa.tables import with_names
from training import lookups
from training.examples import TrainingPassage
from training.lookups import LOOKUP, lookup_examples

PARAGRAPHS = [
    TrainingPassage(
        f"In {1900 + n} the Royal Bridge was built by Anna Smith near Green Lake, where the steam engine of Hill Street"
        f" Station stood. The water supply was repaired by Robert Miller and Clara Stone. Old Mill Lane was closed{n}.",
        f"Town {n}",
    )
    for n in range(20)
]
EXAMPLES = lookup_examples(600, PARAGRAPHS, seed=1)
HELD_OUT = lookup_examples(300, PARAGRAPHS, seed=1, is_held_out=True)


def answered(examples):
    return [some for some in examples if some.passages[0].spans]


def answer(example):
    ((start, end),) = example.passages[0].spans
    return example.passages[0].text[start:end]


def test_the_same_seed_makes_the_same_questions_and_another_makes_others():
    assert lookup_examples(50, PARAGRAPHS, seed=1) == lookup_examples(50, PARAGRAPHS, seed=1)
    assert lookup_examples(50, PARAGRAPHS, seed=1) != lookup_examples(50, PARAGRAPHS, seed=2)
    assert {some.source for some in EXAMPLES} == {LOOKUP}


def test_answers_are_whole_cells():
    assert len(answered(EXAMPLES)) > 300
    for example in answered(EXAMPLES):
        cells = re.split(r"\s*\|\s*|\t|\s{2,}|\n", example.passages[0].text)
        assert answer(example) in cells


def test_some_questions_have_no_answer_and_the_first_passage_alone_has_one():
    assert 0.2 < 1 - len(answered(EXAMPLES)) / len(EXAMPLES) < 0.45
    assert not any(passage.spans for some in EXAMPLES for passage in some.passages[1:])


COLUMNS = tomllib.loads((Path(lookups.__file__).parent / "lookups.toml").read_text(encoding="utf-8"))["columns"]


def table_of(text):
    """Return the head of a passage's table and its rows, whose cells stand where the head's do."""
    lines = [re.split(r" *\| *|\t| {2,}", line.strip(" |")) if "|" in line else re.split(r"\t| {2,}", line)
             for line in text.split("\n") if not set(line) <= set("|- ")]  # fmt: skip
    width = max(map(len, lines))
    head, *rows = [line for line in lines if len(line) >= width - 1 and width > 2]
    return ["", *head] if len(head) < width else head, rows


def asks_for(head):
    """Return how a column is asked for, without what for."""
    asks = [ask for column in COLUMNS if head in column["heads"] for ask in column["asks"]]
    return [[part.casefold() for part in ask.rstrip("?").split("{what}")] for ask in asks]


def is_about(question, head, name):
    """Whether a question asks for a column, by its name or in its words, and a row."""
    said, _, after = question.casefold().partition(name.casefold())
    in_words = any(parts[0] in said and parts[-1] in after for parts in asks_for(head))
    return name.casefold() in question.casefold() and (head.casefold() in said + after or in_words)


def test_what_answers_stands_in_the_row_and_in_the_column_that_the_question_names():
    n_reverse = 0
    for example in answered(EXAMPLES):
        head, rows = table_of(example.passages[0].text)
        (start, _), text = example.passages[0].spans[0], example.passages[0].text
        line = text.count("\n", 0, start)
        of_line = [row for row in rows if answer(example) in row and "".join(row)[:9] in re.sub(
            r" *\| *|\t| {2,}", "", text.split("\n")[line].strip(" |"))]  # fmt: skip
        pairs = [(head[at], row[:2]) for row in of_line for at, cell in enumerate(row) if cell == answer(example)]
        by_name = [is_about(example.question, column, name) for column, names in pairs for name in names if name]
        is_reverse = any(cell.casefold() in example.question.casefold() for row in of_line for cell in row[1:])
        n_reverse += not any(by_name)
        assert any(by_name) or is_reverse, (example.question, head, of_line)
    assert n_reverse < len(answered(EXAMPLES)) / 4


def test_no_table_has_both_the_row_and_the_column_that_an_unanswered_question_asks_for():
    for example in EXAMPLES:
        if not example.passages[0].spans:
            assert len(example.passages) == 1
            head, rows = table_of(example.passages[0].text)
            names = [name for row in rows for name in row[:2] if len(name) > 3]
            about = [(column, name) for column in head[1:] for name in names if column
                     and column not in ("What", "Name", "Item") and is_about(example.question, column, name)]  # fmt: skip
            assert not about, (example.question, about)


def test_most_tables_are_shown_with_names():
    named = [with_names(some.passages[0].text).is_name.any() for some in EXAMPLES]
    assert sum(named) / len(named) > 0.6


def test_the_columns_to_tune_on_are_in_no_training():
    heads = ("Cleaning", "Postage", "Doors", "Warranty", "Signed by")
    assert any(head in some.passages[0].text for some in HELD_OUT for head in heads)
    assert not any(head in passage.text for some in EXAMPLES for passage in some.passages for head in heads)
