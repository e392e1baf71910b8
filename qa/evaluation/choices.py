"""What may be chosen for every kind of evaluation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from qa.evaluation.bootstrap import Bootstrap

FOLDER = click.Path(file_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Choices:
    """Explained where the options are."""

    limit: int | None
    right_from: float
    bootstrap: Bootstrap
    json_file: Path | None
    plots: Path | None


def with_choices(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command's function with the options of `Choices`, which it is handed first."""

    @click.option("--limit", type=click.IntRange(min=1), help="Ask this many, drawn by a fixed seed, and not all.")
    @click.option(
        "--right-from",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.5,
        show_default=True,
        help="F1 from which on an answer counts as right, for confidence and misses; 1: all its words, no others.",
    )
    @click.option(
        "--resamples",
        type=click.IntRange(min=1),
        default=1000,
        show_default=True,
        help="Of the bootstrap, by question.",
    )
    @click.option(
        "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there."
    )
    @click.option("--plots", type=FOLDER, help="Write reliability and risk-coverage there, as SVG.")
    @functools.wraps(function)
    def wrapper(
        *given: Any,  # settings, where the command has them
        limit: int | None,
        right_from: float,
        resamples: int,
        json_file: Path | None,
        plots: Path | None,
        **own: Any,  # whatever options the command has
    ) -> None:
        # Before the questions are asked, for that takes minutes.
        for option, value in (("--plots", plots), ("--html", own.get("html"))):
            if value is not None and find_spec("matplotlib") is None:
                raise click.UsageError(f"{option} needs matplotlib: pip install 'citespan[eval]'")
        function(Choices(limit, right_from, Bootstrap(resamples), json_file, plots), *given, **own)

    return wrapper
