"""The composition root: settings to a served app, and nothing else.

`python serve.py` and `citespan serve` are the same command.
"""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import closing

import click
import waitress
import waitress.server
from rich.console import Console

from qa.background import background_work
from qa.cli import citespan, command, print_report, progress_bars
from qa.composition import open_engine, update_index
from qa.settings import Settings
from qa.web.app import create_app

__all__ = ["citespan", "main"]

_log = logging.getLogger(__name__)


@command("serve", "index", "answers", "server")
def serve(settings: Settings) -> None:
    """Update the index, then serve the web form and the API."""
    with progress_bars() as on_progress:
        report = update_index(settings, on_progress=on_progress)
    print_report(report)
    with closing(open_engine(settings)) as engine:
        app = create_app(engine, host=settings.host, allowed_hosts=settings.allowed_host)
        try:
            server = waitress.create_server(app, host=settings.host, port=settings.port, threads=settings.threads)
        except OSError as error:
            raise click.ClickException(
                f"cannot serve on {settings.host}:{settings.port}: {error.strerror}; choose another with --port"
            ) from error
        stopped = threading.Event()
        with background_work(engine, settings.documents if settings.watch else None, stopped):
            _greet(server)
            try:
                server.run()
            finally:
                stopped.set()
                server.close()


def _greet(server: waitress.server.BaseWSGIServer) -> None:
    host, port = server.effective_host, server.effective_port
    shown = f"[{host}]" if ":" in host else host
    Console(stderr=True, highlight=False).print(
        f"Citespan answers at [bold]http://{shown}:{port}[/bold] (Ctrl+C ends it)"
    )


def main() -> None:
    """Run `serve` with the flags of this process."""
    citespan.main(args=["serve", *sys.argv[1:]], prog_name="citespan")


if __name__ == "__main__":
    main()
