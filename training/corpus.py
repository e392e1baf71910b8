"""All sequences of a training as flat arrays, from which a batch is gathered on the device that it is for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.batches import Group, batches
from training.model import Batch, SpanModel

_PAD_TO = 8
_SCORED_TOKENS = 16384
"""Of a batch that is only scored."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model thinks of a corpus.

    Attributes:
        start, end: (tokens,), float32 or, from a file, float16.
        null: (rows,), float32.
    """

    start: NDArray[np.floating]
    end: NDArray[np.floating]
    null: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The rows of many groups, one after another.

    Attributes:
        ids, types: (tokens,), of all rows.
        token_starts: (rows + 1,), where each row's tokens begin, and the end of the last.
        text: (rows, 2), the first of a row's tokens that an answer may have and the one after the last, within the row.
        has_answer: (rows,), how likely the row's passage answers.
        gold: (n, 2), first token within the row and tokens after it of each right span.
        gold_starts: (rows + 1,), where each row's right spans begin.
        row_starts: (groups + 1,), where each group's rows begin.
        is_weak: (groups,).
        taught: What a teacher thinks of it.
    """

    ids: NDArray[np.int32]
    types: NDArray[np.int8]
    token_starts: NDArray[np.int64]
    text: NDArray[np.int32]
    has_answer: NDArray[np.float32]
    gold: NDArray[np.int32]
    gold_starts: NDArray[np.int64]
    row_starts: NDArray[np.int64]
    is_weak: NDArray[np.bool_]
    taught: Scores | None = None

    @classmethod
    def of(cls, groups: Sequence[Group]) -> Corpus:
        """Return the groups as a corpus."""
        rows = [row for group in groups for row in group.rows]
        pairs = [row.pair for row in rows]
        return cls(
            np.array([token for pair in pairs for token in pair.ids], dtype=np.int32),
            np.array([kind for pair in pairs for kind in pair.type_ids], dtype=np.int8),
            _starts([len(pair.ids) for pair in pairs]),
            np.array([(pair.first, pair.first + len(pair.offsets)) for pair in pairs], dtype=np.int32).reshape(-1, 2),
            np.array([row.has_answer for row in rows], dtype=np.float32),
            np.concatenate(
                [np.zeros((0, 2), np.int32), *(row.gold + np.array([row.pair.first, 0], np.int32) for row in rows)]
            ),
            _starts([len(row.gold) for row in rows]),
            _starts([len(group.rows) for group in groups]),
            np.array([group.is_weak for group in groups], dtype=np.bool_),
        )

    @classmethod
    def joined(cls, parts: Sequence[Corpus]) -> Corpus:
        """Return the groups of all parts; a teacher's scores are not taken along."""
        found: dict[str, Any] = {}
        for field in fields(cls):
            if field.name == "taught":
                continue
            arrays = [getattr(part, field.name) for part in parts]
            if field.name.endswith("_starts"):
                ends = np.cumsum([0, *(array[-1] for array in arrays)])
                arrays = [np.zeros(1, np.int64), *(array[1:] + end for array, end in zip(arrays, ends, strict=False))]
            found[field.name] = np.concatenate(arrays)
        return cls(**found)

    def part(self, begin: int, end: int) -> Corpus:
        """Return the groups from one number up to another; a teacher's scores are not taken along."""
        first, last = int(self.row_starts[begin]), int(self.row_starts[min(end, len(self))])
        tokens = slice(int(self.token_starts[first]), int(self.token_starts[last]))
        gold = slice(int(self.gold_starts[first]), int(self.gold_starts[last]))
        return Corpus(
            self.ids[tokens],
            self.types[tokens],
            self.token_starts[first : last + 1] - tokens.start,
            self.text[first:last],
            self.has_answer[first:last],
            self.gold[gold],
            self.gold_starts[first : last + 1] - gold.start,
            self.row_starts[begin : end + 1] - first,
            self.is_weak[begin:end],
        )

    def __len__(self) -> int:
        return len(self.is_weak)

    @property
    def n_rows(self) -> NDArray[np.int64]:
        """Return how many rows each group has."""
        return np.diff(self.row_starts)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Return the tokens of each group's longest row."""
        return np.maximum.reduceat(np.diff(self.token_starts), self.row_starts[:-1]) if len(self) else self.n_rows

    @property
    def is_text(self) -> NDArray[np.bool_]:
        """Return which tokens, of all rows, an answer may have."""
        n = np.diff(self.token_starts)
        place = np.arange(len(self.ids)) - np.repeat(self.token_starts[:-1], n)
        first, end = (np.repeat(column, n) for column in self.text.T)
        found: NDArray[np.bool_] = (place >= first) & (place < end)
        return found

    @property
    def digest(self) -> bytes:
        """Return what tells these sequences from others: the SHA-256 of their tokens."""
        return hashlib.sha256(self.ids.tobytes()).digest()


