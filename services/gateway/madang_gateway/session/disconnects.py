"""Disconnect codes: a fixed table of code, reason, and whether the client should reconnect.

After codes from 4400 on, a client must not reconnect without a change, such as another token; after
codes from 4500 on, 1011 and 1012 it should reconnect and resume with `since`.

Session and Connection use the same terms for the end of a connection:

    disconnect(why)             send the client the reason (ERROR, close frame), then close
    disconnect_when_done(why)   the same, once everything received is answered
    send_close(why)             write the close frame, start the deadline of the close handshake
    connection_lost             the socket was closed
    close()                     release what the object holds; nothing is sent
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from madang_common.problems import Problem, TooManyRequests, Unauthenticated, Unavailable


@dataclass(frozen=True, slots=True)
class Disconnect:
    """A WebSocket close (RFC 6455 section 7.4)."""

    code: int
    reason: str
    reconnect: bool


DISCONNECTED = Disconnect(1000, "disconnected", reconnect=False)
BROKEN_FRAMING = Disconnect(1002, "invalid SockJS message", reconnect=False)
NOT_UTF8 = Disconnect(1007, "not UTF-8", reconnect=False)
TOO_MANY_FRAGMENTS = Disconnect(1008, "too many fragments", reconnect=False)
INTERNAL = Disconnect(1011, "internal error", reconnect=True)
RESTARTING = Disconnect(1012, "restarting", reconnect=True)
PROTOCOL_ERROR = Disconnect(4400, "protocol error", reconnect=False)
UNAUTHENTICATED = Disconnect(4401, "log in first", reconnect=False)
REFUSED = Disconnect(4403, "refused", reconnect=False)
SESSION_REVOKED = Disconnect(4410, "login ended", reconnect=False)
TOKEN_EXPIRED = Disconnect(4501, "token expired", reconnect=True)
UNAVAILABLE = Disconnect(4503, "try again", reconnect=True)
SLOW_CONSUMER = Disconnect(4508, "slow consumer", reconnect=True)
OVER_QUOTA = Disconnect(4509, "buffer quota exceeded", reconnect=True)
HEARTBEAT_LOST = Disconnect(4510, "no heart-beat", reconnect=True)
CONNECT_TIMEOUT = Disconnect(4511, "no CONNECT in time", reconnect=True)
TOO_FAST = Disconnect(4529, "too fast", reconnect=True)

_OF_PROBLEMS: Mapping[type[Problem], Disconnect] = {
    Unauthenticated: UNAUTHENTICATED,
    TooManyRequests: TOO_FAST,
    Unavailable: UNAVAILABLE,
}


def because_of(problem: Problem) -> Disconnect:
    """Return the disconnect for a connection that `problem` ends; its title is the reason."""
    known = _OF_PROBLEMS.get(type(problem), REFUSED)
    return replace(known, reason=problem.title)
