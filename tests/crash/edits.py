"""Random edits of a folder of documents, carried out on the disk and, in step, in memory."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

NAMES = ("a.txt", "b.md", "c.html", "d.txt", "sub/a.txt", "sub/deep/e.md", "sub/f.txt", "g.bin")
_WORDS = "bridge tower canal opened closed iron stone river built king year long high first marker half".split()

_KINDS = {"write": 8, "delete": 3, "rename": 4, "touch": 1, "move": 1}
"""How often each kind of edit is drawn."""

Edit = list[str]
"""["write", name, content], ["delete", name], ["rename", name, name], ["touch", name] or ["move"], of the whole folder."""

Files = dict[str, bytes]
"""A folder's files by their names."""


def random_edit(rng: Random, *, kind: str | None = None) -> Edit:
    """Return an edit, of this kind if it is one; of a file that is not there it does nothing."""
    if kind not in _KINDS:
        kind = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
    if kind == "write":
        return ["write", rng.choice(NAMES), random_content(rng)]
    if kind == "move":
        return ["move"]
    return [kind, *rng.sample(NAMES, 2 if kind == "rename" else 1)]


def random_content(rng: Random) -> str:
    """Return a text: mostly some sections with a few sentences each, now and then one that cannot be used."""
    odd = rng.random()
    if odd < 0.15:
        return rng.choice(["", "\0 binary", "same words in several files"])
    n_sections = rng.choice([1, 1, 2, 3, 9])
    return "\n\n".join(
        f"# Part {number} of {rng.randrange(10**6)}\n\n{' '.join(_sentence(rng) for _ in range(rng.randint(1, 4)))}"
        for number in range(n_sections)
    )


def _sentence(rng: Random) -> str:
    return " ".join(["The", *rng.choices(_WORDS, k=rng.randint(3, 12)), str(rng.randrange(100))]) + "."


def root_of(home: Path) -> Path:
    """Return where the folder of documents is now."""
    (root,) = home.glob("documents*")
    return root


def carry_out(edit: Edit, home: Path) -> None:
    """Do an edit in the folder of documents below `home`."""
    root = root_of(home)
    match edit:
        case ["write", name, content]:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content.encode())
        case ["delete", name]:
            (root / name).unlink(missing_ok=True)
        case ["rename", name, other] if (root / name).exists():
            (root / other).parent.mkdir(parents=True, exist_ok=True)
            (root / name).replace(root / other)
        case ["touch", name] if (root / name).exists():
            os.utime(root / name)
        case ["move"]:
            root.rename(home / f"documents{int(root.name.removeprefix('documents') or 0) + 1}")


def foreseen(edit: Edit, files: Files) -> Files:
    """Return what a folder with these files holds after an edit."""
    match edit:
        case ["write", name, content]:
            return {**files, name: content.encode()}
        case ["delete", name]:
            return {other: content for other, content in files.items() if other != name}
        case ["rename", name, other] if name in files:
            return {**{kept: content for kept, content in files.items() if kept != name}, other: files[name]}
    return files


def read_files(home: Path) -> Files:
    """Return what the folder holds."""
    root = root_of(home)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
