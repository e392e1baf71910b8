"""Keep a served index true: update when files change, and follow what other processes write."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import watchfiles

from index.errors import CitespanError, IndexBusy
from qa.engine import Engine

_log = logging.getLogger(__name__)

_REFRESH_EVERY_S = 0.5
_DEBOUNCE_MS = 300
# Events get lost, on network drives above all: now and then the folder is looked through anyway.
_SWEEP_EVERY_MS = 60_000
_RETRY_AFTER_S = 5.0


@contextmanager
def keep_fresh(engine: Engine, documents: Path | None, stopped: threading.Event) -> Iterator[None]:
    """Keep the engine's index fresh for as long as the context lasts.

    Args:
        documents: The folder to watch; None to follow other processes' updates only.
        stopped: Set by the caller to end the threads.
    """
    loops: list[Callable[[], None]] = [lambda: _follow(engine, stopped)]
    if documents is not None:
        loops.append(lambda: _watch(engine, documents, stopped))
    threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def _follow(engine: Engine, stopped: threading.Event) -> None:
    while not stopped.wait(_REFRESH_EVERY_S):
        _survive(engine.refresh)


def _watch(engine: Engine, documents: Path, stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            for _changes in watchfiles.watch(
                documents,
                watch_filter=None,
                debounce=_DEBOUNCE_MS,
                rust_timeout=_SWEEP_EVERY_MS,
                yield_on_timeout=True,
                stop_event=stopped,
                raise_interrupt=False,
            ):
                while _survive(engine.update) is IndexBusy and not stopped.wait(_RETRY_AFTER_S):
                    pass
        except (FileNotFoundError, OSError) as error:
            _log.warning("cannot watch %s (%s): trying again every %.0f s", documents, error, _RETRY_AFTER_S)
            stopped.wait(_RETRY_AFTER_S)


def _survive(step: Callable[[], object]) -> type[CitespanError] | None:
    """Run a step; log its error and return the kind, so that one failure does not end the watch."""
    try:
        step()
    except CitespanError as error:
        _log.error("%s: %s", error.code, error)
        return type(error)
    except Exception:  # noqa: BLE001 -- a thread's boundary: the service goes on answering
        _log.exception("unexpected error while keeping the index fresh")
    return None
