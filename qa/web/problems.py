"""Errors at the wire: a real HTTP status, and a body that says code and remedy."""

from __future__ import annotations

import logging
from typing import NamedTuple

from flask import Flask, Response, json, render_template, request
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
)

from index.errors import (
    CitespanError,
    CollectionError,
    EncoderError,
    FeedbackError,
    IndexBusy,
    InputError,
    ModelError,
    NotFoundError,
    Overloaded,
    ReaderError,
    StaleIndex,
    StoreError,
)
from qa.wire import problem_json

_log = logging.getLogger(__name__)


class _Kind(NamedTuple):
    status: int
    title: str


# The first class that an error is of decides.
_KINDS: tuple[tuple[type[CitespanError], _Kind], ...] = (
    (InputError, _Kind(400, "The request cannot be used")),
    (NotFoundError, _Kind(404, "Not found")),
    (IndexBusy, _Kind(409, "The index is being written")),
    (StaleIndex, _Kind(409, "The folder has changed")),
    (Overloaded, _Kind(503, "Too busy")),
    (CollectionError, _Kind(500, "The folder of documents cannot be read")),
    (StoreError, _Kind(500, "The index cannot be used")),
    (EncoderError, _Kind(500, "The encoder cannot be used")),
    (ReaderError, _Kind(500, "The reader cannot be used")),
    (ModelError, _Kind(500, "A model cannot be used")),
    (FeedbackError, _Kind(500, "Feedback cannot be kept")),
    (CitespanError, _Kind(500, "Something went wrong")),
)

# HTTP's own errors, those that Flask raises, by status.
HTTP_CODES = {
    400: "request_invalid",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    421: "host_unknown",
    500: "internal_error",
}
OTHER_HTTP_CODE = "http_error"


def install(app: Flask) -> None:
    """Let every error of this app be answered as a problem, or as a page where a page was asked for."""
    app.register_error_handler(CitespanError, _citespan_error)
    app.register_error_handler(HTTPException, _http_error)


def status_of(error: CitespanError) -> int:
    """Return the HTTP status of an error."""
    return _kind(error).status


def _kind(error: CitespanError) -> _Kind:
    return next(kind for type_, kind in _KINDS if isinstance(error, type_))


def _citespan_error(error: CitespanError) -> Response:
    kind = _kind(error)
    if kind.status >= 500:
        _log.error("%s: %s", error.code, error)
    problem = problem_json(error.code, str(error), status=kind.status, title=kind.title)
    if isinstance(error, StaleIndex):
        problem |= {"n_added": error.n_added, "n_changed": error.n_changed, "n_removed": error.n_removed}
    response = _answer(problem)
    if isinstance(error, Overloaded | IndexBusy):
        response.headers["Retry-After"] = "5"
    return response


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if isinstance(error, InternalServerError) and error.original_exception is not None:
        _log.error("unexpected error", exc_info=error.original_exception)
    code = HTTP_CODES.get(status, OTHER_HTTP_CODE)
    response = _answer(problem_json(code, _detail(error), status=status, title=error.name))
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _detail(error: HTTPException) -> str:
    """Return what is wrong and what to do, where HTTP's own words say neither."""
    if isinstance(error, NotFound):
        return f"there is nothing at {request.path[:200]}: the API's addresses are in docs/api.md"
    if isinstance(error, MethodNotAllowed):
        return f"{request.path[:200]} does not take {request.method}: it takes {', '.join(error.valid_methods or ())}"
    if isinstance(error, RequestEntityTooLarge):
        return f"the body is over {request.max_content_length:,} bytes: ask one thing at a time"
    return error.description or error.name


def _answer(problem: dict[str, object]) -> Response:
    status = problem["status"]
    assert isinstance(status, int)
    if request.path.startswith("/api/"):
        return Response(json.dumps(problem), status=status, mimetype="application/problem+json")
    return Response(render_template("error.html", problem=problem), status=status)
