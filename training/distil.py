"""Let a larger model score the examples that the reader then learns from.

    python -m training.distil --encoder FOLDER [--teacher var/training/teacher.pt] [--folder var/training]

The teacher is what `training.finetune teacher --encoder FOLDER` made. Its scores of each sequence are written to
`taught/`; what this teacher has scored already is not scored again. `training.finetune student` learns from them.

Source: Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from rich.progress import track

from index.model_files import embedded_folder
from index.tokens import read_tokenizer
from training.corpus import Corpus, Scores, scored
from training.devices import best_device, folder_option, to_best
from training.finetune import SEED, STAGES, read_all, tokenize_all
from training.model import SpanModel, trained_model
from training.taught import is_scored, parts_of, write_taught


class TeacherTokens:
    """Says a sequence of our tokenizer's in the ids of another that has the same words, and cuts text into them alike.

    So it is with BERT's uncased vocabulary and MPNet's, which has other special tokens and so other numbers.
    """

    def __init__(self, ours: Path, theirs: Path) -> None:
        """Read both tokenizers.

        Raises:
            click.ClickException: The other lacks some of our words.
        """
        known, other = read_tokenizer(ours), read_tokenizer(theirs)
        vocabulary = other.get_vocab()
        specials = {token.content for token in known.get_added_tokens_decoder().values()} - {"[UNK]"}
        strange = known.get_vocab().keys() - vocabulary.keys() - specials
        if strange:
            raise click.ClickException(f"{theirs} has other words than {ours}: it lacks {sorted(strange)[:3]}")
        self._ids = np.zeros(known.get_vocab_size(), dtype=np.int64)
        for word, number in known.get_vocab().items():
            self._ids[number] = vocabulary.get(word, 0)
        frame = other.encode("a", "a")
        self._frame, self._types = frame.ids, frame.type_ids
        self._parts = frame.sequence_ids.index(0), frame.sequence_ids.index(1)

    def corpus(self, ours: Corpus) -> Corpus:
        """Return the same questions and texts, between the special tokens of the other."""
        one, two = self._parts
        begins, n = ours.token_starts[:-1], np.diff(ours.token_starts)
        row = np.repeat(np.arange(len(n)), n)
        place = np.arange(len(row)) - begins[row]
        # [CLS] question [SEP] text [SEP]
        n_question = np.add.reduceat(ours.types == 0, begins) - 2
        n_text = n - n_question - 3
        is_question = (place >= 1) & (place <= n_question[row])
        is_text = (place >= n_question[row] + 2) & (place < n[row] - 1)
        starts = np.cumsum([0, *(n_question + n_text + len(self._frame) - 2)])
        ids, types = np.zeros(starts[-1], np.int32), np.zeros(starts[-1], np.int8)
        for at, (number, kind) in enumerate(zip(self._frame, self._types, strict=True)):
            if at not in self._parts:
                where = starts[:-1] + at + (at > one) * (n_question - 1) + (at > two) * (n_text - 1)
                ids[where], types[where] = number, kind
        for some, kind, shift in ((is_question, one, one - 1), (is_text, two, two - 3)):
            where = starts[row[some]] + place[some] + shift
            ids[where], types[where] = self._ids[ours.ids[some]], self._types[kind]
        gold = ours.gold + np.array([two - 3, 0], np.int32)
        return replace(ours, ids=ids, types=types, token_starts=starts, text=ours.text + np.int32(two - 3), gold=gold)


def teach(corpus: Corpus, model: SpanModel, *, tokens: TeacherTokens, device: str) -> Scores:
    """Return the scores of a teacher on a device; of tokens that no answer may have they are 0."""
    as_read = tokens.corpus(corpus)
    scores = scored(as_read, model, device=device)
    is_text, (start, end) = corpus.is_text, np.zeros((2, len(corpus.ids)), np.float32)
    start[is_text], end[is_text] = (ends[as_read.is_text] for ends in (scores.start, scores.end))
    return Scores(start, end, scores.null)


@click.command()
@click.option(
    "--encoder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The model that the teacher was made from.",
)
@click.option(
    "--teacher",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=Path("var/training/teacher.pt"),
    show_default=True,
)
@folder_option
@click.option(
    "--seed", default=SEED, show_default=True, help="Of what is drawn; `training.finetune student` needs the same."
)
def main(*, encoder: Path, teacher: Path, folder: Path, seed: int) -> None:
    """Score what the reader learns from a teacher, on a GPU where there is one."""
    model, device = trained_model(encoder, teacher), best_device()
    to_best(model, device)
    tokens, name = TeacherTokens(embedded_folder(), encoder), hashlib.sha256(teacher.read_bytes()).digest()
    corpus = tokenize_all(read_all(folder, STAGES["student"].examples), embedded_folder(), seed)
    for path, part in track(list(parts_of(corpus, folder)), "Scoring"):
        if not is_scored(path, part, name):
            write_taught(part, teach(part, model, tokens=tokens, device=device), path, teacher=name)


if __name__ == "__main__":
    main()
