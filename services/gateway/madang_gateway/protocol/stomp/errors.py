"""Protocol errors of a client. Each ends the connection with an ERROR frame.

ProtocolError
├── Malformed           the bytes are not a frame, or a header's value is not valid
├── TooLarge            a frame, or the connection's open ids, exceed the limits
├── UnsupportedVersion  no version of STOMP in common
├── UnknownCommand      no such command in the agreed version
├── OutOfOrder          a known command at the wrong time
├── MissingHeader       a header that the command needs is absent or empty
├── UnexpectedBody      a body on a frame that may not have one
├── Duplicate           an id that is in use already
└── NotOpen             a subscription or transaction that is not open
"""
# ruff: noqa: N818 - names the client's error; the base class says that they are errors

from collections.abc import Mapping
from types import MappingProxyType

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class ProtocolError(Exception):
    """A fatal error of the client, with a short `message` and a `detail` that explains it."""

    def __init__(
        self,
        message: str,
        detail: str = "",
        *,
        receipt_id: str | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> None:
        """Create the error; `headers` are added to the ERROR frame."""
        super().__init__(message)
        self.message = message
        self.detail = detail or message
        self.receipt_id = receipt_id
        """The receipt that the frame requested, if it is known."""
        self.headers = headers


class Malformed(ProtocolError):
    pass


class TooLarge(ProtocolError):
    pass


class UnsupportedVersion(ProtocolError):
    pass


class UnknownCommand(ProtocolError):
    pass


class OutOfOrder(ProtocolError):
    pass


class MissingHeader(ProtocolError):
    pass


class UnexpectedBody(ProtocolError):
    pass


class Duplicate(ProtocolError):
    pass


class NotOpen(ProtocolError):
    pass
