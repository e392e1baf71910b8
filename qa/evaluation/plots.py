"""A report as pictures. matplotlib is an extra (`citespan[eval]`)."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qa.evaluation.ranking import MAIN
from qa.evaluation.summary import TOOK_MS, Report

_COLOUR = "#1f5fa8"
_FAINT = "#8a8a8a"


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Write the reliability diagram and the risk-coverage curve as SVG; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"reliability": _svg(_reliability(report)), "risk-coverage": _svg(_risk_coverage(report))}
    paths = []
    for name, svg in drawn.items():
        paths.append(folder / f"{report.name}-{name}.svg")
        paths[-1].write_text(svg, encoding="utf-8")
    return paths


def draw(report: Report) -> list[str]:
    """Return all that can be drawn of a report, each an SVG element for a page."""
    figures = [_reliability(report), _risk_coverage(report)] if report.verdicts else []
    if any(name.endswith(f" {MAIN}") for name in report.measures):
        figures.append(_searches(report))
    if TOOK_MS in report.values:
        figures.append(_latency(report))
    # Without the XML declaration, which has no place inside a page.
    return [svg[svg.index("<svg") :] for svg in map(_svg, figures)]


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


def _searches(report: Report) -> Figure:
    names = [name for name in report.measures if name.endswith(f" {MAIN}")]
    found = [report.measures[name] for name in names]
    figure, axes = _square(f"{MAIN} by search, 95 % intervals")
    places = range(len(names))
    errors = [[some.value - some.low for some in found], [some.high - some.value for some in found]]
    axes.barh(places, [some.value for some in found], xerr=errors, color=_COLOUR, alpha=0.5, ecolor=_FAINT, capsize=3)
    axes.set_yticks(places, [name.removesuffix(f" {MAIN}") for name in names])
    axes.invert_yaxis()
    axes.set(xlabel=MAIN)
    return figure


def _latency(report: Report) -> Figure:
    took_ms = sorted(report.values[TOOK_MS].values())
    figure, axes = _square(f"Latency, median {report.measures['latency_p50_ms'].value:.0f} ms")
    axes.ecdf(took_ms, color=_COLOUR)
    axes.set(xlabel="milliseconds of a question", ylabel="share answered by then", xlim=(0, took_ms[-1]))
    return figure


def _square(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    stream = StringIO()
    # The same report makes the same picture, so that a change in one is a change in the figures.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "citespan"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
