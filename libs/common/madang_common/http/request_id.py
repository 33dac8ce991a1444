"""Request ids: from the caller or new, in every log line, forwarded to other services."""

import re

import structlog

from madang_common.ids import next_id

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")


def begin(given: str | None) -> str:
    """Bind the caller's request id if it is well-formed, else a new one, and return it."""
    request_id = given if given and _ACCEPTED.match(given) else next_id()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def current() -> str | None:
    """Return the request id of the current request, if any."""
    return structlog.contextvars.get_contextvars().get("request_id")
