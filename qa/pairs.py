"""A question and a passage as the one sequence that a reading model takes.

The second part is `context text`, where the context (title and headings) is read and never answered
from. A text that is too long is read in windows that overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.errors import ModelDamaged
from index.records import Span
from index.tokens import Encoding, read_tokenizer
from qa.tables import Shown, with_names

MAX_TOKENS, LEAST_TOKENS = 384, 128
"""Of a sequence: what is given to a model that takes so many, and what a question and some text need."""

_MAX_QUESTION_TOKENS = 64
_MOST_NAMED_WINDOWS = 3
_MAX_CONTEXT = 200
"""Characters; headings that say more than that are cut."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One sequence for a model.

    Attributes:
        ids: Token ids, with special tokens.
        type_ids: For each token the part it belongs to, as the model counts them.
        first: Index of the text's first token.
        offsets: (n, 2), the [start, end) characters of the text for each of the text's tokens; of a name that is shown
            before a table's cell none, at the cell's start.
    """

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    first: int
    offsets: NDArray[np.int32]

    @property
    def text(self) -> slice:
        """Where in the sequence the text's tokens are."""
        return slice(self.first, self.first + len(self.offsets))

    @property
    def is_name(self) -> NDArray[np.bool_]:
        """Return which of the text's tokens are shown before a table's cell and stand nowhere, (n,)."""
        is_name: NDArray[np.bool_] = self.offsets[:, 0] == self.offsets[:, 1]
        return is_name

    def span(self, first: int, last: int) -> Span:
        """Return the characters from the text's token `first` to the text's token `last`, inclusive."""
        return Span(int(self.offsets[first, 0]), int(self.offsets[last, 1]))


class PairMaker:
    """Makes sequences as one model's tokenizer has them."""

    def __init__(self, folder: Path, *, max_tokens: int = MAX_TOKENS, names_cells: bool = False) -> None:
        """Read `tokenizer.json`.

        Args:
            max_tokens: Of a sequence, at least `LEAST_TOKENS`.
            names_cells: Show the names of column and row before each cell of a table, for a model that learnt so.

        Raises:
            ModelDamaged: There is none that can be read, or its sequences begin with no special token, which
                is where models say that there is no answer.
        """
        self._names_cells = names_cells
        self._plain = read_tokenizer(folder)
        self._tokenizer = read_tokenizer(folder)
        # "[SEP]" in a document is five characters and no separator.
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.enable_truncation(max_tokens, stride=max_tokens // 4, strategy="only_second")
        if not self._tokenizer.encode("a", "a").special_tokens_mask[0]:
            raise ModelDamaged(f"the tokenizer in {folder} has no special token at the start to say “no answer” by")

    def pairs(self, question: str, context: str, text: str, *, before: str | None = "") -> list[Pair]:
        """Return the sequences that together hold a passage's text: one, unless it is too long for that.

        Args:
            before: As in `Passage.before`: not read, but it may name the text's cells.
        """
        over = f"{context[:_MAX_CONTEXT]}\n" if context else ""
        question = self._cut(question)
        if self._names_cells and (shown := with_names(text, before=before)).is_name.any():
            encoding = self._tokenizer.encode(question, over + shown.text)
            # With many columns names would be read again and again, and little else.
            if len(encoding.overflowing) < _MOST_NAMED_WINDOWS:
                return [self._pair(window, len(over), shown) for window in (encoding, *encoding.overflowing)]
        encoding = self._tokenizer.encode(question, over + text)
        return [self._pair(window, len(over), None) for window in (encoding, *encoding.overflowing)]

    def _cut(self, question: str) -> str:
        tokens = self._plain.encode(question, add_special_tokens=False).offsets
        return question[: tokens[_MAX_QUESTION_TOKENS - 1][1]] if len(tokens) > _MAX_QUESTION_TOKENS else question

    @staticmethod
    def _pair(encoding: Encoding, n_before: int, shown: Shown | None) -> Pair:
        """Return a window as a pair; offsets count from the text's start, `n_before` characters into its part."""
        ids, types, parts = encoding.ids, encoding.type_ids, encoding.sequence_ids
        offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2) - n_before
        # Some tokenizers count the white space before a word to it: the text's first token then begins before it.
        of_text = [index for index, part in enumerate(parts) if part == 1 and offsets[index, 1] > 0]
        first = of_text[0] if of_text else len(ids)
        offsets = np.maximum(offsets[first : first + len(of_text)], 0)
        return Pair(tuple(ids), tuple(types), first, shown.in_source(offsets) if shown else offsets)
