"""Let a larger model score the examples that the reader then learns from.

    python -m training.distil --encoder FOLDER [--teacher var/training/teacher.pt] [--folder var/training]

The teacher is what `training.finetune teacher --encoder FOLDER` made. Its scores of each sequence are written to
`taught/`; what this teacher has scored already is not scored again. `training.finetune student` learns from them.

Source: Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from rich.progress import track

from index.model_files import embedded_folder
from index.tokens import read_tokenizer
from qa.pairs import Pair
from qa.span_reader import TokenScores
from training.batches import Group
from training.devices import best_device, folder_option
from training.finetune import SEED, STAGES, read_all, score_rows, tokenize_all
from training.model import SpanModel
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

    def pair(self, pair: Pair) -> Pair:
        """Return the same question and text, between the special tokens of the other."""
        n_before = pair.type_ids.count(0)
        one, two = self._parts
        question = self._ids[list(pair.ids[1 : n_before - 1])].tolist()
        text = self._ids[list(pair.ids[n_before:-1])].tolist()
        ids = self._framed(self._frame, question, text)
        types = self._framed(self._types, [self._types[one]] * len(question), [self._types[two]] * len(text))
        # From [CLS] question [SEP] to what stands before the text there.
        shift = two - 1 + len(question) - n_before
        return Pair(ids, types, pair.first + shift, pair.offsets)

    def _framed(self, frame: Sequence[int], question: Sequence[int], text: Sequence[int]) -> tuple[int, ...]:
        """Return what belongs to the special tokens with what belongs to question and text in their places."""
        one, two = self._parts
        return (*frame[:one], *question, *frame[one + 1 : two], *text, *frame[two + 1 :])


def teach(groups: Sequence[Group], model: SpanModel, tokens: TeacherTokens, device: str) -> list[list[TokenScores]]:
    """Return the teacher's scores of each row of each group."""

    def as_read(group: Group) -> Group:
        return replace(group, rows=tuple(replace(row, pair=tokens.pair(row.pair)) for row in group.rows))

    return score_rows(model, groups, device, as_read=as_read)


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
    device = best_device()
    model = SpanModel(encoder)
    model.load_state_dict(torch.load(teacher, map_location="cpu", weights_only=True)["model"])
    model.to(device).eval()
    tokens, name = TeacherTokens(embedded_folder(), encoder), hashlib.sha256(teacher.read_bytes()).digest()
    groups = tokenize_all(read_all(folder, STAGES["student"].examples), embedded_folder(), seed)
    for path, part in track(parts_of(groups, folder), "Scoring"):
        if not is_scored(path, part, name):
            write_taught(part, teach(part, model, tokens, device), path, teacher=name)


if __name__ == "__main__":
    main()
