"""Turn one of the classic test collections, Cranfield or CISI, into BEIR's form.

    python -m benchmarks.to_beir cranfield DATA/cranfield var/beir/cranfield

Reads SMART's form (.I number, .T title, .A authors, .B source, .W text, .X references) and writes corpus.jsonl,
queries.jsonl and qrels/test.tsv. Of a document title and text are taken; what anybody judged relevant, to whatever
degree, counts as relevant: Cranfield's grades run from 1 (a complete answer) to 4 (of least interest), and -1 or 5
for none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

_ENCODING = "utf-8"


@dataclass(frozen=True, slots=True)
class Collection:
    """Names of a collection's files, and what of its judgements is peculiar.

    Attributes:
        is_by_order: Judgements number the queries 1, 2, … in their order, not by what stands after .I.
    """

    documents: str
    queries: str
    judgements: str
    is_by_order: bool


COLLECTIONS = {
    "cranfield": Collection("cran.all.1400", "cran.qry", "cranqrel", is_by_order=True),
    "cisi": Collection("CISI.ALL", "CISI.QRY", "CISI.REL", is_by_order=False),
}


def entries(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the number and the fields of each entry of a file in SMART's form, white space made single."""
    for entry in re.split(r"^\.I +", path.read_text(_ENCODING), flags=re.MULTILINE)[1:]:
        number, _, rest = entry.partition("\n")
        parts = re.split(r"^\.([A-Z])[ \t]*$\n?", rest, flags=re.MULTILINE)
        fields: dict[str, str] = {}
        for name, value in zip(parts[1::2], parts[2::2], strict=True):
            # An abstract is sometimes cut by a second field of the same name.
            fields[name] = " ".join(f"{fields.get(name, '')} {value}".split())
        yield str(int(number)), fields


def judgements(path: Path) -> Iterator[tuple[str, str]]:
    """Yield query and document of each judgement that is not "of no interest"."""
    for line in path.read_text(_ENCODING).splitlines():
        query, document, grade, *_ = line.split()
        if path.name != "cranqrel" or int(grade) in range(1, 5):
            yield query, document


@click.command()
@click.argument("name", type=click.Choice(sorted(COLLECTIONS)))
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("target", type=click.Path(file_okay=False, path_type=Path))
def main(name: str, source: Path, target: Path) -> None:
    """Write the collection NAME, whose files are in SOURCE, to TARGET."""
    files = COLLECTIONS[name]
    (target / "qrels").mkdir(parents=True, exist_ok=True)
    with (target / "corpus.jsonl").open("w", encoding=_ENCODING) as stream:
        for number, fields in entries(source / files.documents):
            document = {"_id": number, "title": fields.get("T", ""), "text": fields.get("W", "")}
            stream.write(json.dumps(document, ensure_ascii=False) + "\n")
    with (target / "queries.jsonl").open("w", encoding=_ENCODING) as stream:
        for order, (number, fields) in enumerate(entries(source / files.queries), start=1):
            query = {"_id": str(order) if files.is_by_order else number, "text": fields["W"]}
            stream.write(json.dumps(query, ensure_ascii=False) + "\n")
    with (target / "qrels" / "test.tsv").open("w", encoding=_ENCODING) as stream:
        stream.write("query-id\tcorpus-id\tscore\n")
        for query_id, document_id in judgements(source / files.judgements):
            stream.write(f"{query_id}\t{document_id}\t1\n")


if __name__ == "__main__":
    main()
