"""Items of a subscription: events and gaps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from madang_client.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a room, or of this user."""

    id: str
    """Its position in the order of the room, sorts as text; empty for live events."""
    key: str
    """The sender's idempotency key; unique per sender."""
    kind: str
    """`message.created`, `member.joined`, …"""
    sender: str
    """A user's id, or `service:…`."""
    sender_name: str
    at: str
    """RFC 3339, UTC."""
    data: Mapping[str, Any]
    room: str | None = None
    user: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the MESSAGE, including those of the sender's SEND."""
    missed: bool = False
    """Whether it was sent before this connection, and so replayed."""

    @property
    def text(self) -> str:
        """The text of a message; empty for other kinds."""
        return str(self.data.get("text", ""))


@dataclass(frozen=True, slots=True)
class Gap:
    """Events may be missing here, because the server could not replay all of them."""

    room: str | None
    after: str | None
    """Id of the last event before the gap, if any was seen."""


def read_event(
    document: object, *, headers: Mapping[str, str] | None = None, missed: bool = False
) -> Event:
    """Return the event in `document`; raise ProtocolError if it is none."""
    try:
        if not isinstance(document, dict) or not isinstance(document.get("data"), dict):
            raise ProtocolError("not an event: no data")
        return Event(
            id=str(document.get("id", "")),
            key=str(document["key"]),
            kind=str(document["kind"]),
            sender=str(document["sender"]),
            sender_name=str(document.get("sender_name") or document["sender"]),
            at=str(document["at"]),
            data=document["data"],
            room=document.get("room"),
            user=document.get("user"),
            headers=headers or document.get("headers") or {},
            missed=missed,
        )
    except KeyError as error:
        raise ProtocolError(f"not an event: no {error}") from error


def parse_event(body: bytes, headers: Mapping[str, str]) -> Event:
    """Return the event in the body of a MESSAGE; raise ProtocolError if it is none."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"not an event: {error}") from error
    return read_event(document, headers=headers)
