"""Does it help to encode a passage with its title and headings before it?

    python -m benchmarks.context DATA [--others 24]

SQuAD 2.0's answerable questions (DATA/squad2-cs224n-dev) over whole Wikipedia articles
(DATA/squad1-articles), each one Markdown document titled by its article. Prints R@k: the share of
questions for which one of the first k passages holds a gold answer in its own paragraph.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import click
from rich.progress import track

from index.encoder import EMBEDDED, Encoder, open_encoder
from index.passages import PassageSettings
from index.records import Filter
from index.retriever import retrieve
from index.store.embedded import EmbeddedStore
from index.update import update
from qa.evaluation.datasets import Question, on_documents, read_articles, read_squad, write_articles
from qa.evaluation.runs import evidence_rank

_DEPTHS = (1, 5, 20)


def measure(documents: Path, questions: list[Question], settings: PassageSettings, encoder: Encoder) -> list[float]:
    """Return R@k at `_DEPTHS` for one way to cut and encode."""
    with tempfile.TemporaryDirectory() as folder:
        update(documents, Path(folder), encoder=encoder, encoder_name=EMBEDDED, passages=settings)
        with closing(EmbeddedStore(Path(folder))) as store, store.snapshot() as snapshot:
            ranks = []
            for question in track(questions, f"Asking ({settings.context_tokens} tokens of context)"):
                vector = encoder.encode_questions([question.text])[0]
                hits = retrieve(snapshot, question.text, vector, k=max(_DEPTHS), restriction=Filter())
                text = snapshot.document(question.article).text
                ranks.append(evidence_rank(hits, question, text) or max(_DEPTHS) + 1)
    return [sum(rank <= depth for rank in ranks) / len(ranks) for depth in _DEPTHS]


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--others", default=24, show_default=True, help="Articles without questions.")
def main(data: Path, others: int) -> None:
    """Print R@k with and without context."""
    encoder = open_encoder()
    asked = [q for q in read_squad(data / "squad2-cs224n-dev" / "dev-v2.0.json") if q.is_answerable][::2]
    questions = on_documents(asked)
    texts = read_articles(data / "squad1-articles" / "articles.tar.gz")
    wanted = {question.article for question in asked}
    unasked = [name for name in texts if name not in wanted][:others]
    with tempfile.TemporaryDirectory() as folder:
        write_articles({name: texts[name] for name in (*wanted, *unasked)}, Path(folder))
        for settings in (PassageSettings(), PassageSettings(max_tokens=206, context_tokens=0)):
            found = measure(Path(folder), questions, settings, encoder)
            shown = "  ".join(f"R@{depth} {value:.4f}" for depth, value in zip(_DEPTHS, found, strict=True))
            click.echo(f"context {settings.context_tokens:3} tokens: {shown}  ({len(questions)} questions)")


if __name__ == "__main__":
    main()
