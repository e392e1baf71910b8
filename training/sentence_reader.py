"""Fit the sentence reader's weights, calibration and threshold.

    python -m training.sentence_reader DATA [--limit 400]

Data: SQuAD 2.0 questions on 16 Wikipedia articles (DATA/squad2-cs224n-dev/dev-v2.0.json). They are
split by article: a half to fit on and a half to report on, each of two parts A and B. The reader is
asked over a collection of A's articles and 24 others (DATA/squad1-articles/articles.tar.gz), each one
Markdown document under its title:

- answerable: A's answerable questions. The right sentence is one of the gold paragraph that holds a
  gold answer;
- absent: B's answerable questions. Their documents are not in the collection, so no sentence is right;
- adversarial: A's unanswerable questions, written to look answerable from a paragraph that is there.

Steps: a softmax over all sentences that were read for a question, trained to be high for the right
ones, gives the weights of the two kinds of nearness. Logistic regression over the best sentences of
answerable and absent questions (Platt scaling), both kinds weighing the same, gives the confidence;
the threshold is the one with the most right outcomes there (a right sentence, or silence where
nothing is right). Adversarial questions are reported on and not fitted on: what sets them apart is
in the grammar, of which this reader sees nothing, and fitting on them only makes it say less.
"""

from __future__ import annotations

import json
import random
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

import click
import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from index.encoder import EMBEDDED, open_encoder
from index.records import Filter
from index.retriever import retrieve
from index.store.embedded import EmbeddedStore
from index.update import update
from qa.confidence import Calibration
from qa.reader import SentenceReader, SentenceWeights, answer_spans

_K = 5
_SEED = 20261123


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the paragraph that answers it; `answers` is empty where none does."""

    text: str
    article: str
    paragraph: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """What the reader saw for a question: (n, 2) nearness of n sentences, and which of them are right."""

    question: Question
    features: NDArray[np.float64]
    is_right: NDArray[np.bool_]


def load_questions(path: Path) -> list[Question]:
    """Return all questions of a SQuAD 2.0 file."""
    return [
        Question(qa["question"], article["title"], paragraph["context"], tuple(a["text"] for a in qa["answers"]))
        for article in json.loads(path.read_bytes())["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]


def load_articles(path: Path) -> dict[str, list[str]]:
    """Return the paragraphs of Wikipedia articles by the articles' titles."""
    with tarfile.open(path) as archive:
        streams = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        return {
            PurePosixPath(name).stem.replace("_", " "): stream.read().decode().split("\n")
            for name, stream in sorted(streams.items())
            if stream is not None
        }


