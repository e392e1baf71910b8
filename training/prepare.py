"""Make the examples that the span reader is trained and tuned on.

    python -m training.prepare DATA [--output var/training]

Reads the data sets below DATA and writes `examples.jsonl`, `written.jsonl`, `everyday.jsonl` and `lookups.jsonl` to
train on, `dev.jsonl` to tune on, what `training.writer` learns from and writes on, `asked.jsonl` and
`passages.jsonl`, and `summary.json`. What is what:

- squadshifts, policyqa, covidqa-open: questions with answer spans;
- reqa-squad: questions with the sentence that holds the answer; the paragraph is found in squad1-articles;
- squad2-cs224n-dev: five articles to train on (its adversarial questions above all), three to tune on. The
  other eight are for the report (`TEST_ARTICLES`) and are not opened here;
- a wrong passage beside the right one, for half of the questions on Wikipedia and COVID papers: one that our
  own word index ranks among the first ten;
- altered questions and passages without their answer's sentence (`training.unanswerable`);
- the paragraphs of squad1-articles, but for those of squad2-cs224n-dev's articles, to write questions on;
- the questions that `training.writer` wrote on them and its verdicts, as they are kept (`training.kept`); half of those
  that have an answer with another paragraph of the same article beside them;
- questions on made-up notices (`training.everyday`), some of them, of other kinds, to tune on;
- questions on made-up tables whose rows have names of these paragraphs (`training.lookups`), some of them to tune on.

Passages that share a long sentence with a dev or test article are left out.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
from rich.progress import track

from index.records import Passage, Span
from index.sentences import sentence_spans
from index.store.words import WordIndex
from qa.evaluation.datasets import read_articles, title_of
from training.everyday import ONE_HOUSE, everyday_examples
from training.examples import Example, TrainingPassage, write_examples
from training.kept import KEPT, read_kept, with_verdicts, written
from training.lookups import lookup_examples
from training.unanswerable import altered_question, without_answer

TRAIN_ARTICLES = ("French_and_Indian_War", "Harvard_University", "Immune_system", "Packet_switching", "Steam_engine")
DEV_ARTICLES = ("1973_oil_crisis", "Force", "Normans")
TEST_ARTICLES = (
    "Computational_complexity_theory",
    "European_Union_law",
    "Huguenot",
    "Imperialism",
    "Islamism",
    "Scottish_Parliament",
    "Warsaw",
    "Yuan_dynasty",
)
DEV_WIKI = ("Andes", "Ice_hockey", "Lipid", "Manhattan")
_SEED = 20261124
_LONG_SENTENCE = 60
_LEAST_WRITTEN_ON = 200
"""Characters."""
_N_EVERYDAY, _N_EVERYDAY_DEV = 24_000, 1_200
_N_LOOKUPS, _N_LOOKUPS_DEV = 16_000, 400
_N_NAMING_DEV = 2_000
"""Paragraphs that name the rows of the tables to tune on, and none of those to train on."""


def squad_examples(path: Path, source: str) -> Iterator[tuple[str, Example]]:
    """Yield each question of a SQuAD file under its article's title."""
    for article in json.loads(path.read_bytes())["data"]:
        title = unquote(article["title"])
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                spans = sorted(set(_spans(qa["answers"])))
                traps = _spans(qa.get("plausible_answers", ()))
                trap = min(traps, default=None, key=lambda trap: trap[1] - trap[0])
                passage = TrainingPassage(paragraph["context"], title.replace("_", " "), tuple(spans), trap)
                yield title, Example(qa["question"].strip(), (passage,), source)


def _spans(answers: Iterable[Mapping[str, Any]]) -> tuple[tuple[int, int], ...]:
    """Return the [start, end) characters of answers as SQuAD has them."""
    return tuple((a["answer_start"], a["answer_start"] + len(a["text"])) for a in answers)


def covid_examples(path: Path) -> Iterator[Example]:
    """Yield the questions of an Open COVID-QA file."""
    for entry in json.loads(path.read_bytes())["data"]:
        spans = _spans(entry["answers"])
        passage = TrainingPassage(entry["context"], entry["title"], spans)
        yield Example(entry["question"].strip(), (passage,), "covidqa")


