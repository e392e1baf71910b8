"""Files of questions and articles to records. What cannot be used is an error that says where it is wrong."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from index.errors import InvalidEvaluationData
from index.records import Span


@dataclass(frozen=True, slots=True)
class Question:
    """A question, what is known of its answer, and of where it stands.

    Attributes:
        question_id: Of no other question of its file.
        article: The title under which SQuAD has the paragraph; in a person's own questions the id of the
            document that answers, "" where it is not told.
        paragraph: That it was asked of; "" where none is told.
        answers: Where gold answers stand in the paragraph; empty where it does not say.
        wordings: Gold answers of which nothing but the words is known.
        is_graded: Its gold answers are known, be it that there are none; else only its document is.
    """

    question_id: str
    text: str
    article: str
    paragraph: str
    answers: tuple[Span, ...]
    wordings: tuple[str, ...] = ()
    is_graded: bool = True

    @property
    def is_answerable(self) -> bool:
        return bool(self.answers or self.wordings)

    @property
    def golds(self) -> tuple[str, ...]:
        """The gold answers' texts."""
        return (*(span.of(self.paragraph) for span in self.answers), *self.wordings)


def read_squad(path: Path) -> list[Question]:
    """Return all questions of a file in the form of SQuAD 1.1 or 2.0, in its order.

    Raises:
        InvalidEvaluationData: As `squad_questions`.
    """
    return squad_questions(_read_json(path), str(path))


def squad_questions(squad: Any, source: str) -> list[Question]:  # what a file holds is found out by reading it
    """Return all questions of a data set in the form of SQuAD 1.1 or 2.0, in its order.

    Args:
        squad: JSON.
        source: What it is called in messages.

    Raises:
        InvalidEvaluationData: It is not of this form, an answer does not stand where it says, two questions have
            one id, or a question without answers is not marked as impossible.
    """
    try:
        questions = [
            _question(qa, article["title"], paragraph["context"])
            for article in squad["data"]
            for paragraph in article["paragraphs"]
            for qa in paragraph["qas"]
        ]
    except KeyError as error:
        raise InvalidEvaluationData(f"{source} is not in SQuAD's form: it lacks {error}") from error
    except TypeError as error:
        raise InvalidEvaluationData(f"{source} is not in SQuAD's form: {error}") from error
    except ValueError as error:
        raise InvalidEvaluationData(f"{source}: {error}") from error
    twice = [name for name, n in Counter(question.question_id for question in questions).items() if n > 1]
    if twice:
        raise InvalidEvaluationData(f"{source} has more than one question with the id {twice[0]!r}: give each its own")
    if not questions:
        raise InvalidEvaluationData(f"{source} holds no questions")
    return questions


def _question(qa: Mapping[str, Any], article: str, paragraph: str) -> Question:  # as JSON has it
    question_id = qa["id"]
    spans = tuple(_span(answer, paragraph, question_id) for answer in qa["answers"])
    if bool(spans) == ("is_impossible" in qa and qa["is_impossible"]):
        raise ValueError(f"question {question_id!r} has {len(spans)} answers, which is_impossible contradicts")
    for value in (question_id, qa["question"], article):
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is no text")
    return Question(question_id, qa["question"], article, paragraph, spans)


def _span(answer: Mapping[str, Any], paragraph: str, question_id: str) -> Span:  # as JSON has it
    start, text = answer["answer_start"], answer["text"]
    if not text or paragraph[max(start, 0) : start + len(text)] != text:
        raise ValueError(f"the answer {text!r} of question {question_id!r} is not at {start} of its paragraph")
    return Span(start, start + len(text))


def select(questions: Iterable[Question], articles: Sequence[str]) -> list[Question]:
    """Return the questions on these articles.

    Raises:
        InvalidEvaluationData: There are none on one of the articles.
    """
    wanted = set(articles)
    chosen = [question for question in questions if question.article in wanted]
    missing = wanted - {question.article for question in chosen}
    if missing:
        raise InvalidEvaluationData(f"there are no questions on the articles {', '.join(sorted(missing))}")
    return chosen


def read_reported_articles(path: Path) -> list[str]:
    """Return the articles that a reader's weights were not fitted on, as the file of its weights names them.

    Raises:
        InvalidEvaluationData: It names none.
    """
    try:
        names = _read_json(path)["reported_on_articles"]
    except (KeyError, TypeError) as error:
        raise InvalidEvaluationData(f"{path} has no list “reported_on_articles”") from error
    return [str(name) for name in names]


def read_articles(path: Path) -> dict[str, list[str]]:
    """Return the paragraphs of articles by the articles' names, in order of the names.

    Args:
        path: A tar archive with a text file per article, one paragraph a line.

    Raises:
        InvalidEvaluationData: It is no such archive.
    """
    try:
        with tarfile.open(path) as archive:
            streams = {member.name: archive.extractfile(member) for member in archive.getmembers()}
            return {
                PurePosixPath(name).stem: stream.read().decode().split("\n")
                for name, stream in sorted(streams.items())
                if stream is not None
            }
    except (OSError, EOFError, tarfile.TarError, UnicodeDecodeError) as error:
        raise InvalidEvaluationData(f"{path} is no archive of articles: {error}") from error


def write_articles(articles: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Write each article as a Markdown document of its name, under its title."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, paragraphs in articles.items():
        text = "\n\n".join([f"# {title_of(name)}", *paragraphs])
        (folder / _file_name(name)).write_text(text, encoding="utf-8")


def title_of(article: str) -> str:
    """Return an article's title as people write it."""
    return article.replace("_", " ")


def on_documents(questions: Iterable[Question]) -> list[Question]:
    """Return the questions with the id that their article has as a document of `write_articles`."""
    return [replace(question, article=_file_name(question.article)) for question in questions]


def _file_name(article: str) -> str:
    return f"{article}.md"


def locate(question: Question, text: str) -> list[Span]:
    """Return where the gold answers stand in the text of the document that holds the question's paragraph.

    A paragraph is found by the lines that the answers are in, since a collection may part its lines.

    Raises:
        InvalidEvaluationData: The document does not hold a line with an answer.
    """
    spans = []
    for gold in question.answers:
        start = question.paragraph.rfind("\n", 0, gold.start) + 1
        line = question.paragraph[start : gold.end] + question.paragraph[gold.end :].partition("\n")[0]
        found = text.find(line)
        if found < 0:
            raise InvalidEvaluationData(
                f"{question.article} does not hold the paragraph of question {question.question_id!r}: "
                "index the documents that the questions were asked of"
            )
        spans.append(gold.shifted(found - start))
    return spans


def _read_json(path: Path) -> Any:  # what a file holds is found out by reading it
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidEvaluationData(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidEvaluationData(f"{path} is no JSON: {error}") from error
