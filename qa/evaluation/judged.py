"""Queries with judgements of which documents are relevant: BEIR's folders, TREC's files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

from index.errors import InvalidEvaluationData

_LONGEST_NAME = 200
_TOPIC = re.compile(r"<top>(.*?)</top>", re.DOTALL | re.IGNORECASE)
_NUMBER = re.compile(r"<num>\s*(?:Number:)?\s*([^\s<]+)", re.IGNORECASE)
_TITLE = re.compile(r"<title>\s*(?:Topic:)?([^<]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries and judgements.

    Attributes:
        queries: Texts by their ids; only those that have a judgement above 0.
        qrels: By query, grades of documents by their ids; 0 and less: not relevant.
    """

    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]


def read_beir(folder: Path, split: str) -> Judged:
    """Return queries and judgements of a folder in BEIR's form.

    Args:
        split: Name of a file in `qrels/`, without ".tsv".

    Raises:
        InvalidEvaluationData: A file is missing, or not of this form.
    """
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        there = ", ".join(sorted(some.stem for some in (folder / "qrels").glob("*.tsv"))) or "none"
        raise InvalidEvaluationData(f"{folder} has no judgements {split!r}: there are {there}; name one with --split")
    qrels: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        cells = line.split("\t")
        if number == 1 and cells[-1].strip() == "score":
            continue
        if len(cells) != 3:
            raise InvalidEvaluationData(f"line {number} of {path} is not query, document and grade between tabs")
        qrels.setdefault(cells[0], {})[cells[1]] = _grade(cells[2], path, number)
    entries = (_entry(line, path, number) for path in (folder / "queries.jsonl",) for number, line in _lines(path))
    return _judged({entry["_id"]: entry["text"] for entry in entries}, qrels, folder)


def read_trec(topics: Path, qrels_file: Path) -> Judged:
    """Return the queries of a file of topics with judgements in TREC's form.

    Args:
        topics: Of <top> elements with <num> and <title>, or a query a line after its id and a tab.
        qrels_file: Lines of query, anything, document and grade.

    Raises:
        InvalidEvaluationData: A file is not of this form.
    """
    qrels: dict[str, dict[str, int]] = {}
    for number, line in _lines(qrels_file):
        cells = line.split()
        if len(cells) != 4:
            raise InvalidEvaluationData(f"line {number} of {qrels_file} is not “query 0 document grade”")
        qrels.setdefault(cells[0], {})[cells[2]] = _grade(cells[3], qrels_file, number)
    text = "\n".join(line for _, line in _lines(topics))
    queries: dict[str, str] = {}
    for topic in _TOPIC.findall(text):
        found, title = _NUMBER.search(topic), _TITLE.search(topic)
        if not found or not title:
            raise InvalidEvaluationData(f"a topic of {topics} lacks <num> or <title>: {topic[:80]!r}")
        queries[found[1]] = " ".join(title[1].split())
    if not queries:
        for number, line in _lines(topics):
            query_id, tab, query = line.partition("\t")
            if not tab or not query.strip():
                raise InvalidEvaluationData(f"line {number} of {topics} is not an id, a tab and a query")
            queries[query_id.strip()] = query.strip()
    return _judged(queries, qrels, topics)


def _judged(queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]], source: Path) -> Judged:
    asked = {query_id: found for query_id, found in qrels.items() if any(grade > 0 for grade in found.values())}
    missing = [query_id for query_id in asked if query_id not in queries]
    if missing or not asked:
        what = f"no query {missing[0]!r}, which has judgements" if missing else "no query with a relevant document"
        raise InvalidEvaluationData(f"{source} has {what}")
    return Judged({query_id: queries[query_id] for query_id in asked}, asked)


def write_corpus(folder: Path, target: Path) -> int:
    """Write the corpus of a folder in BEIR's form as Markdown documents, one at a time; return how many.

    A document that is there already is not written again, so that an update finds it unchanged; one without
    any text is left out.

    Raises:
        InvalidEvaluationData: A line is not of this form.
    """
    n_documents = 0
    path = folder / "corpus.jsonl"
    for number, line in _lines(path):
        entry = _entry(line, path, number)
        title = " ".join(str(entry.get("title") or "").split())
        text = "\n\n".join(part for part in (f"# {title}" if title else "", entry["text"]) if part)
        if not text.strip():
            continue
        file = target / file_of(entry["_id"])
        content = text.encode("utf-8", "replace")
        if not file.is_file() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        n_documents += 1
    if not n_documents:
        raise InvalidEvaluationData(f"{path} holds no documents")
    return n_documents


def file_of(corpus_id: str) -> str:
    """Return the document id under which a document of a corpus is written.

    In one of 256 folders, since some file systems are slow where one holds a million files.
    """
    name = quote(corpus_id, safe="").replace(".", "%2E")
    if not name or len(name) > _LONGEST_NAME:
        raise InvalidEvaluationData(f"the document id {corpus_id[:40]!r} is empty or too long for a file's name")
    return f"{hashlib.sha256(corpus_id.encode('utf-8', 'replace')).hexdigest()[:2]}/{name}.md"


def corpus_id_of(doc_id: str) -> str:
    """Return the id in its corpus of a document that `write_corpus` wrote."""
    return unquote(PurePosixPath(doc_id).stem)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidEvaluationData(f"cannot read {path}: {error}") from error


def _entry(line: str, path: Path, number: int) -> dict[str, Any]:  # JSON
    try:
        entry = json.loads(line)
        if isinstance(entry["_id"], str) and isinstance(entry["text"], str):
            return dict(entry)
    except (ValueError, KeyError, TypeError):
        pass
    raise InvalidEvaluationData(f"line {number} of {path} is no object with an _id and a text")


def _grade(cell: str, path: Path, number: int) -> int:
    try:
        return int(cell)
    except ValueError as error:
        raise InvalidEvaluationData(f"line {number} of {path} has no whole number for a grade") from error
