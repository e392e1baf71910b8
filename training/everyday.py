"""Questions on notices that are made up: price lists, opening hours, contacts, dates and rules.

Other data are paragraphs of prose. People's folders hold tables and lists, too, in which a value belongs to a row and
a column, and where many a value looks like an answer. Some kinds of houses and some facts are held out, to test with.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from pathlib import Path

from training.examples import Example, TrainingPassage
from training.notices import Author

_SOURCE = "everyday"
_PER_NOTICE, _UNANSWERED_PER_NOTICE = 4, 2
"""Questions."""
_TOGETHER = 0.3
"""How often two notices are one."""


def everyday_examples(n: int, *, seed: int, is_held_out: bool = False) -> list[Example]:
    """Return so many questions on made-up notices; half of those with an answer beside a notice of another kind.

    Args:
        is_held_out: Of the kinds of houses and facts that are to test with, instead of all others.
    """
    said = tomllib.loads((Path(__file__).parent / "everyday.toml").read_text(encoding="utf-8"))
    rng = random.Random(seed)
    found: list[Example] = []
    while len(found) < n:
        found += _of_one_house(Author(said, rng, is_held_out=is_held_out), rng)
    rng.shuffle(found)
    return found[:n]


def _of_one_house(author: Author, rng: random.Random) -> Iterator[Example]:
    notices = author.notices()
    if rng.random() < _TOGETHER:
        notices[0].take_in(notices.pop())
    passages = [TrainingPassage(some.text.rstrip(), f"{author.title} › {some.heading}") for some in notices]
    for notice, passage in zip(notices[:2], passages, strict=False):
        others = [some for other, some in zip(notices, passages, strict=True) if other.kind != notice.kind]
        for question, span in rng.sample(notice.asked, min(_PER_NOTICE, len(notice.asked))):
            right = TrainingPassage(passage.text, passage.context, (span,))
            wrong = [rng.choice(others)] if others and rng.random() < 0.5 else []
            yield Example(question, (right, *wrong), _SOURCE)
        for question in rng.sample(notice.unanswered, min(_UNANSWERED_PER_NOTICE, len(notice.unanswered))):
            yield Example(question, (passage,), _SOURCE)
