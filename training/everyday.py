"""Questions on notices that are made up: price lists, opening hours, contacts, dates and rules.

Other data are paragraphs of prose. People's folders hold tables and lists, too, in which a value belongs to a row and
a column, and where many a value looks like an answer, and the documents of several houses, where only a name tells
which of them is asked about. Some kinds of houses and some facts are held out, to tune on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from training.examples import Example, TrainingPassage
from training.notices import Author, read_said
from training.tables import CharSpan, Notice

ONE_HOUSE, SEVERAL_HOUSES = "everyday", "houses"
"""Sources of examples."""

_PER_NOTICE, _UNANSWERED_PER_NOTICE = 4, 2
"""Questions."""
_TOGETHER = 0.3
"""How often two notices are one."""
_AMONG_OTHERS, _N_RIVALS = 0.3, 2
"""How often a house stands beside others of its kind, and beside how many."""


def everyday_examples(n: int, *, seed: int, is_held_out: bool = False) -> list[Example]:
    """Return so many questions on made-up notices, of one house or of several.

    On one house's: half of those with an answer stand beside a notice of another kind. On several houses' the question
    names its house, and the others' notices say of themselves what is asked. The first passage has the answer.

    Args:
        is_held_out: Of the kinds of houses and facts that are to tune on, instead of all others.
    """
    said, rng = read_said(), random.Random(seed)
    found: list[Example] = []
    while len(found) < n:
        author = Author(said, rng, is_held_out=is_held_out)
        if rng.random() < _AMONG_OTHERS:
            rivals = [Author(said, rng, is_held_out=is_held_out, like=author) for _ in range(_N_RIVALS)]
            found += _of_several_houses(author, [rival for rival in rivals if rival.name != author.name], rng)
        else:
            found += _of_one_house(author, rng)
    rng.shuffle(found)
    return found[:n]


def _of_one_house(author: Author, rng: random.Random) -> Iterator[Example]:
    notices = author.notices()
    if rng.random() < _TOGETHER:
        notices[0].take_in(notices.pop())
    passages = [_passage(author, some) for some in notices]
    for notice, passage in zip(notices[:2], passages, strict=False):
        others = [some for some in passages if some is not passage]
        for question, spans in _questions(notice, rng):
            wrong = [rng.choice(others)] if spans and rng.random() < 0.5 else []
            yield Example(question, (replace(passage, spans=spans), *wrong), ONE_HOUSE)


def _of_several_houses(author: Author, rivals: Sequence[Author], rng: random.Random) -> Iterator[Example]:
    one, other, _ = author.notices()
    for notice, beside in ((one, other), (other, one)):
        passage = _passage(author, notice)
        others = [_passage(author, beside), *(_passage(rival, rival.notice(notice.kind)) for rival in rivals)]
        for question, spans in _questions(notice, rng):
            # What this notice does not say, another of the house may.
            passages = (replace(passage, spans=spans), *(others if spans else others[1:]))
            yield Example(_naming(author, question), passages, SEVERAL_HOUSES, keeps_context=True)


def _questions(notice: Notice, rng: random.Random) -> Iterator[tuple[str, tuple[CharSpan, ...]]]:
    """Yield some questions on a notice with where it answers them, which of the last is nowhere."""
    for question, span in rng.sample(notice.asked, min(_PER_NOTICE, len(notice.asked))):
        yield question, (span,)
    for question in rng.sample(notice.unanswered, min(_UNANSWERED_PER_NOTICE, len(notice.unanswered))):
        yield question, ()


def _naming(author: Author, question: str) -> str:
    """Return the question with the house that it is about."""
    is_named = author.name.casefold() in question.casefold()
    return question if is_named else f"{question.removesuffix('?')} at {author.org}?"


def _passage(author: Author, notice: Notice) -> TrainingPassage:
    return TrainingPassage(notice.text.rstrip(), f"{author.title} › {notice.heading}")
