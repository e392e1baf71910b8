"""Questions that a passage seems to answer and does not, made from ones that it does.

Two ways: the question is changed by a word (a name or number of the passage for another, an opposite, a
negation), as the crowd workers of SQuAD 2.0 did by hand; or the sentence with the answer is taken out.

Source of the kinds: Rajpurkar, Jia and Liang 2018, https://arxiv.org/abs/1806.03822, table 2.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from index.sentences import sentence_spans

_NAME = re.compile(r"(?<=[\w,;] )[A-Z][\w'’-]+(?: (?:of |the |de |von )?[A-Z][\w'’-]+)*")
_NUMBER = re.compile(r"\b\d[\d,.]*\d\b|\b\d\b")
_QUESTION_WORD = re.compile(r"\b(?:Who|What|When|Where|Which|Why|How|In|On|At|The)\b")
_AUXILIARY = re.compile(r"\b(did|does|do|is|are|was|were|has|have|had|can|could|will|would)\b")
_OPPOSITES = """
first last, largest smallest, biggest smallest, before after, most least, north south, northern southern,
east west, eastern western, increase decrease, increased decreased, highest lowest, high low, early late,
earlier later, earliest latest, minimum maximum, more less, more fewer, win lose, won lost, begin end, began ended,
born killed, oldest youngest, oldest newest, old new, older younger, public private, male female, men women,
inside outside, major minor, legal illegal, with without, longest shortest, long short, top bottom, best worst,
better worse, large small, larger smaller, common rare, positive negative, allowed forbidden, accept reject,
accepted rejected, support oppose, supported opposed, internal external, left right, upper lower, strong weak,
rich poor, modern ancient, join leave, joined left, open close, opened closed, create destroy, created destroyed,
rise fall, enter leave, true false, same different, easy difficult, never always, ally enemy, cause prevent,
include exclude, includes excludes, allow prevent, allows prevents, gain lose, gained lost, buy sell, bought sold,
start stop, started stopped, beginning end, father mother, son daughter, husband wife, king queen, winter summer,
victory defeat, war peace, rural urban, domestic foreign, direct indirect, formal informal, natural artificial,
maximum minimum, majority minority, success failure, successful unsuccessful, known unknown, used unused
"""
_OPPOSITE_OF: dict[str, str] = {}
for _pair in _OPPOSITES.split(","):
    _one, _other = _pair.split()
    _OPPOSITE_OF.setdefault(_one, _other)
    _OPPOSITE_OF.setdefault(_other, _one)


def altered_question(question: str, passage: str, answers: Sequence[str], rng: random.Random) -> str | None:
    """Return the question changed so that the passage most likely does not answer it; None where no way fits.

    The ways are tried in a random order: a name or number of the question for another one of the passage
    (no answer, and not in the question), a word for its opposite, a negation.
    """
    ways = [_with_another(question, passage, answers, rng, pattern) for pattern in (_NAME, _NUMBER)]
    ways += [_with_opposite(question, rng)]
    rng.shuffle(ways)
    # Negation fits nearly every question; people choose it for one in ten.
    if rng.random() < 0.15:
        ways.insert(0, _negated(question))
    return next((way for way in ways if way is not None), None)


def _with_another(
    question: str, passage: str, answers: Sequence[str], rng: random.Random, pattern: re.Pattern[str]
) -> str | None:
    asked = [match for match in pattern.finditer(question) if not _QUESTION_WORD.fullmatch(match.group())]
    taken = question.casefold() + " " + " ".join(answers).casefold()
    others = sorted({match.group().strip() for match in pattern.finditer(passage)})
    others = [
        other
        for other in others
        if other.casefold() not in taken and not any(a.casefold() in other.casefold() for a in answers)
    ]
    if not asked or not others:
        return None
    match = rng.choice(asked)
    return question[: match.start()] + rng.choice(others) + question[match.end() :]


def _with_opposite(question: str, rng: random.Random) -> str | None:
    found = [match for match in re.finditer(r"\w+", question) if match.group() in _OPPOSITE_OF]
    if not found:
        return None
    match = rng.choice(found)
    return question[: match.start()] + _OPPOSITE_OF[match.group()] + question[match.end() :]


def _negated(question: str) -> str | None:
    match = _AUXILIARY.search(question)
    if match is None or "not" in question or "n't" in question:
        return None
    # "did the king" → "did the king not" needs grammar; "didn't the king" does not.
    short = {"can": "can't", "will": "won't"}.get(match.group(), match.group() + "n't")
    return question[: match.start()] + short + question[match.end() :]


def without_answer(text: str, spans: Sequence[tuple[int, int]]) -> str | None:
    """Return the text without the sentences that the spans touch; None where it answers still or little is left."""
    kept = [
        sentence
        for sentence in sentence_spans(text)
        if not any(sentence.start < end and start < sentence.end for start, end in spans)
    ]
    rest = " ".join(sentence.of(text) for sentence in kept)
    answers = {text[start:end] for start, end in spans}
    if len(kept) < 2 or any(answer in rest for answer in answers):
        return None
    return rest
