"""Everything that this package raises on purpose.

MadangError
├── NotReachable         nobody answers, or what answers is not well; try again later
├── ConnectionLost       a chat connection ended; a `Chat` comes back by itself
├── Disconnected         the server closed the chat for good, with a code and a reason
├── Closed               this side closed the chat
├── LoggedOut            the login is over: log in again
├── ProtocolError        the server said what this client does not understand
│   └── OutOfOrder       an event came after a later one of the same room
└── Refused              the server said no, as an RFC 9457 problem
    ├── Invalid          400, 422
    ├── Unauthenticated  401
    ├── Forbidden        403
    │   ├── NotAMember
    │   └── Banned       from the room
    ├── NotFound         404
    ├── Conflict         409
    │   └── KeyConflict  the key was used for another message
    ├── Gone             410
    ├── TooLarge         413
    ├── TooManyRequests  429
    └── Unavailable      502, 503, 504: try again
"""

from collections.abc import Mapping
from typing import Any

from typing_extensions import override


class MadangError(Exception):
    """Something about Madang went wrong, and the message says what."""


class NotReachable(MadangError):  # noqa: N818 - reads as the state it tells
    """No answer; `retry_after_seconds` is the server's own word, if it gave one."""

    def __init__(self, detail: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Disconnected(MadangError):  # noqa: N818 - reads as the state it tells
    """The server closed the connection and does not want this client back."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"the server closed the connection: {reason or 'no reason'} ({code})")
        self.code = code
        self.reason = reason


class Closed(MadangError):  # noqa: N818 - reads as the state it tells
    """The chat was closed on this side."""


class LoggedOut(MadangError):  # noqa: N818 - reads as the state it tells
    """The login has ended: logged out, ended elsewhere, or its tokens ran out."""


class ProtocolError(MadangError):
    """The server's words are not the protocol."""


class OutOfOrder(ProtocolError):  # noqa: N818 - reads as the state it tells
    """An event that was not seen before came after a later one."""


class Refused(MadangError):  # noqa: N818 - reads as what happened
    """The server's answer is no; `problem` is its RFC 9457 document."""

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
    """A field, or the whole request, is not what it should be."""


class Unauthenticated(Refused):
    """The token, or the password, does not hold."""


class Forbidden(Refused):
    """Known, but not allowed."""


class NotAMember(Forbidden):
    """The room is for its members."""


class Banned(Forbidden):
    """The room is closed to this user."""


class NotFound(Refused):
    """There is no such thing."""


class Conflict(Refused):
    """The current state does not allow this."""


class KeyConflict(Conflict):
    """This key was used for another message."""


class Gone(Refused):
    """It was there and is not any more."""


class TooLarge(Refused):
    """More than the server takes."""


class TooManyRequests(Refused):
    """Slow down: `retry_after_seconds`, if given, says for how long."""


class Unavailable(Refused):
    """Something behind the server is away; the same request may succeed in a moment."""


class ConnectionLost(MadangError):  # noqa: N818 - reads as what happened
    """A connection ended; `refusal` is what its ERROR frame said, if there was one."""

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
