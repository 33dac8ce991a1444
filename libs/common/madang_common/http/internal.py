"""Recognises requests from other services, probes and Prometheus."""

from starlette.types import ASGIApp, Receive, Scope, Send

_INTERNAL = "/internal/"
_POLLED = ("/health", "/metrics", "/internal/revocations")
"""Paths that are polled."""
_SCOPE_KEY = "madang.in_process"


def is_internal(scope: Scope) -> bool:
    """Return whether another service sent the request, by its path or from this process."""
    return _SCOPE_KEY in scope or scope["path"].startswith(_INTERNAL)


def is_routine(scope: Scope, status: int) -> bool:
    """Return whether a request with the response `status` needs no line in the log."""
    if scope["path"].startswith(_POLLED):
        return True
    return is_internal(scope) and status < (500 if _SCOPE_KEY in scope else 400)


def in_process(app: ASGIApp) -> ASGIApp:
    """Return `app` with its requests marked as sent by a service of this process."""

    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, _SCOPE_KEY: True}, receive, send)

    return marked
