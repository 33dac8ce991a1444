"""What a WebSocket close code means for a client: come back, come back with a new token, stay away.

4400 to 4499 tell a client to stay away, 4500 to 4599 to come back. Other codes are RFC 6455's;
whoever is told that its own words were wrong would only repeat them.
"""

from enum import Enum

TOKEN_CODES = frozenset({4401, 4501})
"""The token does not hold, or not any longer: a fresh one may."""
_OWN_FAULT = frozenset({1002, 1003, 1007, 1008, 1009, 1010})
_STAY_AWAY = range(4400, 4500)


class Verdict(Enum):
    """What to do after a connection ended."""

    COME_BACK = "come back"
    RENEW = "renew the token, then come back"
    STAY_AWAY = "stay away"


def verdict(code: int | None, status: int | None) -> Verdict:
    """Judge by the close code and the status of the problem in an ERROR frame, if there was one.

    A code of the application's range outranks the problem: it was chosen knowing it.
    """
    if code in TOKEN_CODES or status == 401:  # noqa: PLR2004 - Unauthorized
        return Verdict.RENEW
    if code in _STAY_AWAY or code in _OWN_FAULT:
        return Verdict.STAY_AWAY
    chosen = code is not None and code >= 4000  # noqa: PLR2004 - where the application's own begin
    if status is not None and not chosen and is_final(status):
        return Verdict.STAY_AWAY
    return Verdict.COME_BACK


def is_final(status: int) -> bool:
    """Tell whether the same request would be refused again: 4xx, but for those that pass."""
    return 400 <= status < 500 and status not in {408, 425, 429}  # noqa: PLR2004
