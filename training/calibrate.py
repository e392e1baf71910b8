"""Fit the reader's confidence, threshold and risks on articles that it was not trained on.

    python -m training.calibrate DATA [--reader FOLDER]

The questions are those of `training.prepare`'s dev articles, asked in the two ways in which a reader is used:
with their paragraph given, and over a collection of whole articles through our own retriever, five passages
read. Of the articles of new Wikipedia half are in the collection; the questions on the others are questions
whose documents are absent. Logistic regression of "is the best answer right" on the evidence gives the
confidence. An answer is right if its F1 with a gold answer is at least one half. Nobody knows how many of a person's
questions have no answer: here those weigh as much in all as those that have one. The threshold has the most right
outcomes over the collection, or as many but for chance, answerable questions beside absent ones as they come, two to
one: people ask what they expect to find. Questions that were written to mislead are in the fit of the confidence alone.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression

from index.encoder import EMBEDDED, open_encoder
from index.records import Filter, Hit
from index.retriever import retrieve
from index.store.embedded import EmbeddedStore
from index.update import update
from qa.answering import find_candidates
from qa.confidence import Evidence, logistic
from qa.evaluation.datasets import Question, read_articles, read_squad, write_articles
from qa.evaluation.measures import best_over, f1
from qa.evaluation.runs import own_paragraph
from qa.reader import Reader
from qa.readers import CALIBRATION, embedded_folder, open_reader
from qa.readers import EMBEDDED as EMBEDDED_READER
from training.manifest import write_manifest
from training.prepare import DEV_ARTICLES, DEV_WIKI, TEST_ARTICLES

RIGHT_FROM = 0.5
"""F1 with a gold answer."""

_K = 5
_N_OTHERS = 80
_SEED = 20261124
_FEATURES = ("answerability", "log_share", "dense", "lexical")
_RISKS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
_LEAST_ANSWERED = 50
"""Answers by which a risk is measured; fewer say nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a question: its best answer's evidence, whether that is right, and whether there is an answer."""

    kind: str
    article: str
    evidence: Evidence
    is_right: bool
    is_answerable: bool


def outcome(kind: str, question: Question, hits: Sequence[Hit], reader: Reader, *, is_absent: bool = False) -> Outcome:
    """Return what comes of a question over some hits."""
    golds = () if is_absent else question.golds
    best = find_candidates(question.text, hits, reader)[0]
    return Outcome(
        kind,
        question.article,
        best.evidence,
        bool(golds) and best_over(f1, best.text, golds) >= RIGHT_FROM,
        bool(golds),
    )