def write_articles(articles: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Write each article as a Markdown document under its title."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (title, paragraphs) in enumerate(articles.items()):
        (folder / f"{number:03}.md").write_text("\n\n".join([f"# {title}", *paragraphs]), encoding="utf-8")


def choose_articles(
    articles: Mapping[str, Sequence[str]], *, wanted: set[str], unwanted: set[str], n_others: int
) -> dict[str, Sequence[str]]:
    """Return the articles that hold a wanted paragraph and n others, none of which holds an unwanted one."""
    chosen = {title: some for title, some in articles.items() if not wanted.isdisjoint(some)}
    others = [title for title, some in articles.items() if (wanted | unwanted).isdisjoint(some)]
    return chosen | {title: articles[title] for title in others[:n_others]}


def read_all(asked: Sequence[Question], articles: Mapping[str, Sequence[str]], folder: Path) -> list[Read]:
    """Index the articles, ask the questions, and return what the reader saw."""
    write_articles(articles, folder / "documents")
    encoder = open_encoder()
    update(folder / "documents", folder / "index", encoder=encoder, encoder_name=EMBEDDED)
    reader = SentenceReader(encoder, weights=SentenceWeights(1, 1), calibration=Calibration(1, 0, 0))
    found: list[Read] = []
    with closing(EmbeddedStore(folder / "index")) as store, store.snapshot() as snapshot:
        for question in track(asked, "Asking"):
            vector = encoder.encode_questions([question.text])[0]
            hits = retrieve(snapshot, question.text, vector, k=_K, restriction=Filter())
            passages = [hit.passage for hit in hits]
            spans = [answer_spans(passage) for passage in passages]
            features = reader.nearness(question.text, passages, spans)
            is_right = [
                is_right_sentence(span.of(passage.text), question)
                for passage, some in zip(passages, spans, strict=True)
                for span in some
            ]
            found.append(Read(question, features, np.array(is_right, dtype=np.bool_)))
    return found


def is_right_sentence(sentence: str, question: Question) -> bool:
    """Return whether a sentence is of the gold paragraph and holds a gold answer."""
    return sentence in question.paragraph and any(answer in sentence for answer in question.answers)


def _sampled(questions: Sequence[Question], limit: int) -> list[Question]:
    """Return at most `limit` of the questions, the same ones every time."""
    return random.Random(_SEED).sample(questions, min(limit, len(questions)))


def fit_weights(reads: Sequence[Read]) -> SentenceWeights:
    """Return the weights that give right sentences the most of one softmax over a question's sentences."""
    answerable = [read for read in reads if read.is_right.any()]

    def loss(weights: NDArray[np.float64]) -> float:
        scores = [read.features @ weights for read in answerable]
        right = [logsumexp(score[read.is_right]) for score, read in zip(scores, answerable, strict=True)]
        return float(np.mean([logsumexp(score) for score in scores]) - np.mean(right))

    return SentenceWeights(*map(float, minimize(loss, np.ones(2), method="BFGS").x))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Each question's best sentence: its score, whether it is right, whether there was a right one to find."""

    scores: NDArray[np.float64]
    is_right: NDArray[np.bool_]
    is_answerable: NDArray[np.bool_]
    weights: NDArray[np.float64]

    def accuracy(self, confidence: NDArray[np.float64], threshold: float) -> float:
        """Return the weighted share of right outcomes: a right sentence, or silence where none is right."""
        is_silent = confidence < threshold
        right = np.where(self.is_answerable, self.is_right & ~is_silent, is_silent)
        return float(np.average(right, weights=self.weights))


def outcomes(reads: Sequence[Read], weights: SentenceWeights) -> Outcomes:
    """Return the outcomes, answerable and unanswerable questions weighing the same in all."""
    scores = [read.features @ np.array([weights.similarity, weights.overlap]) for read in reads]
    best = [int(np.argmax(score)) for score in scores]
    is_answerable = np.array([bool(read.question.answers) for read in reads])
    return Outcomes(
        np.array([score[index] for score, index in zip(scores, best, strict=True)]),
        np.array([bool(read.is_right[index]) for read, index in zip(reads, best, strict=True)]),
        is_answerable,
        np.where(is_answerable, 0.5 / max(is_answerable.sum(), 1), 0.5 / max((~is_answerable).sum(), 1)),
    )


def fit_calibration(fitted: Outcomes) -> Calibration:
    """Return Platt's scaling of the scores, and the threshold with the most right outcomes."""
    model = LogisticRegression(C=1e6)
    model.fit(fitted.scores[:, None], fitted.is_right, sample_weight=fitted.weights * len(fitted.scores))
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    free = Calibration(slope, intercept, 0.0)
    confidence = np.array([free.confidence(score) for score in fitted.scores])
    grid = np.linspace(0, 1, 101)
    threshold = max(grid, key=lambda value: (fitted.accuracy(confidence, value), -value))
    return Calibration(slope, intercept, round(float(threshold), 2))


def describe(tested: Outcomes, adversarial: Outcomes, calibration: Calibration) -> dict[str, float]:
    """Return the measures that are given with the weights, on questions that nothing was fitted on."""
    confidence = np.array([calibration.confidence(score) for score in tested.scores])
    is_silent = confidence < calibration.min_confidence
    answered = tested.is_answerable & ~is_silent
    silent_of_adversarial = [calibration.confidence(s) < calibration.min_confidence for s in adversarial.scores]
    return {
        "n_answerable": int(tested.is_answerable.sum()),
        "right_sentence_first": float(tested.is_right[tested.is_answerable].mean()),
        "answered_of_answerable": float((~is_silent)[tested.is_answerable].mean()),
        "right_of_answered": float(tested.is_right[answered].mean()) if answered.any() else 0.0,
        "silent_of_absent": float(is_silent[~tested.is_answerable].mean()),
        "silent_of_adversarial": float(np.mean(silent_of_adversarial)),
        "auroc_answerable_against_absent": float(roc_auc_score(tested.is_answerable, tested.scores)),
        "ece": expected_calibration_error(confidence, tested.is_right, tested.weights),
    }


def expected_calibration_error(
    confidence: NDArray[np.float64], is_right: NDArray[np.bool_], weights: NDArray[np.float64], n_bins: int = 10
) -> float:
    """Return the mean gap between confidence and share of right ones over bins of equal width.

    Source: Guo et al. 2017, https://arxiv.org/abs/1706.04599, equation 3.
    """
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = [
        weights[bins == number].sum()
        * abs(
            np.average(confidence[bins == number], weights=weights[bins == number])
            - np.average(is_right[bins == number], weights=weights[bins == number])
        )
        for number in np.unique(bins)
    ]
    return float(sum(gaps) / weights.sum())


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--limit", default=400, show_default=True, help="Questions of each of the three kinds, a half.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("qa/weights/sentence_reader.json"))
def main(data: Path, limit: int, output: Path) -> None:
    """Fit on half of the articles in DATA, report on the other half, and write the weights."""
    questions = load_questions(data / "squad2-cs224n-dev" / "dev-v2.0.json")
    articles = sorted({question.article for question in questions})
    random.Random(_SEED).shuffle(articles)
    texts = load_articles(data / "squad1-articles" / "articles.tar.gz")
    all_paragraphs = {question.paragraph for question in questions}
    halves: list[tuple[list[Read], list[Read]]] = []
    for first in (0, len(articles) // 2):
        inside = set(articles[first : first + len(articles) // 4])
        outside = set(articles[first + len(articles) // 4 : first + len(articles) // 2])
        answerable = _sampled([q for q in questions if q.article in inside and q.answers], limit)
        absent = _sampled([replace(q, answers=()) for q in questions if q.article in outside and q.answers], limit)
        adversarial = _sampled([q for q in questions if q.article in inside and not q.answers], limit)
        wanted = {question.paragraph for question in questions if question.article in inside}
        chosen = choose_articles(texts, wanted=wanted, unwanted=all_paragraphs, n_others=24)
        with tempfile.TemporaryDirectory() as folder:
            reads = read_all([*answerable, *absent, *adversarial], chosen, Path(folder))
        n_fitted = len(answerable) + len(absent)
        halves.append((reads[:n_fitted], reads[n_fitted:]))
    (fitted, _), (tested, adversarial_reads) = halves
    weights = fit_weights(fitted)
    calibration = fit_calibration(outcomes(fitted, weights))
    report = describe(outcomes(tested, weights), outcomes(adversarial_reads, weights), calibration)
    stored = {
        "weights": asdict(weights),
        "calibration": asdict(calibration),
        "made_by": "python -m training.sentence_reader",
        "fitted_on_articles": articles[: len(articles) // 2],
        "reported_on_articles": articles[len(articles) // 2 :],
        "report": {name: round(value, 4) for name, value in report.items()},
    }
    output.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
    click.echo(json.dumps(stored, indent=2))


if __name__ == "__main__":
    main()