def sentence_examples(path: Path, articles: dict[str, list[str]]) -> Iterator[Example]:
    """Yield the questions of reqa-squad with the paragraph in which their sentence stands."""
    where: dict[str, tuple[str, str]] = {}
    for title, paragraphs in articles.items():
        for paragraph in paragraphs:
            for span in sentence_spans(paragraph):
                where.setdefault(span.of(paragraph).strip(), (title, paragraph))
    stored = json.loads(path.read_bytes())
    for question, answer in zip(stored["questions"], stored["answers"], strict=True):
        sentence = answer.strip()
        title, paragraph = where.get(sentence, ("", ""))
        start = paragraph.find(sentence)
        if not paragraph or start < 0:
            continue
        passage = TrainingPassage(paragraph, title, ((start, start + len(sentence)),))
        yield Example(question.strip(), (passage,), "reqa-squad", is_weak=True)


class WrongPassages:
    """Finds passages that look like the right one: the nearest others by words."""

    _DEPTH = 10

    def __init__(self, passages: Iterable[TrainingPassage]) -> None:
        self._passages = list({passage.text: replace(passage, spans=(), trap=None) for passage in passages}.values())
        self._index = WordIndex(
            Passage(number, f"{number}.md", some.context, "text/markdown", Span(0, len(some.text)), some.text, "")
            for number, some in enumerate(self._passages, start=1)
        ).searcher()

    def for_question(self, example: Example, rng: random.Random) -> TrainingPassage | None:
        """Return one of the ten nearest passages that does not hold an answer's text; None where all do."""
        found = self._index.search(example.question, self._DEPTH, order=lambda ids: {i: i for i in ids}, allowed=None)
        return one_wrong([self._passages[entry.passage_id - 1] for entry in found], example.passages[0], rng=rng)


def one_wrong(
    passages: Iterable[TrainingPassage], right: TrainingPassage, *, rng: random.Random
) -> TrainingPassage | None:
    """Return one of the passages that does not hold an answer's text; None where all do."""
    answers = {right.text[start:end].casefold() for start, end in right.spans}
    wrong = [
        some
        for some in passages
        if some.text != right.text and not any(answer in some.text.casefold() for answer in answers)
    ]
    return rng.choice(wrong) if wrong else None


def all_examples(
    on_wikipedia: Sequence[Example],
    made_by_people: Sequence[Example],
    elsewhere: Sequence[Example],
    pool: WrongPassages,
    rng: random.Random,
) -> list[Example]:
    """Return what to train on: is there an answer, when the passage is made to look like it?

    The questions whose span or sentence is known, half of those on Wikipedia with a wrong passage; an altered
    question or a bereft passage beside each of these where there is a way; and those of SQuAD 2.0, the only ones that
    people made to mislead, three times in all.
    """
    chosen: list[Example] = [*elsewhere]
    for example in on_wikipedia:
        passage = example.passages[0]
        if not passage.spans:
            continue
        wrong = pool.for_question(example, rng) if rng.random() < 0.5 else None
        chosen.append(replace(example, passages=(passage, wrong)) if wrong else example)
        answers = [] if example.is_weak else [passage.text[start:end] for start, end in passage.spans]
        question = altered_question(example.question, passage.text, answers, rng)
        if question is not None:
            chosen.append(Example(question, (replace(passage, spans=()),), f"{example.source}/altered"))
        elif (text := without_answer(passage.text, passage.spans)) is not None:
            bereft = replace(passage, text=text, spans=())
            chosen.append(Example(example.question, (bereft,), f"{example.source}/bereft"))
    # Those that have an answer are in there once already.
    chosen += [e for e in made_by_people for _ in range(2 if e.passages[0].spans else 3)]
    rng.shuffle(chosen)
    return chosen


def with_others(
    examples: Iterable[Example], passages: Iterable[TrainingPassage], *, rng: random.Random
) -> list[Example]:
    """Return the examples, half of those with an answer beside a wrong passage of the same document."""
    of_document: dict[str, list[TrainingPassage]] = defaultdict(list)
    for passage in passages:
        of_document[passage.context].append(passage)
    found = []
    for example in examples:
        right = example.passages[0]
        is_chosen = right.spans and rng.random() < 0.5
        wrong = one_wrong(of_document[right.context], right, rng=rng) if is_chosen else None
        found.append(replace(example, passages=(right, wrong)) if wrong else example)
    return found


