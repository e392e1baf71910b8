"""The JSON API. Its form is promised: keys may be added, never removed or changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from flask import Blueprint, request
from werkzeug.datastructures import MultiDict

from index.errors import EmptyQuestion, InvalidParameter, InvalidRequest
from qa import wire
from qa.engine import Engine
from qa.requests import (
    DEFAULT_K,
    Request,
    check,
    of_kind,
    parse_fraction,
    parse_number,
    parse_switch,
    refuse_unknown,
)
from qa.saved_citations import parse_citations

OF_ASKING = ("min_confidence", "max_risk", "explain")
"""What a question may say beyond what a search may."""
OF_SEARCHING = ("retrieval", "rerank")
"""The reverse."""

FRESH = "fresh"
"""What a program may say of both, and a page has no use for."""

OF_RETRIEVING = ("k", "filters", FRESH)
"""What the body of a question or a search may say."""

_MAX_CITATIONS_BYTES = 2**20
"""A hundred citations as they stand in answers have 60 kB where their text is English, and more elsewhere."""


def api(engine: Engine) -> Blueprint:
    """Return the routes below /api/v1."""
    blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

    @blueprint.get("/ask")
    def ask_get() -> wire.Json:
        asked = request_of_query(request.args, "question", also=(*OF_ASKING, FRESH))
        return wire.response_json(engine.ask(asked), explain=wants_explanation(request.args))

    @blueprint.post("/ask")
    def ask_post() -> wire.Json:
        body = json_object(("question", *OF_ASKING, *OF_RETRIEVING))
        explain = of_kind(body.get("explain", False), bool, "explain", "true or false")
        return wire.response_json(engine.ask(_request_of_body(body, "question")), explain=explain)

    @blueprint.get("/search")
    def search_get() -> wire.Json:
        return wire.search_json(engine.search(request_of_query(request.args, "query", also=(*OF_SEARCHING, FRESH))))

    @blueprint.post("/search")
    def search_post() -> wire.Json:
        body = json_object(("query", *OF_SEARCHING, *OF_RETRIEVING))
        return wire.search_json(engine.search(_request_of_body(body, "query")))

    @blueprint.get("/documents")
    def documents() -> wire.Json:
        refuse_unknown(request.args, ())
        return wire.documents_json(engine.documents())

    @blueprint.get("/documents/<path:doc_id>")
    def document(doc_id: str) -> wire.Json:
        refuse_unknown(request.args, ())
        return wire.document_json(engine.document(doc_id))

    @blueprint.post("/citations/verify")
    def verify() -> wire.Json:
        request.max_content_length = _MAX_CITATIONS_BYTES
        body = json_object(("citations",))
        return wire.verification_json(engine.verify(parse_citations(body.get("citations"))))

    @blueprint.post("/index/update")
    def update() -> wire.Json:
        refuse_unknown(request.args, ())
        return wire.report_json(engine.update())

    @blueprint.get("/status")
    def status() -> wire.Json:
        refuse_unknown(request.args, ())
        return wire.status_json(engine.status())

    @blueprint.get("/health")
    def health() -> wire.Json:
        refuse_unknown(request.args, ())
        return {"status": "ok", "index_version": engine.status().index_version}

    return blueprint


def request_of_query(query: MultiDict[str, str], text_name: str, *, also: Collection[str] = ()) -> Request:
    """Return the request that a URL's query makes: `text_name`, and optionally k, path and media_type.

    Args:
        also: Further names that are taken, those of `OF_ASKING` for a question, of `OF_SEARCHING` for a search.

    Raises:
        InputError: It makes none.
    """
    refuse_unknown(query, (text_name, "k", "path", "media_type", *also))
    for name in (text_name, "k", *also):
        if len(query.getlist(name)) > 1:
            raise InvalidParameter(f"{name} is given {len(query.getlist(name))} times: give it once")
    return check(
        query.get(text_name, ""),
        k=parse_number(query["k"], "k") if "k" in query else DEFAULT_K,
        paths=[path for path in query.getlist("path") if path],
        media_types=[media_type for media_type in query.getlist("media_type") if media_type],
        min_confidence=_fraction(query, "min_confidence"),
        max_risk=_fraction(query, "max_risk"),
        rerank=parse_number(query["rerank"], "rerank") if "rerank" in query else None,
        retrieval=query.get("retrieval"),
        fresh=query.get(FRESH),
    )


def _fraction(query: MultiDict[str, str], name: str) -> float | None:
    return parse_fraction(query[name], name) if name in query else None


def wants_explanation(query: MultiDict[str, str]) -> bool:
    """Return whether a URL's query asks for an explanation.

    Raises:
        InvalidParameter: `explain` says neither 1 nor 0.
    """
    return parse_switch(query.get("explain", "0"), "explain")


def _request_of_body(body: dict[str, Any], text_name: str) -> Request:
    if text_name not in body:
        raise EmptyQuestion(f'there is no {text_name}: send a body such as {{"{text_name}": "When did it open?"}}')
    filters = of_kind(body.get("filters", {}), dict, "filters", "an object")
    refuse_unknown(filters, ("paths", "media_types"))
    return check(
        of_kind(body[text_name], str, text_name, "a string"),
        k=of_kind(body.get("k", DEFAULT_K), int, "k", "a whole number"),
        paths=_strings(filters, "paths"),
        media_types=_strings(filters, "media_types"),
        min_confidence=_number(body, "min_confidence"),
        max_risk=_number(body, "max_risk"),
        rerank=of_kind(body["rerank"], int, "rerank", "a whole number") if "rerank" in body else None,
        retrieval=of_kind(body["retrieval"], str, "retrieval", "a string") if "retrieval" in body else None,
        fresh=of_kind(body[FRESH], str, FRESH, "a string") if FRESH in body else None,
    )


def _number(body: dict[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    # Checked before it becomes a float, for which a whole number may be too large.
    if not 0 <= of_kind(value, (int, float), name, "a number from 0 to 1") <= 1:
        raise InvalidParameter(f"{name} has to be a number from 0 to 1")
    return float(value)


def json_object(names: Sequence[str]) -> dict[str, Any]:
    """Return the request's body, an object of these names and no more.

    Raises:
        InvalidRequest: It is none.
        UnknownParameter: There are others.
    """
    refuse_unknown(request.args, ())
    if not request.is_json:
        raise InvalidRequest("the body has to be JSON: send it with Content-Type: application/json")
    try:
        body = request.get_json(silent=True)
    except RecursionError:  # the decoder's answer to brackets by the thousand
        body = None
    if not isinstance(body, dict):
        raise InvalidRequest('the body is no JSON object: send one, such as {"question": "When did it open?"}')
    refuse_unknown(body, names)
    return body


def _strings(filters: dict[str, Any], name: str) -> list[str]:
    values = of_kind(filters.get(name, []), list, f"filters.{name}", "a list of strings")
    return [of_kind(value, str, f"filters.{name}", "a list of strings") for value in values]
