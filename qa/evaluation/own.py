"""A person's own questions, as people write them down: a CSV or JSONL file with a question a line."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from index.errors import InvalidEvaluationData
from qa.evaluation.datasets import Question

_COLUMNS = ("question", "answer", "document")
_BETWEEN_ANSWERS = "|"


def read_own(path: Path) -> list[Question]:
    """Return the questions of a file, in its order; a question's id is its line.

    A CSV or TSV file has a header with `question`, and `answer` or `document` or both, in small letters or
    capitals; cells of a CSV file are parted by commas or semicolons, as spreadsheets do it. A JSONL file has an
    object with these keys a line, of which `question` alone has to be in each. Several answers that are all right
    stand in a list, or in a cell with "|" between them. A question with neither answer nor document is one that the
    documents do not answer; of one with a document alone only the finding of that document is measured.

    Raises:
        InvalidEvaluationData: A line cannot be used.
    """
    try:
        rows = list(_jsonl(path) if path.suffix == ".jsonl" else _csv(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidEvaluationData(f"cannot read {path}: {error}") from error
    if not rows:
        raise InvalidEvaluationData(f"{path} holds no questions")
    if all({*row} == {"question"} for _, row in rows):
        raise InvalidEvaluationData(f"{path} has questions alone: it needs answer or document or both, too")
    return [_question(path, line, row) for line, row in rows]


def _csv(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    # A spreadsheet's byte-order mark is no part of the first column's name.
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header = stream.readline()
        stream.seek(0)
        separator = "\t" if path.suffix == ".tsv" else "," if "," in header else ";"
        reader = csv.DictReader(stream, delimiter=separator, strict=True)
        try:
            reader.fieldnames = [name.strip().casefold() for name in reader.fieldnames or ()]
            _check_names(str(path), reader.fieldnames)
            for row in reader:
                if None in row or None in row.values():
                    raise InvalidEvaluationData(
                        f"line {reader.line_num} of {path} has another number of cells than its header: "
                        "put a cell that holds what parts them in double quotes"
                    )
                if any(row.values()):
                    yield reader.line_num, row
        except csv.Error as error:
            raise InvalidEvaluationData(f"line {reader.line_num} of {path} is no CSV: {error}") from error


def _jsonl(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InvalidEvaluationData(f"line {number} of {path} is no JSON: {error}") from error
            if not isinstance(row, dict):
                raise InvalidEvaluationData(f"line {number} of {path} is no JSON object")
            _check_names(f"line {number} of {path}", row)
            yield number, row


def _check_names(where: str, names: Collection[str]) -> None:
    if "question" not in names:
        given = ", ".join(map(repr, names)) or "nothing"
        raise InvalidEvaluationData(f"{where} has {given}: it needs question, and answer or document or both")
    if unknown := [name for name in names if name not in _COLUMNS]:
        raise InvalidEvaluationData(
            f"{where} has {', '.join(map(repr, unknown))}, which is not known: "
            "leave it out, or call it question, answer or document"
        )


def _question(path: Path, line: int, row: Mapping[str, object]) -> Question:
    answers = row.get("answer", "")
    cells = answers if isinstance(answers, list) else [answers]
    values = [row["question"], row.get("document", ""), *cells]
    if not all(value is None or isinstance(value, str) for value in values):
        raise InvalidEvaluationData(f"line {line} of {path} holds what is no text: {row}")
    text, document, *answer_texts = (str(value or "").strip() for value in values)
    if not text:
        raise InvalidEvaluationData(f"line {line} of {path} has no question")
    golds = tuple(gold for cell in answer_texts for part in cell.split(_BETWEEN_ANSWERS) if (gold := part.strip()))
    return Question(str(line), text, document, "", (), golds, is_graded=bool(golds or not document))
