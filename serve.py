"""The composition root: settings to a served app, and nothing else.

`python serve.py` and `citespan serve` are the same command.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import closing
from typing import Any

import waitress
import waitress.wasyncore
from rich.console import Console
from rich.markup import escape

from index.errors import AddressUnusable
from qa.background import background_work
from qa.cli import citespan, command
from qa.composition import open_updated_engine
from qa.evaluation import command as _  # noqa: F401  # adds `citespan eval`
from qa.settings import Settings
from qa.terminal import print_report, progress_bars
from qa.web.app import create_app

__all__ = ["citespan", "main"]

# Larger ones are not even received; what the app itself takes is less.
_MAX_BODY_BYTES = 2**20


@command("serve", "index", "retrieval", "answers", "addresses", "server")
def serve(settings: Settings) -> None:
    """Update the index, then serve the web form and the API."""
    # By which systemd and containers end a service; then it stops as at Ctrl+C, and leaves nothing open.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit())
    with progress_bars() as on_progress:
        opened, report = open_updated_engine(settings, on_progress=on_progress)
    print_report(report)
    with closing(opened) as engine:
        app = create_app(engine, host=settings.host, allowed_hosts=settings.allowed_host)
        connections: dict[int, Any] = {}  # waitress has no types
        try:
            server = waitress.create_server(
                app,
                connections,
                host=settings.host,
                port=settings.port,
                threads=settings.threads,
                max_request_body_size=_MAX_BODY_BYTES,
            )
        except (OSError, ValueError) as error:
            raise AddressUnusable(
                f"cannot serve on {settings.host}:{settings.port} ({error}): choose others with --host and --port"
            ) from error
        stopped = threading.Event()
        with background_work(engine, stopped, is_watching=settings.watch):
            _greet(server)
            try:
                server.run()
            finally:
                stopped.set()
                # Of clients too, which the server's own close() leaves open.
                waitress.wasyncore.close_all(connections)


def _greet(server: Any) -> None:
    # One name can stand for several addresses; then there is a server for each.
    listening = getattr(server, "effective_listen", None) or [(server.effective_host, server.effective_port)]
    for host, port in listening:
        shown = f"[{host}]" if ":" in host else host
        Console(stderr=True, highlight=False).print(
            f"Citespan answers at [bold]http://{escape(shown)}:{port}[/bold] (Ctrl+C ends it)"
        )


def main() -> None:
    """Run `serve` with the flags of this process."""
    citespan.main(args=["serve", *sys.argv[1:]], prog_name="citespan")


if __name__ == "__main__":
    main()
