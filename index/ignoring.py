"""What people want left out of a collection: `.citespanignore`, in the syntax of gitignore.

Nothing else imports pathspec.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from index.errors import CollectionError

IGNORE_FILE = ".citespanignore"


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of the file: its number, from 1, and its pattern."""

    line: int
    pattern: str


class IgnoreRules:
    """The patterns of one file. The last one that matches a path decides."""

    def __init__(self, text: str) -> None:
        """Read patterns, one a line.

        Raises:
            CollectionError: One of them is none.
        """
        lines = enumerate(text.replace("\r\n", "\n").split("\n"), start=1)
        self._patterns = [(Rule(number, line), _pattern(Rule(number, line))) for number, line in lines]

    def rule_against(self, path: str, *, is_folder: bool) -> Rule | None:
        """Return what leaves a path out, None where nothing does.

        Args:
            path: POSIX path below the root. The folders above it are to be asked for first: what is in a
                folder that is left out cannot be let in again.
        """
        for rule, pattern in reversed(self._patterns):
            if pattern.include is not None and _matches(rule, pattern, path, is_folder=is_folder):
                return rule if pattern.include else None
        return None


def _pattern(rule: Rule) -> GitIgnoreSpecPattern:
    try:
        return GitIgnoreSpecPattern(rule.pattern)
    except ValueError as error:
        raise CollectionError(
            f"line {rule.line} of {IGNORE_FILE} is no pattern of gitignore ({rule.pattern!r}): mend or remove it"
        ) from error


def _matches(rule: Rule, pattern: GitIgnoreSpecPattern, path: str, *, is_folder: bool) -> bool:
    """Return whether a pattern matches a path itself, as git asks, and not a folder above it, as pathspec does too."""
    body = rule.pattern.strip().removeprefix("!")
    while body.startswith("**/") and body != "**/":
        body = body.removeprefix("**/")  # says nothing that a name alone does not
    is_of_names = "/" not in body.rstrip("/")
    asked = (path.rpartition("/")[2] if is_of_names else path) + "/" * is_folder
    found = pattern.match_file(asked)
    if found is None or is_of_names:
        return found is not None
    is_whole = found.match.end() == len(asked)
    # "x/**" is what is in x, and not x.
    return not (is_whole and is_folder) if body.endswith("/**") else is_whole


def read_ignore_rules(root: Path) -> IgnoreRules:
    """Return the rules of a collection; none where it has no such file.

    Raises:
        CollectionError: There is one, and it cannot be read. To go on without it would take in what a
            person wants left out.
    """
    path = root / IGNORE_FILE
    if not path.is_file():
        return IgnoreRules("")
    try:
        return IgnoreRules(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise CollectionError(f"cannot read {path}: {error.strerror}; check its permissions, or remove it") from error
    except UnicodeDecodeError as error:
        raise CollectionError(f"{path} is not in UTF-8: save it so") from error