def collect(data: Path, reader: Reader) -> list[Outcome]:
    """Return the outcomes of all dev questions, each asked in both ways."""
    squad2 = [q for q in read_squad(data / "squad2-cs224n-dev" / "dev-v2.0.json") if q.article in DEV_ARTICLES]
    wiki = [q for q in read_squad(data / "squadshifts" / "new_wiki_v1.0.json") if q.article in DEV_WIKI]
    found = [outcome("given", q, [own_paragraph(q)], reader) for q in track([*squad2, *wiki], "Paragraphs given")]
    absent = set(DEV_WIKI[: len(DEV_WIKI) // 2])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_articles(_collection(data, [*squad2, *(q for q in wiki if q.article not in absent)]), root / "documents")
        encoder = open_encoder()
        update(root / "documents", root / "index", encoder=encoder, encoder_name=EMBEDDED)
        with closing(EmbeddedStore(root / "index")) as store, store.snapshot() as snapshot:
            for question in track([*squad2, *wiki], "Over the collection"):
                vector = encoder.encode_questions([question.text])[0]
                hits = retrieve(snapshot, question.text, vector, k=_K, restriction=Filter())
                is_absent = question.article in absent
                kind = "absent" if is_absent else "open"
                found.append(outcome(kind, question, hits, reader, is_absent=is_absent))
    return found


def _collection(data: Path, asked: Sequence[Question]) -> dict[str, list[str]]:
    """Return the articles that the questions are on, and some others, none of them a test article."""
    articles: dict[str, list[str]] = {}
    for question in asked:
        paragraphs = articles.setdefault(question.article, [])
        if question.paragraph not in paragraphs:
            paragraphs.append(question.paragraph)
    texts = read_articles(data / "squad1-articles" / "articles.tar.gz")
    others = sorted(name for name in texts if name not in {*articles, *TEST_ARTICLES, *DEV_WIKI})
    return articles | {name: texts[name] for name in random.Random(_SEED).sample(others, _N_OTHERS)}


def fit(outcomes: Sequence[Outcome]) -> tuple[dict[str, float], float]:
    """Return the weights of the features and the intercept."""
    model = LogisticRegression(C=1.0, max_iter=1000)
    model.fit(_matrix(outcomes), [some.is_right for some in outcomes], sample_weight=balance(outcomes))
    weights = {name: round(float(weight), 4) for name, weight in zip(_FEATURES, model.coef_[0], strict=True)}
    return weights, round(float(model.intercept_[0]), 4)


def balance(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    """Return a weight for each outcome, of mean 1: answerable questions have half of them all."""
    answerable = np.array([some.is_answerable for some in outcomes])
    share = answerable.mean()
    return np.where(answerable, 0.5 / share, 0.5 / (1 - share)) if 0 < share < 1 else np.ones(len(outcomes))


def _matrix(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    return np.array([[some.evidence.features()[name] for name in _FEATURES] for some in outcomes])


def threshold(confidence: NDArray[np.float64], outcomes: Sequence[Outcome]) -> float:
    """Return the middle of the confidences around the best that are as good: worse by no more than a standard error.

    Good is a right answer given, or silence where there is none. Which one is the best of them is chance.
    """
    right = np.array([some.is_right for some in outcomes])
    answerable = np.array([some.is_answerable for some in outcomes])
    grid = np.linspace(0.01, 0.99, 99)
    is_good = np.array([np.where(confidence >= bar, right, ~answerable) for bar in grid])
    worth = is_good.mean(axis=1)
    best = int(np.argmax(worth))
    error = is_good[best].std() / np.sqrt(len(outcomes))
    worse = np.flatnonzero(worth < worth[best] - error)
    first = worse[worse < best].max(initial=-1) + 1
    last = worse[worse > best].min(initial=len(grid)) - 1
    return round(float(grid[first] + grid[last]) / 2, 2)


def risks(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], weights: NDArray[np.float64]
) -> list[dict[str, float]]:
    """Return for each risk the least confidence from which on no more answers were wrong, where there is one."""
    found: list[dict[str, float]] = []
    for risk in _RISKS:
        for bar in np.arange(1, 1001) / 1000:
            kept = confidence >= bar
            if kept.sum() >= _LEAST_ANSWERED and np.average(~right[kept], weights=weights[kept]) <= risk:
                found.append({"max_risk": risk, "min_confidence": float(bar)})
                break
    return found


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--reader", "name", default=EMBEDDED_READER, show_default=True, help="It, or a folder with another.")
def main(data: Path, name: str) -> None:
    """Write a reader's calibration beside its weights."""
    folder = embedded_folder() if name == EMBEDDED_READER else Path(name)
    outcomes = collect(data, open_reader(name))
    weights, intercept = fit(outcomes)
    right = np.array([some.is_right for some in outcomes])
    held_out = _held_out_confidence(outcomes)
    usual = np.array([some.kind == "absent" or (some.kind == "open" and some.is_answerable) for some in outcomes])
    stored = {
        "weights": weights,
        "intercept": intercept,
        "min_confidence": threshold(
            held_out[usual], [some for some, chosen in zip(outcomes, usual, strict=True) if chosen]
        ),
        "risks": risks(held_out, right, balance(outcomes)),
        "right_from_f1": RIGHT_FROM,
        "n_questions": dict(sorted(Counter(some.kind for some in outcomes).items())),
        "fitted_on_articles": [*DEV_ARTICLES, *DEV_WIKI],
        "reported_on_articles": [*TEST_ARTICLES],
        "made_by": "python -m training.calibrate",
    }
    (folder / CALIBRATION).write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
    if name == EMBEDDED_READER:
        write_manifest(folder)
    click.echo(json.dumps(stored, indent=2))


def _confidence(outcomes: Sequence[Outcome], weights: dict[str, float], intercept: float) -> NDArray[np.float64]:
    logits = intercept + _matrix(outcomes) @ np.array([weights[name] for name in _FEATURES])
    return np.array([logistic(float(logit)) for logit in logits])


def _held_out_confidence(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    """Return each outcome's confidence by a fit on the other articles' questions."""
    articles = np.array([some.article for some in outcomes])
    confidence = np.empty(len(outcomes))
    for article in set(articles):
        weights, intercept = fit([some for some in outcomes if some.article != article])
        confidence[articles == article] = _confidence(
            [some for some in outcomes if some.article == article], weights, intercept
        )
    return confidence


if __name__ == "__main__":
    main()
