"""What people say of answers, at the wire: the API's routes and the pages'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as Redirect

from index.errors import InvalidParameter, InvalidRequest, UnknownSpan
from qa import wire
from qa.engine import Engine
from qa.feedback import Judgement, Place, Verdict, judge, quote
from qa.feedback_store import FeedbackStore
from qa.requests import of_kind, parse_number, parse_switch, refuse_unknown
from qa.web import views
from qa.web.api import OF_ASKING, json_object, request_of_query

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

_OF_JUDGING = ("question", "verdict", "answer", "citation", "passage", "corrected", "comment", "index_version")
_REQUIRED = ("question", "verdict", "answer", "index_version")
_OF_FORM = ("judgement", "of", "doc_id", "start", "end", "digest", "index_version")

# What the buttons of the form say: the verdict, and what would have been right.
_BUTTONS: Mapping[str, tuple[Verdict, str | None]] = {
    "right": (Verdict.RIGHT, None),
    "wrong": (Verdict.WRONG, None),
    "unsaid": (Verdict.WRONG, ""),
}


def feedback_api(engine: Engine, feedback: FeedbackStore) -> Blueprint:
    """Return the routes below /api/v1/feedback."""
    blueprint = Blueprint("feedback_api", __name__, url_prefix="/api/v1/feedback")

    @blueprint.get("")
    def listed() -> wire.Json:
        refuse_unknown(request.args, ("limit", "before"))
        limit = parse_number(request.args.get("limit", str(DEFAULT_LIMIT)), "limit")
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidParameter(f"limit is {limit}: it has to be a whole number from 1 to {MAX_LIMIT}")
        entries = feedback.newest(limit, before=request.args.get("before"))
        return {"feedback": [wire.entry_json(entry) for entry in entries], "n_feedback": feedback.count()}

    @blueprint.post("")
    def add() -> tuple[wire.Json, int]:
        entry = judge(engine, _judgement_of_body(json_object(_OF_JUDGING)))
        feedback.add(entry)
        return wire.entry_json(entry), 201

    @blueprint.delete("/<feedback_id>")
    def delete(feedback_id: str) -> wire.Json:
        refuse_unknown(request.args, ())
        return wire.entry_json(feedback.delete(feedback_id))

    return blueprint


def feedback_pages(engine: Engine, feedback: FeedbackStore) -> Blueprint:
    """Return the routes of the pages; the form itself is a part of the page with the answer."""
    blueprint = Blueprint("feedback_pages", __name__)

    @blueprint.get("/feedback")
    def listed() -> str:
        refuse_unknown(request.args, ("before", "taken_back"))
        entries = feedback.newest(views.PAGE_SIZE + 1, before=request.args.get("before"))
        return render_template(
            "feedback.html",
            entries=entries[: views.PAGE_SIZE],
            n_entries=feedback.count(),
            has_older=len(entries) > views.PAGE_SIZE,
            is_continued="before" in request.args,
            is_taken_back=parse_switch(request.args.get("taken_back", "0"), "taken_back"),
        )

    @blueprint.post("/feedback")
    def add() -> Redirect:
        asked = request_of_query(request.args, "q", also=OF_ASKING)
        entry = judge(engine, _judgement_of_form(engine, asked.text, request.form))
        feedback.add(entry)
        back = [*request.args.items(multi=True), (views.JUDGED, entry.entry_id)]
        return redirect(f"/?{urlencode(back)}#feedback", 303)

    @blueprint.post("/feedback/<feedback_id>/delete")
    def delete(feedback_id: str) -> Redirect:
        refuse_unknown(request.args, ())
        feedback.delete(feedback_id)
        return redirect("/feedback?taken_back=1", 303)

    return blueprint


def _judgement_of_body(body: Mapping[str, Any]) -> Judgement:  # JSON
    """Return the judgement that a body makes.

    Raises:
        InvalidRequest: Something is missing.
        InvalidParameter: Something is of the wrong kind.
    """
    for name in _REQUIRED:
        if name not in body:
            raise InvalidRequest(f"there is no {name}: it has to be given, and “answer” may be null")
    answer, corrected = (
        None if body.get(name) is None else of_kind(body[name], str, name, "a string, or null")
        for name in ("answer", "corrected")
    )
    about, other = ("citation", "passage") if answer is not None else ("passage", "citation")
    if body.get(other) is not None:
        raise InvalidParameter(f"{other} has to be null: an answer has a citation, a silence may have a passage")
    return Judgement(
        question=of_kind(body["question"], str, "question", "a string"),
        verdict=_verdict(body["verdict"]),
        answer=answer,
        place=None if body.get(about) is None else _place_of_body(body[about], about),
        corrected=corrected,
        comment=of_kind(body.get("comment", ""), str, "comment", "a string"),
        index_version=of_kind(body["index_version"], int, "index_version", "a whole number"),
    )


def _verdict(value: Any) -> Verdict:  # a JSON value may be anything
    try:
        return Verdict(value)
    except ValueError as error:
        raise InvalidParameter(f"verdict has to be {' or '.join(Verdict)}") from error


def _place_of_body(value: object, name: str) -> Place:
    keys = ("doc_id", "start", "end")
    place = of_kind(value, dict, name, "an object")
    refuse_unknown(place, keys)
    if len(place) < len(keys):
        raise InvalidRequest(f"{name} has to have {', '.join(keys)}")
    start, end = (of_kind(place[key], int, f"{name}.{key}", "a whole number") for key in ("start", "end"))
    return Place(of_kind(place["doc_id"], str, f"{name}.doc_id", "a string"), start, end)


def _judgement_of_form(engine: Engine, question: str, form: MultiDict[str, str]) -> Judgement:
    """Return the judgement that the form below an answer makes.

    Raises:
        InputError: It makes none.
        UnknownDocument, UnknownSpan: What it is about is no longer there.
    """
    refuse_unknown(form, (*_OF_FORM, "corrected", "comment"))
    missing = [name for name in _OF_FORM if name not in form]
    if missing:
        raise InvalidRequest(f"the form lacks {', '.join(missing)}: send the one below the answer")
    if form["of"] not in ("answer", "silence"):
        raise InvalidParameter(f"of is {form['of'][:40]!r}: it has to be answer or silence")
    verdict, corrected = _said(form)
    place = Place(form["doc_id"], parse_number(form["start"], "start"), parse_number(form["end"], "end"))
    words = quote(engine, place).quote
    if views.digest_of(words) != form["digest"]:
        raise UnknownSpan(f"{place.doc_id} was changed since the question was asked: ask again, and judge that answer")
    return Judgement(
        question=question,
        verdict=verdict,
        answer=None if form["of"] == "silence" else words,
        place=place,
        corrected=corrected,
        comment=form.get("comment", ""),
        index_version=parse_number(form["index_version"], "index_version"),
    )


def _said(form: MultiDict[str, str]) -> tuple[Verdict, str | None]:
    """Return what the button that was pressed says: the verdict, and what would have been right."""
    button = form["judgement"]
    if button in _BUTTONS:
        return _BUTTONS[button]
    if button != "corrected":
        raise InvalidParameter(f"judgement is {button[:40]!r}: it has to be {', '.join(_BUTTONS)} or corrected")
    corrected = form.get("corrected", "").strip()
    if not corrected:
        raise InvalidParameter("there is no correction: write what would have been right")
    return Verdict.WRONG, corrected