def long_sentences(paragraphs: Iterable[str]) -> set[str]:
    """Return the sentences by which a text is recognised elsewhere."""
    return {
        sentence
        for paragraph in paragraphs
        for span in sentence_spans(paragraph)
        if len(sentence := span.of(paragraph).strip()) >= _LONG_SENTENCE
    }


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), default=Path("var/training"), show_default=True)
@click.option("--seed", default=_SEED, show_default=True, help="Of what is altered, and of which passages are wrong.")
def main(data: Path, *, output: Path, seed: int) -> None:
    """Write the examples made from the data sets below DATA."""
    rng = random.Random(seed)
    squad2 = list(squad_examples(data / "squad2-cs224n-dev" / "dev-v2.0.json", "squad2"))
    assert {title for title, _ in squad2} == {*TRAIN_ARTICLES, *DEV_ARTICLES, *TEST_ARTICLES}
    forbidden = long_sentences({e.passages[0].text for title, e in squad2 if title not in TRAIN_ARTICLES})
    all_articles = read_articles(data / "squad1-articles" / "articles.tar.gz")
    dev_paragraphs = {e.passages[0].text.strip() for _, e in squad2}
    articles = {
        title_of(name): some for name, some in all_articles.items() if dev_paragraphs.isdisjoint(map(str.strip, some))
    }

    wiki = list(squad_examples(data / "squadshifts" / "new_wiki_v1.0.json", "new_wiki"))
    dev = [e for title, e in squad2 if title in DEV_ARTICLES] + [e for title, e in wiki if title in DEV_WIKI]
    forbidden |= long_sentences({e.passages[0].text for title, e in wiki if title in DEV_WIKI})

    squad2_train = [e for title, e in squad2 if title in TRAIN_ARTICLES]
    on_wikipedia = [
        *squad2_train,
        *(e for title, e in wiki if title not in DEV_WIKI),
        *sentence_examples(data / "reqa-squad" / "train.json", articles),
    ]
    covid = list(covid_examples(data / "covidqa-open" / "qa_train.json"))
    elsewhere = [
        replace(e, passages=(replace(e.passages[0], context=""),))
        for name in ("squadshifts/reddit_v1.0.json", "squadshifts/amazon_reviews_v1.0.json", "policyqa/dev.json")
        for _, e in squad_examples(data / name, Path(name).stem.split("_")[0].replace("dev", "policyqa"))
    ]
    written_on = [
        TrainingPassage(text, title)
        for title, some in articles.items()
        for text in some
        if len(text) >= _LEAST_WRITTEN_ON and not forbidden & long_sentences([text])
    ]
    rng.shuffle(written_on)
    pool = WrongPassages([*written_on, *(e.passages[0] for e in (*on_wikipedia, *covid))])
    with_forbidden = all_examples([*on_wikipedia, *covid], squad2_train, elsewhere, pool, rng)

    def is_unseen(example: Example) -> bool:
        return not any(forbidden & long_sentences([passage.text]) for passage in example.passages)

    kept = read_kept(KEPT)
    examples = with_verdicts([e for e in track(with_forbidden, "Overlaps") if is_unseen(e)], kept)
    # With other chance than those to train on, or the first would be like each other.
    held_out = everyday_examples(_N_EVERYDAY_DEV, seed=seed + 1, is_held_out=True)
    # The readers are compared with the one notice given, and among several houses by what they choose, too.
    held_out = [replace(e, passages=e.passages[:1]) if e.source == ONE_HOUSE else e for e in held_out]
    held_out += lookup_examples(_N_LOOKUPS_DEV, written_on[:_N_NAMING_DEV], seed=seed + 1, is_held_out=True)
    made = {
        "examples": examples,
        "written": with_others(written(written_on, kept), written_on, rng=rng),
        "asked": [e for e in on_wikipedia if not e.is_weak and is_unseen(e)],
        "passages": [Example("", (passage,), "squad1") for passage in written_on],
        "everyday": everyday_examples(_N_EVERYDAY, seed=seed),
        "lookups": lookup_examples(_N_LOOKUPS, written_on[_N_NAMING_DEV:], seed=seed),
        "dev": [*dev, *held_out],
    }
    output.mkdir(parents=True, exist_ok=True)
    for name, some in made.items():
        write_examples(some, output / f"{name}.jsonl")
    counts = {name: dict(sorted(Counter(e.source for e in some).items())) for name, some in made.items()}
    n_judged = sum(example.passages[0].answered is not None for example in (*examples, *made["written"]))
    summary = {
        **counts,
        "n_left_out_as_overlapping": len(with_forbidden) - len(examples),
        "n_kept": len(kept),
        # Fewer than are kept where what was altered, or a paragraph, is not the one that was judged.
        "n_kept_and_found": n_judged,
    }
    (output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    click.echo(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
