"""For a server that has processes of its own: the app over an index that another process writes.

    CITESPAN_INDEX=var gunicorn --workers 4 --threads 8 'qa.wsgi:application()'

What `serve.py` is to one process, with settings from the environment alone. The index is opened and followed, and
written only where a request asks for it.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from wsgiref.types import WSGIApplication

from index.errors import OpenedBeforeFork
from qa.background import background_work
from qa.composition import open_engine
from qa.process import prepare_process
from qa.settings import settings_of_environment
from qa.web.app import create_app


def application() -> WSGIApplication:
    """Open the index and its models, and return the app that answers from them until this process ends.

    Each process of a server has to call it for itself: neither the models' threads nor SQLite outlive a fork.

    Raises:
        InvalidParameter: A variable of the environment cannot be used.
        NoIndex: There is no index yet.
        CitespanError: It, or a model, cannot be used.
    """
    settings = settings_of_environment("index", "retrieval", "answers", "addresses")
    prepare_process(settings.log_level, hub=settings.hub)
    with ExitStack() as opened:
        engine = opened.enter_context(closing(open_engine(settings)))
        app = create_app(engine, host=settings.host, allowed_hosts=settings.allowed_host)
        app.before_request(_refusing_forks())
        opened.enter_context(background_work(engine, threading.Event(), is_watching=False))
        atexit.register(_close_here(opened.pop_all()))
    return app


def _close_here(opened: ExitStack) -> Callable[[], None]:
    """Return what closes all in the process that opened it alone: SQLite forbids it to the forks."""
    opened_in = os.getpid()

    def close() -> None:
        if os.getpid() == opened_in:
            opened.close()

    return close


def _refusing_forks() -> Callable[[], None]:
    """Return a check that this still is the process that it was made in: a fork of it would wait for ever."""
    opened_in = os.getpid()

    def check() -> None:
        if os.getpid() != opened_in:
            raise OpenedBeforeFork(
                "the index was opened before the server forked: let each of its processes open it (gunicorn without "
                "--preload and preload_app)"
            )

    return check
