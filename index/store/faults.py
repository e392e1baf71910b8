"""The places where a writer may be killed, named, so that a test can kill it at each of them.

Nothing arms them but a test, in its own process: no setting can. Unarmed, one costs the look at a variable.
docs/reliability.md tells what is tried at them.
"""

from __future__ import annotations

from collections.abc import Callable

_TRANSACTIONS = ("add", "replace", "rename", "delete", "touch", "failures", "pending", "forget", "reconciled", "root")
_HALVED = ("add", "replace", "rename", "delete", "failures")

POINTS = (
    "scan.before",
    "scan.after",
    "create.begun",
    "create.before_commit",
    "create.after",
    "plan.after",
    "document.read",
    "encode.before",
    "encode.after",
    *(f"{name}.{step}" for name in _TRANSACTIONS for step in ("begun", "before_commit", "after_commit")),
    *(f"{name}.halfway" for name in _HALVED),
    "checkpoint.before",
    "checkpoint.after",
    "close.before",
    "close.after",
    "note.staged",
    "note.after",
    "switch.before",
    "switch.staged",
    "switch.replaced",
    "leftover.removing",
    "switch.after",
    "rollback.checked",
    "count.begun",
    "count.before_commit",
    "count.after_commit",
    "rollback.noted",
    "clear.removing",
    "prune.after",
)
"""Every place, in the order of an update, a rollback, pruning. Those of transactions are named for what these do."""

_hook: Callable[[str], None] | None = None


def arm(hook: Callable[[str], None] | None) -> None:
    """Have a function called at each place with its name, in this process; None for no longer."""
    global _hook  # noqa: PLW0603 -- the one state there is
    _hook = hook


def reached(point: str) -> None:
    """Note that a writer is at one of the `POINTS`."""
    if _hook is not None:
        _hook(point)
