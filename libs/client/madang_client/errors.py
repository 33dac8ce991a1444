"""Errors of this package.

MadangError
├── NotReachable         no answer, or not a valid one; retry later
├── ConnectionLost       a connection ended; a `Chat` reconnects by itself
├── Disconnected         the server closed the chat for good, with a code and a reason
├── Closed               the chat was closed locally
├── LoggedOut            the session has ended; log in again
├── ProtocolError        the server violated the protocol
│   └── OutOfOrder       an event came after a later one of the same room
└── Refused              the server refused a request, with an RFC 9457 problem
    ├── Invalid          400, 422
    ├── Unauthenticated  401
    ├── Forbidden        403
    │   ├── NotAMember
    │   └── Banned       from the room
    ├── NotFound         404
    ├── Conflict         409
    │   ├── KeyConflict       the key was used for another message
    │   ├── MessageDeleted    the message cannot be changed any more
    │   └── TooManyReactions  the message has no room for another reaction
    ├── Gone             410
    ├── TooLarge         413
    ├── TooManyRequests  429
    └── Unavailable      502, 503, 504; retry
"""

from collections.abc import Mapping
from typing import Any

from typing_extensions import override


class MadangError(Exception):
    """Base class; the message describes the error."""


class NotReachable(MadangError):  # noqa: N818 - names a state
    """No valid answer; `retry_after_seconds` is from the server, if given."""

    def __init__(self, detail: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Disconnected(MadangError):  # noqa: N818 - names a state
    """The server closed the connection for good."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"the server closed the connection: {reason or 'no reason'} ({code})")
        self.code = code
        self.reason = reason


class Closed(MadangError):  # noqa: N818 - names a state
    """The chat was closed locally."""


class LoggedOut(MadangError):  # noqa: N818 - names a state
    """The session has ended: by logout, revocation or expiry."""


class ProtocolError(MadangError):
    """The server violated the protocol."""


class OutOfOrder(ProtocolError):  # noqa: N818 - names a state
    """A new event came after a later one."""


class Refused(MadangError):  # noqa: N818 - reads as what happened
    """The server refused a request; `problem` is its RFC 9457 document."""

    def __init__(
        self,
        problem: Mapping[str, Any],
        status: int,
        *,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.problem = dict(problem)
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        """Return the fields' errors, else the detail, else the title."""
        errors = self.problem.get("errors")
        if isinstance(errors, list) and errors:
            return "; ".join(
                _field_sentence(error) for error in errors if isinstance(error, Mapping)
            )
        title = str(self.problem.get("title") or f"refused with status {self.status}")
        return str(self.problem.get("detail") or title)


def _field_sentence(error: Mapping[str, Any]) -> str:
    """Return a field's error as a sentence; `body.display_name` reads `Display name`."""
    field = str(error.get("field", "")).removeprefix("body.").removeprefix("query.")
    words = field.replace("_", " ").replace(".", " ")
    return f"{words[:1].upper()}{words[1:]}: {error.get('message')}"


class Invalid(Refused):
    """A field, or the whole request, is invalid."""


class Unauthenticated(Refused):
    """The token or the password is wrong."""


class Forbidden(Refused):
    """The user is not allowed to do this."""


class NotAMember(Forbidden):
    """The user is not a member of the room."""


class Banned(Forbidden):
    """The user is banned from the room."""


class NotFound(Refused):
    """The resource does not exist."""


class Conflict(Refused):
    """The current state does not allow this."""


class KeyConflict(Conflict):
    """This key was used for another message."""


class MessageDeleted(Conflict):
    """The message was deleted, so it cannot be changed."""


class TooManyReactions(Conflict):
    """The message has too many reactions, or too many different emoji."""


class Gone(Refused):
    """The resource does not exist any more."""


class TooLarge(Refused):
    """The request is larger than the server accepts."""


class TooManyRequests(Refused):
    """Rate limit exceeded; retry after `retry_after_seconds`, if given."""


class Unavailable(Refused):
    """A dependency of the server is unavailable; retry later."""


class ConnectionLost(MadangError):  # noqa: N818 - reads as what happened
    """A connection ended; `refusal` is the problem of its ERROR frame, if any."""

    def __init__(
        self, reason: str, *, code: int | None = None, refusal: Refused | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.refusal = refusal

    @override
    def __str__(self) -> str:
        return f"{self.refusal}" if self.refusal is not None else self.reason
