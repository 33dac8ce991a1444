"""What a client's frames mean, for the session to act on.

`headers` are all headers of the frame, as sent. `receipt` is the id of the RECEIPT that the client
asked for, if it did.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from madang_gateway.protocol.stomp.frame import HeartBeat


@dataclass(slots=True)
class Connect:
    """A client asks to be let in, with the version already agreed."""

    version: str
    login: str | None
    passcode: str | None
    headers: dict[str, str]


@dataclass(slots=True)
class Send:
    """A message for a destination."""

    destination: str
    headers: dict[str, str]
    body: bytes
    receipt: str | None


@dataclass(slots=True)
class Held:
    """A SEND or ACK waits in its transaction; only its receipt is left to answer now, if any.

    A client may well wait for that receipt before it commits. Nothing else is done until Commit.
    """

    transaction: str
    receipt: str | None


@dataclass(slots=True)
class Subscribe:
    id: str
    destination: str
    ack: str
    """`auto`, `client` or `client-individual`."""
    headers: dict[str, str]
    receipt: str | None


@dataclass(slots=True)
class Unsubscribe:
    id: str
    headers: dict[str, str]
    receipt: str | None


@dataclass(slots=True)
class Ack:
    """A message was consumed, or with `nack` was not."""

    id: str
    """The MESSAGE's `ack` header in 1.2, its `message-id` before."""
    subscription: str | None
    nack: bool
    transaction: str | None
    headers: dict[str, str]
    receipt: str | None


@dataclass(slots=True)
class Begin:
    transaction: str
    headers: dict[str, str]
    receipt: str | None


@dataclass(slots=True)
class Commit:
    """All of a transaction, each kind in the order it came, without receipts (see Held)."""

    transaction: str
    sends: list[Send]
    headers: dict[str, str]
    receipt: str | None
    acks: list[Ack] = field(default_factory=list)


@dataclass(slots=True)
class Abort:
    transaction: str
    headers: dict[str, str]
    receipt: str | None


@dataclass(slots=True)
class Disconnect:
    """The client says good-bye; nothing follows."""

    headers: dict[str, str]
    receipt: str | None


Event: TypeAlias = (
    Connect
    | Send
    | Held
    | Subscribe
    | Unsubscribe
    | Ack
    | Begin
    | Commit
    | Abort
    | Disconnect
    | HeartBeat
)
