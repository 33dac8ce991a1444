"""The action of a client after its connection ended, by WebSocket close code and HTTP status.

The server uses 4400 to 4499 for "do not reconnect" and 4500 to 4599 for "reconnect". All other
codes are those of RFC 6455; a client that caused a protocol error does not reconnect.
"""

from enum import Enum
from http import HTTPStatus

import httpx

TOKEN_CODES = frozenset({4401, 4501})
"""The token is invalid or has expired: a new one may be accepted."""
_CLIENT_ERRORS = frozenset({1002, 1003, 1007, 1008, 1009, 1010})
_DO_NOT_RECONNECT = range(4400, 4500)
_APPLICATION_CODES = range(4000, 5000)
_TEMPORARY = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


class CloseAction(Enum):
    """The action after a connection ended."""

    RECONNECT = "reconnect"
    RENEW_TOKEN = "renew the token, then reconnect"  # noqa: S105 - an action
    GIVE_UP = "give up"


def close_action(code: int | None, status: int | None) -> CloseAction:
    """Return the action after close code `code` and an ERROR with a problem of status `status`.

    A code of the application's range takes precedence over the problem.
    """
    if code in TOKEN_CODES or status == HTTPStatus.UNAUTHORIZED:
        return CloseAction.RENEW_TOKEN
    if code in _DO_NOT_RECONNECT or code in _CLIENT_ERRORS:
        return CloseAction.GIVE_UP
    if status is not None and code not in _APPLICATION_CODES and is_final(status):
        return CloseAction.GIVE_UP
    return CloseAction.RECONNECT


def is_final(status: int) -> bool:
    """Return whether the same request would fail again: a 4xx that is not temporary."""
    return httpx.codes.is_client_error(status) and status not in _TEMPORARY
