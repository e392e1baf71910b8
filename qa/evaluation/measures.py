"""The measures: of one answer, of a decision to stay silent, and of a confidence. Pure.

All of them are shares or probabilities in [0, 1].
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Booleans: TypeAlias = NDArray[np.bool_]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(answer: str) -> str:
    """Return an answer in lower case, without ASCII punctuation and articles, its words one space apart.

    Source: the official script of SQuAD 2.0 (Rajpurkar et al. 2018, https://arxiv.org/abs/1806.03822). In
    its order: punctuation goes first and leaves no space, so that "well-known" is one word.
    """
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_WITHOUT_PUNCTUATION)).split())


def exact_match(answer: str, gold: str) -> float:
    """Return 1 where both answers are the same once normalised, else 0."""
    return float(normalise(answer) == normalise(gold))


def f1(answer: str, gold: str) -> float:
    """Return the harmonic mean of precision and recall over the words of the normalised answers.

    Where one of them has no words: 1 if the other has none either, else 0.
    """
    words, gold_words = normalise(answer).split(), normalise(gold).split()
    if not words or not gold_words:
        return float(words == gold_words)
    n_shared = (Counter(words) & Counter(gold_words)).total()
    return 2 * n_shared / (len(words) + len(gold_words))


def best_over(measure: Callable[[str, str], float], answer: str, golds: Iterable[str]) -> float:
    """Return a measure's best value over the gold answers.

    As in the official script, a gold answer without words does not count; where none is left, and so for
    an unanswerable question, silence ("") is the gold answer.
    """
    return max(measure(answer, gold) for gold in [gold for gold in golds if normalise(gold)] or [""])


def holds_answer(passage: str, golds: Iterable[str]) -> bool:
    """Return whether a passage holds a gold answer, token for token, whatever the case.

    Tokens are words and single marks, so that "steel-built" holds "steel" and "1890s" does not hold "1890".

    Source: the retrieval accuracy of Karpukhin et al. 2020 (DPR), https://arxiv.org/abs/2004.04906, section 5.
    """
    tokens = _tokens(passage)
    return any(wanted in tokens for wanted in map(_tokens, golds) if wanted.strip())


def _tokens(text: str) -> str:
    """Return a text's tokens with a space on both sides of each."""
    return f" {' '.join(_TOKEN.findall(unicodedata.normalize('NFC', text).casefold()))} "


def with_silence(scores: Floats, confidence: Floats, is_answerable: Booleans, *, threshold: float) -> Floats:
    """Return the scores where answers below the threshold are held back: right for unanswerable questions alone.

    Args:
        scores: EM or F1 of each question's answer, were it given.
    """
    return np.where(confidence < threshold, (~is_answerable).astype(np.float64), scores)


@dataclass(frozen=True, slots=True)
class BestThreshold:
    """The most that any threshold reaches: `value`, the mean score, answering from `threshold` on."""

    value: float
    threshold: float


def best_threshold(scores: Floats, confidence: Floats, is_answerable: Booleans) -> BestThreshold:
    """Return the threshold with the highest mean of `with_silence`; ties: the highest.

    Where it is best to say nothing at all, it is just above every confidence. This is the official
    script's `best_exact` and `best_f1`, but for ties: questions of one confidence are answered together,
    or not at all. (The script parts them, and can report a value that no threshold reaches.)
    """
    order = np.argsort(-confidence, kind="stable")
    gains = (scores - ~is_answerable)[order]
    ordered = confidence[order]
    thresholds = np.concatenate([[np.nextafter(ordered[0], np.inf)], ordered])
    means = (np.count_nonzero(~is_answerable) + np.concatenate([[0.0], np.cumsum(gains)])) / len(scores)
    is_last_of_ties = np.append(thresholds[:-1] > thresholds[1:], True)
    best = np.flatnonzero(is_last_of_ties)[np.argmax(means[is_last_of_ties])]
    return BestThreshold(float(means[best]), float(thresholds[best]))


def auroc(scores: Floats, is_positive: Booleans) -> float:
    """Return the probability that a positive scores higher than a negative, ties counting half.

    Returns:
        NaN where there are no positives or no negatives.

    Source: the Mann-Whitney U statistic over midranks, Hanley and McNeil 1982,
    https://doi.org/10.1148/radiology.143.1.7063747.
    """
    n_positive = np.count_nonzero(is_positive)
    n_pairs = n_positive * (len(scores) - n_positive)
    if not n_pairs:
        return float("nan")
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    midranks = np.cumsum(sizes) - (sizes - 1) / 2
    u = midranks[group][is_positive].sum() - n_positive * (n_positive + 1) / 2
    return float(u / n_pairs)


@dataclass(frozen=True, slots=True)
class Bin:
    """The questions whose confidence is in [low, high): how many, their mean confidence, the share of right ones."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def reliability(confidence: Floats, is_right: Booleans, *, n_bins: int = 10) -> list[Bin]:
    """Return the bins of equal width that hold questions, in order; a confidence of 1 is in the last."""
    numbers = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    return [
        Bin(
            float(number) / n_bins,
            float(number + 1) / n_bins,
            int(np.count_nonzero(numbers == number)),
            float(confidence[numbers == number].mean()),
            float(is_right[numbers == number].mean()),
        )
        for number in np.unique(numbers)
    ]


def expected_calibration_error(confidence: Floats, is_right: Booleans, *, n_bins: int = 10) -> float:
    """Return the mean gap between confidence and share of right answers, over bins of equal width.

    Source: Guo et al. 2017, https://arxiv.org/abs/1706.04599, equation 3.
    """
    bins = reliability(confidence, is_right, n_bins=n_bins)
    return sum(some.n * abs(some.accuracy - some.confidence) for some in bins) / len(confidence)


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """What answering more questions costs: a point for each threshold, from the strictest on.

    Attributes:
        coverage: Share of the questions that are answered, rising to 1.
        risk: Share of wrong ones among the answered.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]


def risk_coverage(confidence: Floats, is_right: Booleans, *, n_points: int | None = None) -> RiskCoverage:
    """Return the risk-coverage curve.

    Args:
        n_points: Of the curve at most; None for a point for each confidence that occurs.

    Source: El-Yaniv and Wiener 2010, https://jmlr.org/papers/v11/el-yaniv10a.html.
    """
    n_answered, risks = _risks(confidence, is_right)
    kept: Sequence[int] | NDArray[np.intp] = range(len(risks))
    if n_points is not None and len(risks) > n_points:
        kept = np.unique(np.linspace(0, len(risks) - 1, n_points).astype(np.intp))
    coverage = n_answered / len(confidence)
    return RiskCoverage(tuple(float(coverage[n]) for n in kept), tuple(float(risks[n]) for n in kept))


def aurc(confidence: Floats, is_right: Booleans) -> float:
    """Return the area under the risk-coverage curve: the mean, over questions, of the risk at each one's confidence.

    Source: Geifman, Uziel and El-Yaniv 2019, https://arxiv.org/abs/1805.08206, section 3.
    """
    n_answered, risks = _risks(confidence, is_right)
    return float(np.average(risks, weights=np.diff(n_answered, prepend=0)))


def _risks(confidence: Floats, is_right: Booleans) -> tuple[NDArray[np.int64], Floats]:
    """Return for each confidence that occurs, highest first, how many have it or a higher one, and their risk."""
    _, group, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)
    n_answered = np.cumsum(sizes)
    n_wrong = np.cumsum(np.bincount(group, weights=~is_right))
    return n_answered, n_wrong / n_answered
