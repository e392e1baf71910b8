"""A report as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.table import Column, Table
from rich.text import Text

from index.retriever import Retrieval
from qa.evaluation.bootstrap import Bootstrap
from qa.evaluation.compare import Difference, differ
from qa.evaluation.ranking import MAIN
from qa.evaluation.summary import Report, Verdict

MILLISECONDS = "_ms"


def report_json(report: Report) -> dict[str, Any]:  # JSON
    """Return the report as JSON has it: keys may be added later, never removed or changed."""
    return {
        "name": report.name,
        "about": dict(report.about),
        "measures": {name: asdict(estimate) for name, estimate in report.measures.items()},
        "reliability": [asdict(some) for some in report.reliability],
        "risk_coverage": asdict(report.risk_coverage),
        "questions": [_verdict_json(verdict) for verdict in report.verdicts],
        "values": {name: dict(of_questions) for name, of_questions in report.values.items()},
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:  # JSON
    prediction = verdict.prediction
    return {
        "id": prediction.question.question_id,
        "question": prediction.question.text,
        "golds": list(dict.fromkeys(prediction.question.golds)),
        "answer": prediction.answer,
        "confidence": prediction.confidence,
        "is_answered": verdict.is_answered,
        "em": verdict.em,
        "f1": verdict.f1,
        "is_right": verdict.is_right,
    }


def about_table(report: Report) -> Table:
    """Return what was asked of what, and the counts."""
    table = Table.grid(padding=(0, 2))
    for name, value in report.about.items():
        table.add_row(name, Text(f"{value:.4g}" if isinstance(value, float) else f"{value}"))
    return table


def measures_table(report: Report) -> Table:
    """Return each measure with its interval and the number of questions it is over."""
    table = Table("measure", _right("value"), _right("95 % interval"), _right("n"), title=report.name)
    for name, estimate in report.measures.items():
        form = ".1f" if name.endswith(MILLISECONDS) else ".3f"
        interval = f"{estimate.low:{form}} to {estimate.high:{form}}"
        table.add_row(name, f"{estimate.value:{form}}", interval, f"{estimate.n:,}")
    return table


def searches_table(report: Report) -> Table:
    """Return the searches of judged queries side by side, and whether they differ from the hybrid one by chance."""
    searches = list(dict.fromkeys(name.rpartition(" ")[0] for name in report.values if " " in name))
    measures = list(dict.fromkeys(name.rpartition(" ")[2] for name in report.values if " " in name))
    bootstrap = Bootstrap(int(report.about["n_resamples"]), int(report.about["seed"]))
    table = Table("search", *map(_right, [*measures, "95 %", "p"]), title=report.name)
    ids = list(report.values[f"{Retrieval.HYBRID} {MAIN}"])
    mains = {search: np.array([report.values[f"{search} {MAIN}"][one] for one in ids]) for search in searches}
    for search in searches:
        found = [report.measures[f"{search} {measure}"] for measure in measures]
        difference = differ(mains[Retrieval.HYBRID], mains[search], bootstrap)
        p_value = "" if search == Retrieval.HYBRID else f"{difference.p_value:.3f}"
        main = report.measures[f"{search} {MAIN}"]
        cells = [*(f"{some.value:.3f}" for some in found), f"{main.low:.3f}–{main.high:.3f}", p_value]
        table.add_row(search, *cells)
    table.caption = f"95 %: interval of {MAIN}. p: that it differs so much from hybrid's by chance."
    return table


def differences_table(differences: Mapping[str, Difference]) -> Table:
    """Return how measures changed."""
    table = Table("measure", *map(_right, ("before", "after", "change", "95 %", "p", "n")))
    for name, some in differences.items():
        table.add_row(
            name,
            f"{some.before:.3f}",
            f"{some.after:.3f}",
            f"{some.change.value:+.3f}",
            f"{some.change.low:+.3f} to {some.change.high:+.3f}",
            f"{some.p_value:.3f}",
            f"{some.change.n:,}",
        )
    return table


def reliability_table(report: Report) -> Table:
    """Return how often answers of each confidence are right."""
    table = Table("confidence", _right("mean"), _right("right"), _right("n"), title="reliability")
    for some in report.reliability:
        label = f"{some.low:.1f} to {some.high:.1f}"
        table.add_row(label, f"{some.confidence:.3f}", f"{some.accuracy:.3f}", f"{some.n:,}")
    return table


def misses_table(report: Report, n_listed: int) -> Table:
    """Return the questions whose outcome is not right: answered wrongly, or in silence, or where silence was right."""
    missed = [verdict for verdict in report.verdicts if not verdict.is_right]
    n = len(report.verdicts)
    title = f"{n - len(missed):,} of {n:,} right, missed ({len(missed):,})"
    table = Table("id", "question", "gold", "said", _right("confidence"), title=title)
    for verdict in missed[:n_listed]:
        prediction = verdict.prediction
        table.add_row(
            Text(prediction.question.question_id),
            Text(_quoted([prediction.question.text])),
            Text(_quoted(dict.fromkeys(prediction.question.golds)) or "nothing"),
            Text(_quoted([prediction.answer]) if verdict.is_answered else "nothing"),
            f"{prediction.confidence:.2f}",
        )
    if len(missed) > n_listed:
        table.caption = f"{len(missed) - n_listed:,} more: --html and --json have them all"
    return table


def _quoted(texts: Iterable[str]) -> str:
    # As Python writes them: a document's control characters would command the terminal.
    return ", ".join(repr(" ".join(text.split())) for text in texts)


def _right(header: str) -> Column:
    return Column(header, justify="right")
