"""The app factory: it is handed a finished engine and opens nothing itself."""

from __future__ import annotations

from collections.abc import Collection

from flask import Flask

from qa.engine import Engine
from qa.feedback_store import FeedbackStore
from qa.web import guards, problems
from qa.web.api import api
from qa.web.feedback import feedback_api, feedback_pages
from qa.web.pages import pages

_MAX_BODY_BYTES = 64 * 2**10


def create_app(engine: Engine, *, host: str = "127.0.0.1", allowed_hosts: Collection[str] = ()) -> Flask:
    """Return the WSGI app.

    Args:
        host: Where it will be served; which names it answers to depends on it.
        allowed_hosts: Further names that it answers to.
    """
    app = Flask(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=_MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=_MAX_BODY_BYTES,
        MAX_FORM_PARTS=20,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider's; the order is for people
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    guards.install(app, host=host, allowed_hosts=allowed_hosts)
    problems.install(app)
    feedback = FeedbackStore(engine.source.index)
    app.register_blueprint(api(engine))
    app.register_blueprint(feedback_api(engine, feedback))
    app.register_blueprint(pages(engine, feedback))
    app.register_blueprint(feedback_pages(engine, feedback))
    return app
