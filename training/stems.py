"""Passages that a language model has read, to be gone on from in many branches at a time.

A passage's keys and values are kept once, whatever is written or asked about it; a branch sees the passage and
itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from training.trees import Tree, forest

LanguageModel: TypeAlias = Any
"""One of transformers' for causal language modelling, of the kinds in `KINDS`; it has no types."""

KINDS = ("llama", "qwen2")
"""Whose layers are computed here: others norm, scale or window what these do not."""

_READ_TOKENS = 32768
"""That are computed at once where many are given."""
_TOP_K, _TOP_P = 40, 0.92
_LOOK_EVERY, _FEW_LEFT = 4, 0.01
"""Steps between looks whether all but few branches are over: a GPU is waited for at each, and the last take long."""


class Stems:
    """Passages that a language model has read.

    Source of reading a shared beginning once: Juravsky et al. 2024, https://arxiv.org/abs/2402.05099.
    """

    @torch.no_grad()
    def __init__(self, model: LanguageModel, stems: Sequence[Sequence[int]]) -> None:
        """Read the tokens of each stem."""
        self._model = model
        self._device = model.get_input_embeddings().weight.device
        self._length = max(map(len, stems))
        # Filled up in front, so that all end at one place.
        ids = torch.zeros(len(stems), self._length, dtype=torch.long)
        for row, stem in enumerate(stems):
            ids[row, self._length - len(stem) :] = torch.tensor(stem)
        self._n = torch.tensor([len(stem) for stem in stems], device=self._device)
        place = torch.arange(self._length, device=self._device)
        self._is_stem = place >= (self._length - self._n)[:, None]
        config = model.config
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (len(stems), config.num_key_value_heads, self._length, size)
        dtype = model.get_input_embeddings().weight.dtype
        # Keys and values of each layer, (2, stems, heads, places, size).
        self._kept = [torch.empty(2, *shape, device=self._device, dtype=dtype) for _ in model.model.layers]
        positions = (place - (self._length - self._n)[:, None]).clamp_min(0)
        is_before = place <= place[:, None]
        for rows in self._rows(self._length):
            # What fills up sees itself, so that it sees something.
            seen = (is_before & self._is_stem[rows, None, :]) | (place == place[:, None])
            self._states(rows, ids[rows].to(self._device), positions[rows], 0, seen)

    def _make_room(self, n_more: int) -> None:
        """Let the branches of a stem have so many tokens together."""
        for number, kept in enumerate(self._kept):
            if (lacks := self._length + n_more - kept.shape[3]) > 0:
                self._kept[number] = functional.pad(kept, (0, 0, 0, lacks))

    def _rows(self, n_tokens: int) -> list[slice]:
        """Return the stems in parts that are computed at once, where each has so many tokens."""
        size = max(_READ_TOKENS // n_tokens, 1)
        return [slice(at, at + size) for at in range(0, len(self._n), size)]

    def _states(self, rows: slice, ids: Tensor, positions: Tensor, at: int, seen: Tensor) -> Tensor:
        """Return what the model makes of tokens, (rows, n, size); their keys and values are kept from place `at` on.

        Args:
            seen: (rows, n, at + n), what each token sees.
        """
        inner = self._model.model
        states = inner.embed_tokens(ids)
        cos, sin = (some[:, None] for some in inner.rotary_emb(states, positions))
        end = at + ids.shape[1]
        for layer, (all_keys, all_values) in zip(inner.layers, self._kept, strict=True):
            attention, size = layer.self_attn, all_keys.shape[-1]
            normed = layer.input_layernorm(states)
            queries, keys, values = (
                project(normed).unflatten(-1, (-1, size)).transpose(1, 2)
                for project in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            all_keys[rows, :, at:end] = _turned(keys, cos, sin)
            all_values[rows, :, at:end] = values
            found = _attended(_turned(queries, cos, sin), all_keys[rows, :, :end], all_values[rows, :, :end], seen)
            states = states + attention.o_proj(found.transpose(1, 2).flatten(2))
            states = states + layer.mlp(layer.post_attention_layernorm(states))
        normed_states: Tensor = inner.norm(states)
        return normed_states

    @torch.no_grad()
    def said(self, starts: Sequence[Sequence[int]], *, end: int, max_tokens: int) -> Tensor:
        """Return drawn continuations, (stems, branches, tokens), with the end in the place of a start and after it.

        Args:
            starts: What each branch of every stem begins with.
            end: The token that ends a branch.
            max_tokens: That a branch with the longest start says of itself, at most: the last few are cut off when all
                others are over.

        Source: Holtzman et al. 2020, https://arxiv.org/abs/1904.09751, for drawing from the likeliest words.
        """
        self._make_room(len(starts) * (max(map(len, starts)) + max_tokens))
        n, n_given = len(starts), torch.tensor([len(start) for start in starts])
        longest = int(n_given.max())
        given = torch.tensor([[*start, *[end] * (longest - len(start))] for start in starts]).T.to(self._device)
        n_given = n_given.to(self._device)
        branch = torch.arange(n, device=self._device)
        everything = slice(0, len(self._n))
        token = given[0].repeat(len(self._n), 1)
        is_over = torch.zeros_like(token, dtype=torch.bool)
        found: list[Tensor] = []
        for step in range(longest + max_tokens - 1):
            own = (torch.arange((step + 1) * n, device=self._device) % n) == branch[:, None]
            seen = torch.cat([self._is_stem[:, None].expand(-1, n, -1), own.expand(len(self._n), -1, -1)], dim=2)
            positions = (self._n + step)[:, None].expand(-1, n)
            states = self._states(everything, token, positions, self._length + step * n, seen)
            token = _drawn(self._model.lm_head(states)).masked_fill(is_over, end)
            is_given = step + 1 < n_given
            if step + 1 < longest:
                token = torch.where(is_given, given[step + 1], token)
            is_over |= (token == end) & ~is_given
            found.append(token.masked_fill(is_given, end))
            # To ask a GPU is to wait for it.
            if step % _LOOK_EVERY == 0 and float(is_over.float().mean()) > 1 - _FEW_LEFT:
                break
        return torch.stack(found, dim=2)

    @torch.no_grad()
    def preferred(self, branches: Sequence[Sequence[Sequence[int]]], *, one: int, other: int) -> list[list[float]]:
        """Return for each branch of each stem how likely the first of two tokens comes next, where it is either."""
        # Trees without a stem go on from the kept one; what they say marks the place where it would be said.
        trees = [
            Tree((), tuple((tuple(some), (one,)) for some in of_stem), (True,) * len(of_stem)) for of_stem in branches
        ]
        weight = self._model.lm_head.weight[[one, other]].float()
        longest = max(map(len, trees)) or 1
        self._make_room(longest)
        found: list[list[float]] = []
        for rows in self._rows(longest):
            if not any(branches[rows]):
                found += [[] for _ in branches[rows]]
                continue
            asked = forest(trees[rows]).to(self._device)
            stem = self._is_stem[rows, None].expand(-1, asked.ids.shape[1], -1)
            seen = torch.cat([stem, asked.mask[:, 0]], dim=2)
            states = self._states(rows, asked.ids, asked.positions + self._n[rows, None], self._length, seen)
            at_row, at_place = asked.learnt.T
            first, second = (states[at_row, at_place - 1].float() @ weight.T).T
            shares: Iterator[float] = iter((first - second).sigmoid().tolist())
            found += [[next(shares) for _ in of_stem] for of_stem in branches[rows]]
        return found


def _turned(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return states turned by their places.

    Source: Su et al. 2021, https://arxiv.org/abs/2104.09864, in halves as GPT-NeoX has it.
    """
    first, second = states.chunk(2, dim=-1)
    return states * cos + torch.cat([-second, first], dim=-1) * sin


def _attended(queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
    """Return attention, (rows, heads, n, size), where several heads share keys and values.

    Not torch's own: with a mask it repeats the keys for each head, which takes longer than all else.
    """
    n, size = queries.shape[2:]
    shared = (queries * size**-0.5).reshape(len(queries), keys.shape[1], -1, size)
    scores = (shared @ keys.transpose(-1, -2)).unflatten(2, (-1, n))
    shares = scores.masked_fill(~seen[:, None, None], -torch.inf).softmax(dim=-1).flatten(2, 3)
    found: Tensor = (shares @ values).reshape(queries.shape)
    return found


def _drawn(logits: Tensor) -> Tensor:
    """Return a token for each, drawn from the likeliest ones."""
    best, tokens = logits.flatten(0, -2).topk(_TOP_K)
    shares = best.float().softmax(dim=-1)
    shares = shares.masked_fill(shares.cumsum(dim=-1) - shares > _TOP_P, 0.0)
    drawn: Tensor = tokens.gather(1, torch.multinomial(shares, 1)).view(logits.shape[:-1])
    return drawn
