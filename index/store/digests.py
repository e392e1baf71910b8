"""Digests by which damage is told. Pure.

SQLite has no checksums: a flipped byte in a text or a vector reads as well as the right one.

A document's digest is of its row and of its passages with their vectors, a failure's of its row; the sum of all of
them, kept with the version, tells that none is missing. They are against accidents, not against people.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

_MODULUS = 2**256


def vector_digest(text_sha256: bytes, vector: bytes) -> bytes:
    """Return the digest of a vector and of what it stands for."""
    return hashlib.sha256(text_sha256 + vector).digest()


PassageRow: TypeAlias = tuple[int, int, int, str, bytes, bytes]
"""passage_id, start, end, heading, text_sha256, vector"""


def passages_digest(rows: Sequence[PassageRow]) -> bytes:
    """Return the digest of a document's passages, in the order of their ids."""
    # A few long strings: hashed one by one, 20,000 passages take three times as long.
    hashed = hashlib.sha256(json.dumps([row[:4] for row in rows]).encode())
    hashed.update(b"".join([row[4] for row in rows]))
    hashed.update(b"".join([row[5] for row in rows]))
    return hashed.digest()


def document_digest(fields: Iterable[str | int], text: str, passages: bytes) -> bytes:
    """Return the digest of a document's row.

    Args:
        fields: Of the row, but its text.
        passages: The digest of its passages.
    """
    hashed = hashlib.sha256(json.dumps(list(fields)).encode() + b"\n" + passages)
    hashed.update(text.encode())
    return hashed.digest()


def row_digest(fields: Iterable[str | int | None]) -> bytes:
    """Return the digest of a row that stands for itself: of a failure, or of what somebody said of an answer."""
    return hashlib.sha256(json.dumps(list(fields)).encode()).digest()


def settings_digest(settings: Mapping[str, str]) -> str:
    """Return the digest of what an index says of itself: what it was made with, and when."""
    return hashlib.sha256(json.dumps(sorted(settings.items())).encode()).hexdigest()


def state_of(index_version: int, total: int) -> str:
    """Return how a version and the sum of its digests are written down."""
    return f"{index_version} {total % _MODULUS:064x}"


def total_of(state: str) -> int:
    """Return the sum that a state was written with."""
    _, total = state.split(" ")
    return int(total, 16)


def number(digest: bytes) -> int:
    """Return a digest as what is added up; its order does not count."""
    return int.from_bytes(digest, "big")