def _starts(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *counts], dtype=np.int64)


def _ranges(starts: NDArray[np.int64], chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers from each chosen one's start up to the next start, and how many there are of each."""
    counts = starts[chosen + 1] - starts[chosen]
    before = np.cumsum(counts) - counts
    return np.arange(counts.sum()) + np.repeat(starts[chosen] - before, counts), counts


class Feeder:
    """Gathers batches of a corpus that lies on a device."""

    def __init__(self, corpus: Corpus, device: str) -> None:
        self._corpus, self._device = corpus, device
        self._lengths = corpus.lengths
        names = ("ids", "types", "token_starts", "text", "has_answer", "gold", "is_weak")
        arrays = {name: getattr(corpus, name) for name in names}
        if corpus.taught is not None:
            arrays |= {f"taught_{name}": getattr(corpus.taught, name) for name in ("start", "end", "null")}
        for name in ("ids", "types", "taught_start", "taught_end"):
            if name in arrays:
                # What fills a row up is gathered from one place after all tokens.
                arrays[name] = np.append(arrays[name], arrays[name].dtype.type(0))
        self._stored = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}

    def batch(self, numbers: Sequence[int]) -> Batch:
        """Return the groups of these numbers as one batch."""
        stored, chosen = self._stored, np.array(numbers, dtype=np.int64)
        row_numbers, n_rows = _ranges(self._corpus.row_starts, chosen)
        rows = self._moved(row_numbers)
        place = torch.arange(-(-int(self._lengths[chosen].max()) // _PAD_TO) * _PAD_TO, device=self._device)
        begin, end = (stored["token_starts"][rows + more][:, None] for more in (0, 1))
        is_token = place < end - begin
        at = torch.where(is_token, begin + place, len(self._corpus.ids))
        gold_numbers, n_gold = _ranges(self._corpus.gold_starts, row_numbers)
        question = np.repeat(np.arange(len(chosen)), n_rows)
        gold_rows = np.repeat(np.arange(len(row_numbers)), n_gold)
        gold = [self._moved(gold_rows), *stored["gold"][self._moved(gold_numbers)].long().T]
        gold.append(self._moved(question[gold_rows]))
        first, after = stored["text"][rows, :, None].unbind(dim=1)
        taught = None
        if self._corpus.taught is not None:
            start, end = (stored[f"taught_{name}"][at].float() for name in ("start", "end"))
            taught = start, end, stored["taught_null"][rows]
        return Batch(
            stored["ids"][at].long(),
            stored["types"][at].long(),
            is_token.long(),
            (place >= first) & (place < after),
            self._moved(question),
            stored["has_answer"][rows],
            torch.stack(gold, dim=1),
            stored["is_weak"][self._moved(chosen)],
            len(chosen),
            taught,
        )

    def _moved(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        # From other memory a GPU would be waited for.
        return tensor if self._device == "cpu" else tensor.pin_memory().to(self._device, non_blocking=True)


@torch.no_grad()
def scored(corpus: Corpus, model: SpanModel, *, device: str) -> Scores:
    """Return what a model on a device thinks of a corpus."""
    feeder = Feeder(corpus, device)
    start, end = np.zeros((2, len(corpus.ids)), np.float32)
    null = np.zeros(len(corpus.text), np.float32)
    for numbers in batches(corpus.lengths.tolist(), corpus.n_rows.tolist(), max_tokens=_SCORED_TOKENS, seed=0):
        batch = feeder.batch(numbers)
        rows, _ = _ranges(corpus.row_starts, np.array(numbers, dtype=np.int64))
        tokens, _ = _ranges(corpus.token_starts, rows)
        *ends, null_of_rows = model.scores(batch)
        start[tokens], end[tokens] = (some[batch.mask.bool()].cpu().numpy() for some in ends)
        null[rows] = null_of_rows.cpu().numpy()
    return Scores(start, end, null)
