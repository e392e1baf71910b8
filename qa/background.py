"""What a service does beside answering: load its models, update when files change, follow other writers."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import watchfiles

from index.errors import CitespanError, IndexBusy
from index.update import Progress
from qa.engine import Engine

_log = logging.getLogger(__name__)

_REFRESH_EVERY_S = 0.5
_DEBOUNCE_MS = 300
# Events get lost, on network drives above all: now and then the folder is looked through anyway.
_SWEEP_EVERY_S = 60.0
_TICK_MS = 500
_RETRY_AFTER_S = 5.0


class _Stopped(Exception):
    """The service ends; what is under way is left for the next update to continue."""


@contextmanager
def background_work(engine: Engine, stopped: threading.Event, *, is_watching: bool) -> Iterator[None]:
    """Warm the engine up, and keep its index fresh for as long as the context lasts.

    Args:
        stopped: Set by the caller to end the threads.
        is_watching: Update when a document changes; otherwise other processes' updates are followed only.
    """
    loops: list[Callable[[], object]] = [_Survived(engine.warm_up), lambda: _follow(engine, stopped)]
    if is_watching:
        loops.append(lambda: _watch(engine, stopped))
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
    pause_s, refresh = _REFRESH_EVERY_S, _Survived(engine.refresh)
    while not stopped.wait(pause_s):
        pause_s = _RETRY_AFTER_S if refresh() else _REFRESH_EVERY_S


def _watch(engine: Engine, stopped: threading.Event) -> None:
    documents, index = engine.source.documents, engine.source.index.resolve()

    def is_of_interest(_change: watchfiles.Change, path: str) -> bool:
        # An index below its documents is written by every update.
        return not Path(path).resolve().is_relative_to(index)

    def go_on(_progress: Progress) -> None:
        if stopped.is_set():
            raise _Stopped

    update, said = _Survived(lambda: engine.update(go_on)), _Said()
    while not stopped.is_set():
        # Due at once: what was saved before the watch began is not among its events.
        due = time.monotonic()
        try:
            watched = documents.stat()
            for changes in watchfiles.watch(
                documents,
                watch_filter=is_of_interest,
                debounce=_DEBOUNCE_MS,
                rust_timeout=_TICK_MS,
                yield_on_timeout=True,
                stop_event=stopped,
                raise_interrupt=False,
            ):
                if not os.path.samestat(documents.stat(), watched):
                    break  # another folder has taken its place, which has no watch yet
                said.forget()
                if not changes and time.monotonic() < due:
                    continue
                while update() is IndexBusy and not stopped.wait(_RETRY_AFTER_S):
                    pass
                due = time.monotonic() + _SWEEP_EVERY_S
        # watchfiles has RuntimeError for what goes wrong in its own watcher.
        except (OSError, RuntimeError) as error:
            if said.is_news(str(error)):
                _log.warning("cannot watch %s (%s): trying again every %.0f s", documents, error, _RETRY_AFTER_S)
            stopped.wait(_RETRY_AFTER_S)


class _Said:
    """What was said last, which is not said again until there is something else, or nothing."""

    def __init__(self) -> None:
        self._last = ""

    def is_news(self, message: str) -> bool:
        """Return whether a message is another than the last, which it takes the place of."""
        self._last, before = message, self._last
        return message != before

    def forget(self) -> None:
        """Take down that there is nothing to say."""
        self._last = ""


class _Survived:
    """A step that is taken again and again, whose failure does not end the work.

    The same failure is logged once, until there is another or none.
    """

    def __init__(self, step: Callable[[], object]) -> None:
        self._step, self._said = step, _Said()

    def __call__(self) -> type[Exception] | None:
        """Take the step; return the kind of its error."""
        try:
            self._step()
        except _Stopped:
            pass
        except CitespanError as error:
            if self._said.is_news(message := f"{error.code}: {error}"):
                _log.error("%s", message)
            return type(error)
        except Exception as error:  # noqa: BLE001 -- a thread's boundary: the service goes on answering
            if self._said.is_news(repr(error)):
                _log.exception("unexpected error in the background")
            return type(error)
        self._said.forget()
        return None
