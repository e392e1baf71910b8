"""A report as one page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qa.evaluation.bootstrap import Estimate
from qa.evaluation.plots import draw
from qa.evaluation.ranking import MAIN
from qa.evaluation.report import MILLISECONDS
from qa.evaluation.summary import TOOK_MS, Report


@dataclass(frozen=True, slots=True)
class Row:
    """A question of the page's table.

    Attributes:
        golds, answer: Where answers are measured; an answer that was held back is "".
        is_missed: It is listed among the first to look at.
        values: By measure.
    """

    question_id: str
    question: str
    golds: tuple[str, ...]
    answer: str
    confidence: float | None
    is_missed: bool
    values: dict[str, float]


def render_page(report: Report) -> str:
    """Return the report as HTML: measures, plots, what was missed, every question."""
    environment = Environment(
        loader=PackageLoader("qa.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["estimate"] = _estimate
    environment.filters["number"] = "{:.3g}".format
    rows = list(_rows(report))
    return environment.get_template("report.html").render(
        report=report,
        plots=[Markup(svg) for svg in draw(report)],  # noqa: S704  # our own drawings
        rows=rows,
        columns=list(dict.fromkeys(name for row in rows for name in row.values)),
        has_answers=bool(report.verdicts),
    )


def _estimate(estimate: Estimate, name: str) -> str:
    form = ".1f" if name.endswith(MILLISECONDS) else ".3f"
    return f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def _rows(report: Report) -> Iterator[Row]:
    def values(question_id: str) -> dict[str, float]:
        return {
            name: of_questions[question_id]
            for name, of_questions in report.values.items()
            if " " not in name and name != TOOK_MS and question_id in of_questions
        }

    for verdict in report.verdicts:
        question = verdict.prediction.question
        yield Row(
            question.question_id,
            question.text,
            tuple(dict.fromkeys(question.golds)),
            verdict.prediction.answer if verdict.is_answered else "",
            verdict.prediction.confidence,
            not verdict.is_right,
            values(question.question_id),
        )
    for query_id, text in report.queries.items():
        found = values(query_id)
        yield Row(query_id, text, (), "", None, not found.get(MAIN, 1.0), found)
