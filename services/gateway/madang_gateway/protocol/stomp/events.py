"""Events: a client's frames as the session handles them.

`headers` are all headers of the frame, as sent. `receipt` is the id of the RECEIPT that the client
requested, or None.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from madang_gateway.protocol.stomp.frame import HeartBeat


@dataclass(slots=True)
class Connect:
    """A CONNECT; `version` is the negotiated one."""

    version: str
    login: str | None
    passcode: str | None
    headers: dict[str, str]


@dataclass(slots=True)
class Send:
    """A SEND."""

    destination: str
    headers: dict[str, str]
    body: bytes
    receipt: str | None


@dataclass(slots=True)
class Held:
    """A SEND or ACK that was added to its transaction; only its receipt is due now.

    A client may wait for that receipt before it commits.
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
    """An ACK or, with `nack`, a NACK."""

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
    """The frames of a transaction, each kind in order, without receipts (see Held)."""

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
    """A DISCONNECT; no frame follows."""

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
