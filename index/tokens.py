"""Tokenizers as their models need them."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Encoding, Tokenizer

from index.errors import ModelDamaged

__all__ = ["Encoding", "read_tokenizer"]


def read_tokenizer(folder: Path, *, max_tokens: int | None = None) -> Tokenizer:
    """Read a model's `tokenizer.json`, to be used without padding.

    Args:
        folder: The model's.
        max_tokens: Of an encoding, special tokens and all; what is longer is cut off. None for no limit.

    Raises:
        ModelDamaged: It cannot be read.
    """
    try:
        tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the tokenizers library raises bare Exception
        raise ModelDamaged(f"no tokenizer.json that can be read in {folder}: {error}") from error
    # The file may carry truncation and padding of its own: the embedded encoder's cuts at 128 of its 256.
    tokenizer.no_padding()
    if max_tokens is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(max_tokens)
    return tokenizer
