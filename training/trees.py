"""A passage and what a language model is to say of it: one stem, and branches that do not see one another.

All that is asked about a passage is computed in one pass: the passage is read once, and each branch goes on from
it as if it stood there alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

_MAX_STEM_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Branch:
    """What a model is given after the passage, and what it is to say to that; of a verdict the first token counts."""

    given: str
    said: str
    is_verdict: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """A passage and its branches, as token ids.

    Attributes:
        branches: For each what is given and what is said.
        is_verdict: For each branch.
    """

    stem: tuple[int, ...]
    branches: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    is_verdict: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.stem) + sum(len(given) + len(said) for given, said in self.branches)


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees, padded to one length.

    Attributes:
        ids, positions: (rows, length).
        mask: (rows, 1, length, length), what each token sees.
        learnt: (n, 2), row and place of each token that is to be said.
        is_verdict: (n,), for each of these.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    learnt: Tensor
    is_verdict: Tensor

    def to(self, device: str) -> Forest:
        """Return it on a device."""
        return Forest(*(getattr(self, name).to(device, non_blocking=True) for name in self.__slots__))


class TreeMaker:
    """Makes trees as a model's tokenizer has them."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self.end = int(tokenizer.eos_token_id)

    def ids(self, text: str) -> tuple[int, ...]:
        """Return a text's tokens; what looks like a special token is text."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    def all_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of many texts."""
        if not texts:
            return []
        found = self._tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)
        return [list(some) for some in found["input_ids"]]

    def texts(self, ids: list[list[int]]) -> list[str]:
        """Return what many tokens say, without the end and what fills up."""
        return [str(text) for text in self._tokenizer.batch_decode(ids, skip_special_tokens=True)]

    def stems(self, passages: Sequence[tuple[str, str]]) -> list[list[int]]:
        """Return passages under their titles and headings, of each context and text; what is too long is cut."""
        headed = [f"{context}\n\n{text}\n\n" if context else f"{text}\n\n" for context, text in passages]
        return [ids[:_MAX_STEM_TOKENS] for ids in self.all_ids(headed)]

    def tree(self, context: str, text: str, branches: Sequence[Branch]) -> Tree:
        """Return a passage with what is said of it."""
        made = tuple(
            (self.ids(one.given), self.ids(one.said)[:1] if one.is_verdict else (*self.ids(one.said), self.end))
            for one in branches
        )
        (stem,) = self.stems([(context, text)])
        return Tree(tuple(stem), made, tuple(one.is_verdict for one in branches))


def forest(trees: Sequence[Tree]) -> Forest:
    """Return trees as one batch."""
    length = max(map(len, trees))
    ids, positions = (
        torch.zeros(len(trees), length, dtype=torch.long),
        torch.zeros(len(trees), length, dtype=torch.long),
    )
    # The stem is 0; what fills a row up sees itself alone.
    branch = torch.arange(-length, 0).repeat(len(trees), 1)
    learnt, is_verdict = [], []
    for row, tree in enumerate(trees):
        at = len(tree.stem)
        ids[row, :at], positions[row, :at], branch[row, :at] = torch.tensor(tree.stem), torch.arange(at), 0
        for number, (given, said) in enumerate(tree.branches, start=1):
            here = slice(at, at + len(given) + len(said))
            ids[row, here] = torch.tensor([*given, *said])
            positions[row, here] = torch.arange(len(given) + len(said)) + len(tree.stem)
            branch[row, here] = number
            learnt += [(row, place) for place in range(at + len(given), here.stop)]
            is_verdict += [tree.is_verdict[number - 1]] * len(said)
            at = here.stop
    is_before = torch.ones(length, length, dtype=torch.bool).tril()
    seen = (branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None])
    mask = (is_before & seen)[:, None]
    return Forest(ids, positions, mask, torch.tensor(learnt).reshape(-1, 2), torch.tensor(is_verdict))
