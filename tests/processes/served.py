"""The service with stand-in models, for gunicorn and for itself.

gunicorn 'tests.processes.served:application()'
python -m tests.processes.served --port 0
"""

from __future__ import annotations

import os
from typing import Any
from unittest.mock import patch
from wsgiref.types import StartResponse, WSGIApplication

import serve
from index.store import folder
from qa import composition, wsgi
from tests.standins import HashingEncoder, OverlapReader


def application() -> WSGIApplication:
    """Return the app of `qa.wsgi`; each of its answers says which process gave it."""
    stand_in()
    app = wsgi.application()

    def named(environ: dict[str, Any], start_response: StartResponse) -> Any:  # as the app returns it
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, ("X-Process", str(os.getpid()))], *error)

        return app(environ, start)

    return named


def stand_in() -> None:
    """Have this process use stand-in models, and not wait long for another writer."""
    patch.object(composition, "open_encoder", lambda *_, **__: HashingEncoder()).start()
    patch.object(composition, "open_reader", lambda *_, **__: OverlapReader()).start()
    patch.object(folder, "_PATIENCE_S", 0.2).start()


if __name__ == "__main__":
    stand_in()
    serve.main()
