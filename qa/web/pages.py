"""The pages: rendered on the server, complete without scripts, every state in the URL."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, redirect, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as Redirect

from index.errors import InputError, InvalidParameter, UnknownFeedback
from index.records import Document, Span
from index.wording import counted
from qa.engine import Engine
from qa.feedback import Entry
from qa.feedback_store import FeedbackStore
from qa.requests import check_path, check_span, check_text, parse_number, refuse_unknown
from qa.web import views
from qa.web.api import OF_ASKING, request_of_query, wants_explanation
from qa.web.problems import status_of
from qa.wire import document_url

_OPTIONAL = ("k", "path", "media_type", *OF_ASKING)


def pages(engine: Engine, feedback: FeedbackStore) -> Blueprint:
    """Return the routes of the pages."""
    blueprint = Blueprint("pages", __name__)
    for words in (
        counted,
        views.duration,
        views.confidence,
        views.per_cent,
        views.below,
        views.kind_of_file,
        views.sentence,
    ):
        blueprint.add_app_template_filter(words)
    blueprint.add_app_template_global(document_url, "document_url")

    @blueprint.get("/")
    def ask() -> str | tuple[str, int]:
        form = views.Form.of(request.args, engine.media_types(), engine.reader.calibration.risks)
        if "q" not in request.args:
            refuse_unknown(request.args, ("q", *_OPTIONAL))
            return render_template("start.html", form=form, listing=views.Listing.of(engine.documents().documents))
        try:
            query = _without_blanks(request.args)
            asked = request_of_query(query, "q", also=(*OF_ASKING, views.JUDGED))
            explain = wants_explanation(query)
            response = engine.ask(asked)
        except InputError as error:
            return render_template("refused.html", form=form, error=error), status_of(error)
        return render_template(
            "answers.html" if response.answers else "no_answer.html",
            form=form,
            response=response,
            answers=[views.AnswerView.of(answer) for answer in response.answers],
            others=views.other_hits(response),
            explanation=views.ExplanationView.of(response.explanation) if explain else None,
            judging=views.JudgingForm.of(response, query, kept=_kept(feedback, query)),
        )

    @blueprint.get("/documents")
    def documents() -> str:
        refuse_unknown(request.args, ("path", "page", "updated", "changes"))
        path, page = _path(request.args), _number(request.args, "page") or 1
        status = engine.status()
        return render_template(
            "documents.html",
            listing=views.Listing.of(engine.documents().documents, path=path, page=page),
            index_version=status.index_version,
            failed=views.Failures.of(status.failures, path=path, is_skipped=False),
            skipped=views.Failures.of(status.failures, path=path, is_skipped=True),
            updated=_number(request.args, "updated"),
            n_changes=_number(request.args, "changes") or 0,
        )

    @blueprint.post("/documents/update")
    def update() -> Redirect:
        refuse_unknown(request.args, ())
        report = engine.update()
        return redirect(f"/documents?updated={report.index_version}&changes={report.n_changes}", 303)

    @blueprint.get("/documents/<path:doc_id>")
    def document(doc_id: str) -> str:
        refuse_unknown(request.args, ("start", "end"))
        view = engine.document(doc_id)
        span = _span(request.args, view.document)
        marked = views.MarkedText.of(view.document.text, span) if span else None
        return render_template("document.html", view=view, document=view.document, span=span, marked=marked)

    @blueprint.get("/errors")
    def errors() -> str:
        refuse_unknown(request.args, ())
        return render_template("errors.html", explanations=views.explanations())

    return blueprint


def _without_blanks(query: MultiDict[str, str]) -> MultiDict[str, str]:
    """Return the query without the fields that a form sends although they were left empty."""
    return MultiDict([(name, value) for name, value in query.items(multi=True) if value or name not in _OPTIONAL])


def _kept(feedback: FeedbackStore, query: MultiDict[str, str]) -> Entry | None:
    """Return what the person has just said, None where nothing was said or it was taken back since."""
    with suppress(UnknownFeedback):
        return feedback.get(query[views.JUDGED]) if views.JUDGED in query else None
    return None


def _path(query: MultiDict[str, str]) -> str:
    path = query.get("path", "")
    check_text(path, "path")
    return check_path(path)


def _number(query: MultiDict[str, str], name: str) -> int | None:
    """Return the whole number that a parameter says, None where it is not given.

    Raises:
        InvalidParameter: It says none, or one below 0.
    """
    if name not in query:
        return None
    number = parse_number(query[name], name)
    if number < 0:
        raise InvalidParameter(f"{name} is {number}: it has to be 0 or more")
    return number


def _span(query: MultiDict[str, str], document: Document) -> Span | None:
    """Return the span that the URL names, None where it names none.

    Raises:
        InvalidParameter: It names half a span, or nothing between its ends.
        UnknownSpan: The document ends before the span does.
    """
    start, end = _number(query, "start"), _number(query, "end")
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InvalidParameter("a span has a start and an end: give both, or neither for the whole document")
    return check_span(start, end, document)
