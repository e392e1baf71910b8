"""Is a citation found again after its document was edited, and is nothing found that is not it?

    python -m benchmarks.anchoring [DOCUMENTS] [--n 6000]

Quotes of 1 to 6 words from texts below DOCUMENTS, each with its context, are sought in the same text after one of
three edits: a paragraph before and one after were removed or put in; a word beside the quote on either side was
changed; or the quote itself was taken out. Prints how often it is found in its place, in several that cannot be told
apart, not at all, or in a wrong one.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from index.records import Document, Span
from qa.anchoring import Quotation, locate
from qa.citations import citation_of

_SEED = 5
_WORD = re.compile(r"\S+")
_NEAR = 40
_EDITS = ("paragraphs elsewhere", "words beside it", "taken out")
_OUTCOMES = ("its place", "several", "none", "a wrong one")


@click.command()
@click.argument("documents", type=click.Path(path_type=Path, exists=True), default=Path("documents"))
@click.option("--n", "n_quotes", default=6000, show_default=True)
def main(documents: Path, n_quotes: int) -> None:
    """Print what becomes of citations by the kind of edit."""
    chance = random.Random(_SEED)
    texts = [
        path.read_text(encoding="utf-8") for path in sorted(documents.rglob("*")) if path.suffix in (".md", ".txt")
    ]
    counts: Counter[tuple[str, str]] = Counter()
    for _ in range(n_quotes):
        text, edit = chance.choice(texts), chance.choice(_EDITS)
        counts[edit, outcome(text, _span(text, chance), edit, texts, chance)] += 1
    table = Table("edit", *_OUTCOMES)
    for edit in _EDITS:
        table.add_row(edit, *(str(counts[edit, found]) for found in _OUTCOMES))
    Console().print(table)


def outcome(text: str, span: Span, edit: str, texts: list[str], chance: random.Random) -> str:
    """Return where a quote is found after an edit; of one that was taken out, every single place is a wrong one."""
    before, quote, after = text[: span.start], span.of(text), text[span.end :]
    if edit == "paragraphs elsewhere":
        before, after = (_with_other_paragraphs(part, texts, chance) for part in (before, after))
    elif edit == "words beside it":
        before, after = _with_another_word(before, chance, at_end=True), _with_another_word(after, chance, at_end=False)
    citation = citation_of(Document("", "", text, "", ""), span)
    changed = before + ("" if edit == "taken out" else quote) + after
    places = locate(changed, Quotation(quote, citation.prefix, citation.suffix, span.start)).places
    if len(places) != 1:
        return "several" if places else "none"
    is_right = edit != "taken out" and places[0].start == len(before)
    return "its place" if is_right else "a wrong one"


def _span(text: str, chance: random.Random) -> Span:
    words = list(_WORD.finditer(text))
    n = min(chance.choice((1, 1, 2, 3, 6)), len(words))
    first = chance.randrange(len(words) - n + 1)
    return Span(words[first].start(), words[first + n - 1].end())


def _with_other_paragraphs(part: str, texts: list[str], chance: random.Random) -> str:
    paragraphs = part.split("\n\n")
    if len(paragraphs) > 2:
        at = chance.randrange(1, len(paragraphs) - 1)
        if chance.random() < 0.5:
            del paragraphs[at]
        else:
            paragraphs.insert(at, chance.choice(chance.choice(texts).split("\n\n")))
    return "\n\n".join(paragraphs)


def _with_another_word(part: str, chance: random.Random, *, at_end: bool) -> str:
    near = [word for word in re.finditer(r"\w+", part) if (len(part) - word.end() if at_end else word.start()) < _NEAR]
    if not near:
        return part
    word = chance.choice(near)
    return part[: word.start()] + chance.choice(("changed", "very new", "")) + part[word.end() :]


if __name__ == "__main__":
    main()
