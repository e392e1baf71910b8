"""Words that commands, pages and findings share."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: "1 passage", "1,200 passages"; a plural that takes no "s" has to be given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
