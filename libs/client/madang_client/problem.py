"""Converts problem documents (RFC 9457) to errors."""

from collections.abc import Mapping
from typing import Any

import orjson

from madang_client import errors
from madang_client.errors import Refused

_BY_STATUS: dict[int, type[Refused]] = {
    400: errors.Invalid,
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    410: errors.Gone,
    413: errors.TooLarge,
    422: errors.Invalid,
    429: errors.TooManyRequests,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
}
_BY_TYPE: dict[str, type[Refused]] = {
    "urn:madang:problem:not-a-member": errors.NotAMember,
    "urn:madang:problem:banned": errors.Banned,
    "urn:madang:problem:key-conflict": errors.KeyConflict,
    "urn:madang:problem:message-deleted": errors.MessageDeleted,
    "urn:madang:problem:too-many-reactions": errors.TooManyReactions,
}


def refusal(
    body: bytes, *, status: int | None = None, retry_after: str | None = None, reason: str = ""
) -> Refused:
    """Return the error for the problem in `body`; `reason` is the title if there is none.

    `status` is that of the HTTP response; without one, the document's own is used.
    """
    problem = _document(body, reason)
    if status is None:
        own = problem.get("status")
        status = own if isinstance(own, int) else 500
    kind = _BY_TYPE.get(str(problem.get("type"))) or _BY_STATUS.get(status, Refused)
    seconds = retry_after_seconds(retry_after)
    if seconds is None:
        seconds = retry_after_seconds(problem.get("retry_after_seconds"))
    return kind(problem, status, retry_after_seconds=seconds)


def retry_after_seconds(text: object) -> float | None:
    """Return a `Retry-After` in seconds, None if missing or malformed."""
    if not isinstance(text, str | int | float):
        return None
    try:
        seconds = float(text)
    except ValueError:
        # A date (RFC 9110 section 10.2.3) would need the server's clock.
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _document(body: bytes, reason: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if isinstance(found, dict):
        return {"title": reason} | found if reason else found
    return {"title": reason} if reason else {}
