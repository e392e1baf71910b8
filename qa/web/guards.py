"""Who may talk to the service, and what a browser may do with its pages.

The service has no passwords: it is for the people of one machine. A web page from elsewhere must not
be able to use a visitor's browser as its way in, neither by a name that it lets point here (DNS
rebinding: the Host header tells) nor by sending a form across (the Origin header tells).
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
_ANY_ADDRESS = frozenset(("0.0.0.0", "::", ""))  # noqa: S104 -- compared with, not bound to
_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_HEADERS = {
    # Nothing is loaded from elsewhere and no script runs, whatever a document says.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": under it a browser sends "Origin: null" with our own forms too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def install(app: Flask, *, host: str, allowed_hosts: Collection[str] = ()) -> None:
    """Guard an app that is served at `host`.

    On a loopback address only loopback's names, `host` and `allowed_hosts` are answered. Who binds to
    all addresses has opened the service to the network; then `allowed_hosts` restricts, if there are any.
    """
    known = {name.lower() for name in (*_LOOPBACK, host, *allowed_hosts)}
    is_open = host in _ANY_ADDRESS and not allowed_hosts

    def check_host() -> None:
        name = _host_name(request.host)
        if not is_open and name not in known:
            abort(421, f"this service does not answer to the name {name!r}: allow it with --allowed-host")

    def check_origin() -> None:
        origin = request.headers.get("Origin")
        if request.method not in _SAFE_METHODS and origin is not None and not _is_of(origin, request.host):
            abort(403, f"requests from pages of {origin} are not taken")

    def set_headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    app.before_request(check_host)
    app.before_request(check_origin)
    app.after_request(set_headers)


def _is_of(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:  # "http://["
        return False


def _host_name(host: str) -> str:
    """Return the name of a Host header without its port: "[::1]:8000" gives "::1"."""
    return (urlsplit(f"//{host}").hostname or "").lower()
