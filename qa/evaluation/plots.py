"""A report's confidence as pictures. matplotlib is an extra (`citespan[eval]`)."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qa.evaluation.summary import Report

_COLOUR = "#1f5fa8"
_FAINT = "#8a8a8a"


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Write the reliability diagram and the risk-coverage curve as SVG; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    # The same report makes the same file, so that a change in a picture is one in the figures.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "citespan"}):
        return [
            _written(_reliability(report), folder / f"{report.name}-reliability.svg"),
            _written(_risk_coverage(report), folder / f"{report.name}-risk-coverage.svg"),
        ]


def _reliability(report: Report) -> Figure:
    figure, axes = _square(f"Reliability, ECE {report.measures['ECE'].value:.3f}")
    bins = report.reliability
    axes.bar(
        [some.low for some in bins],
        [some.accuracy for some in bins],
        width=[some.high - some.low for some in bins],
        align="edge",
        color=_COLOUR,
        alpha=0.25,
        edgecolor=_COLOUR,
    )
    axes.plot([some.confidence for some in bins], [some.accuracy for some in bins], "o", color=_COLOUR)
    axes.plot([0, 1], [0, 1], "--", color=_FAINT)
    for some in bins:
        axes.annotate(f"{some.n}", ((some.low + some.high) / 2, 0.01), ha="center", fontsize=7, color=_FAINT)
    axes.set(xlabel="confidence", ylabel="share of right answers", ylim=(0, 1))
    return figure


def _risk_coverage(report: Report) -> Figure:
    figure, axes = _square(f"Risk and coverage, AURC {report.measures['AURC'].value:.3f}")
    curve = report.risk_coverage
    axes.plot(curve.coverage, curve.risk, color=_COLOUR)
    axes.axvline(report.measures["answered"].value, linestyle="--", color=_FAINT, label="threshold")
    axes.legend(frameon=False)
    axes.set(xlabel="coverage: share of questions answered", ylabel="risk: share of wrong among them")
    axes.set_ylim(bottom=0)
    return figure


def _square(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _written(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None})
    return path
