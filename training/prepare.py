"""Make the examples that the span reader is trained and tuned on.

    python -m training.prepare DATA [--output var/training]

Reads the data sets below DATA and writes the examples of each stage, `broad.jsonl`, `focus.jsonl`, `teacher.jsonl` and
`student.jsonl`, those to tune on, `dev.jsonl`, and `summary.json`. What is what:

- squadshifts, policyqa, covidqa-open: questions with answer spans;
- reqa-squad: questions with the sentence that holds the answer; the paragraph is found in squad1-articles;
- squad2-cs224n-dev: five articles to train on (its adversarial questions above all), three to tune on. The
  other eight are for the report (`TEST_ARTICLES`) and are not opened here;
- a wrong passage beside the right one, for half of the questions on Wikipedia and COVID papers: one that our
  own word index ranks among the first ten;
- altered questions and passages without their answer's sentence (`training.unanswerable`).

Passages that share a long sentence with a test article are left out.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import click
from rich.progress import track

from index.records import Passage, Span
from index.sentences import sentence_spans
from index.store.words import WordIndex
from qa.evaluation.datasets import read_articles, title_of
from training.examples import Example, TrainingPassage, write_examples
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
_SHARES = {"reddit": 0.2, "amazon": 0.2, "policyqa": 0.2, "covidqa": 0.2, "altered": 0.5}
"""How much of these a larger model is shown, and asked about: it takes four times as long."""


def squad_examples(path: Path, source: str) -> Iterator[tuple[str, Example]]:
    """Yield each question of a SQuAD file under its article's title."""
    for article in json.loads(path.read_bytes())["data"]:
        title = unquote(article["title"])
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                spans = sorted({(a["answer_start"], a["answer_start"] + len(a["text"])) for a in qa["answers"]})
                passage = TrainingPassage(paragraph["context"], title.replace("_", " "), tuple(spans))
                yield title, Example(qa["question"].strip(), (passage,), source)


def covid_examples(path: Path) -> Iterator[Example]:
    """Yield the questions of an Open COVID-QA file."""
    for entry in json.loads(path.read_bytes())["data"]:
        spans = tuple((a["answer_start"], a["answer_start"] + len(a["text"])) for a in entry["answers"])
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
        self._passages = list({passage.text: replace(passage, spans=()) for passage in passages}.values())
        self._index = WordIndex(
            Passage(number, f"{number}.md", some.context, "text/markdown", Span(0, len(some.text)), some.text, "")
            for number, some in enumerate(self._passages, start=1)
        ).searcher()

    def for_question(self, example: Example, rng: random.Random) -> TrainingPassage | None:
        """Return one of the ten nearest passages that does not hold an answer's text; None where all do."""
        right = example.passages[0]
        answers = {right.text[start:end].casefold() for start, end in right.spans}
        found = self._index.search(example.question, self._DEPTH, order=lambda ids: {i: i for i in ids}, allowed=None)
        wrong = [self._passages[entry.passage_id - 1] for entry in found]
        wrong = [
            some
            for some in wrong
            if some.text != right.text and not any(answer in some.text.casefold() for answer in answers)
        ]
        return rng.choice(wrong) if wrong else None


def unanswerable_examples(examples: Sequence[Example], rng: random.Random) -> Iterator[Example]:
    """Yield an altered question for four of ten examples where there is one, and a bereft passage for two of ten."""
    for example in examples:
        passage = example.passages[0]
        if not passage.spans:
            continue
        chance = rng.random()
        if chance < 0.4:
            answers = [] if example.is_weak else [passage.text[start:end] for start, end in passage.spans]
            question = altered_question(example.question, passage.text, answers, rng)
            if question is not None:
                yield Example(question, (replace(passage, spans=()),), f"{example.source}/altered")
        elif chance < 0.6:
            text = without_answer(passage.text, passage.spans)
            if text is not None:
                yield Example(example.question, (replace(passage, text=text, spans=()),), f"{example.source}/bereft")


def focused(
    on_wikipedia: Sequence[Example],
    made_by_people: Sequence[Example],
    elsewhere: Sequence[Example],
    pool: WrongPassages,
    *,
    seed: int,
    weak_share: float = 0.5,
) -> list[Example]:
    """Return the examples of the second stage: is there an answer, when the passage is made to look like it?

    The questions on Wikipedia whose span is known, a share of those whose sentence is known, half of all with a
    wrong passage; an altered question or a bereft passage beside each of them where there is a way; those that
    people made unanswerable, three times in all; and six of ten of the others, so that nothing is forgotten.
    """
    rng = random.Random(seed + 1)
    chosen: list[Example] = rng.sample(elsewhere, len(elsewhere) * 6 // 10)
    for example in on_wikipedia:
        passage = example.passages[0]
        if not passage.spans or (example.is_weak and rng.random() < 1 - weak_share):
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


def thinned(examples: Sequence[Example], shares: Mapping[str, float], rng: random.Random) -> list[Example]:
    """Return a share of the examples of some sources, as in {"altered": 0.5}, and all of the others."""
    return [e for e in examples if rng.random() < min(shares.get(part, 1.0) for part in e.source.split("/"))]


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
    pools = {
        "wiki": WrongPassages(
            [
                *(TrainingPassage(text, title) for title, some in articles.items() for text in some if len(text) > 100),
                *(e.passages[0] for e in on_wikipedia),
            ]
        ),
        "covid": WrongPassages(e.passages[0] for e in covid),
    }
    train: list[Example] = [*elsewhere]
    for pool, examples in (("wiki", on_wikipedia), ("covid", covid)):
        for example in track(examples, f"Wrong passages ({pool})"):
            wrong = pools[pool].for_question(example, rng) if example.passages[0].spans and rng.random() < 0.5 else None
            train.append(replace(example, passages=(*example.passages, wrong)) if wrong else example)
    train += unanswerable_examples([*on_wikipedia, *covid], rng)
    train += unanswerable_examples(rng.sample(elsewhere, len(elsewhere) // 5), rng)
    # The only questions that people made unanswerable: seen three times.
    train += [e for e in squad2_train for _ in range(2)]
    n_before = len(train)

    def is_unseen(example: Example) -> bool:
        return not any(forbidden & long_sentences([passage.text]) for passage in example.passages)

    train = [e for e in train if is_unseen(e)]
    rng.shuffle(train)

    def focus_of(seed: int, weak_share: float) -> list[Example]:
        found = focused(
            [*on_wikipedia, *covid], squad2_train, elsewhere, pools["wiki"], seed=seed, weak_share=weak_share
        )
        return [e for e in found if is_unseen(e)]

    focus = focus_of(seed, 0.5)
    made = {
        "broad": train,
        "focus": focus,
        "teacher": thinned(focus, _SHARES, random.Random(seed + 2)),
        "student": thinned(focus_of(seed + 3, 1.0), _SHARES, random.Random(seed + 4)),
        "dev": dev,
    }
    output.mkdir(parents=True, exist_ok=True)
    for name, examples in made.items():
        write_examples(examples, output / f"{name}.jsonl")
    counts = {name: dict(sorted(Counter(e.source for e in examples).items())) for name, examples in made.items()}
    summary = {**counts, "n_left_out_as_overlapping": n_before - len(train)}
    (output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    click.echo(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
