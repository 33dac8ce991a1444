"""The envelope of every event, as stored in the log and as clients receive it.

In the log it is a line of JSON: `v`, `key`, `kind`, `room` or `user`, `sender`, `sender_name`,
`at`, `data`, and `headers` if the sender gave some. A client receives the same with the event's
`id` first and without `headers`, which become STOMP headers.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from madang_common.log.position import to_id

VERSION = 1
_LINE = b'{"v":1,'
"""Prefix of every line of this version."""


class Event(NamedTuple):
    """An event of one room or of one user."""

    key: str
    """Chosen by the sender; the first event with a given (sender, key) in an audience counts."""
    kind: str
    sender: str
    """Id of the user, or `service:{name}`, that caused it."""
    sender_name: str
    """The sender's display name at that time."""
    at: str
    """RFC 3339, UTC, milliseconds."""
    data: Mapping[str, Any]
    room: str | None = None
    user: str | None = None
    """Id of the only recipient, instead of `room`."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Extra headers of the SEND, passed on with the MESSAGE."""

    @property
    def audience(self) -> str:
        """The recipients: `rooms.{id}` or `users.{id}`, as in the topic's name."""
        return room_audience(self.room) if self.room is not None else user_audience(self.user or "")

    def line(self) -> bytes:
        """Return the event as a line of the log."""
        return orjson.dumps(self.document(with_headers=True))

    def body(self, position: int, line: bytes = b"") -> bytes:
        """Return the event at `position` as clients receive it; faster if its `line` is given."""
        if line.startswith(_LINE) and not self.headers:
            return b'{"id":"%b",%b' % (to_id(position).encode(), line[1:])
        return orjson.dumps(self.document_at(position))

    def document_at(self, position: int) -> dict[str, Any]:
        """Return the event at `position` as a JSON object with its `id`."""
        return {"id": to_id(position)} | self.document()

    def document(self, *, with_headers: bool = False) -> dict[str, Any]:
        """Return the event as a JSON object without `id`, which depends on its position."""
        key, kind, sender, sender_name, at, data, room, user, headers = self
        document: dict[str, Any] = {
            "v": VERSION,
            "key": key,
            "kind": kind,
            "user" if room is None else "room": user if room is None else room,
            "sender": sender,
            "sender_name": sender_name,
            "at": at,
            "data": data,
        }
        if with_headers and headers:
            document["headers"] = headers
        return document


@lru_cache(maxsize=16_384)
def room_audience(room: str) -> str:
    """Return the audience of the members of `room`."""
    return f"rooms.{room}"


def user_audience(user: str) -> str:
    """Return the audience of one user."""
    return f"users.{user}"


def read_line(line: bytes) -> Event:
    """Parse a line of the log; raise ValueError if it is not an event."""
    return read_document(orjson.loads(line))


def read_document(document: Any) -> Event:
    """Return the event in a JSON object, ignoring its `id`; raise ValueError if it is not one."""
    # Local variables and positional arguments: this runs once per event and consumer.
    try:
        version, key, kind = document["v"], document["key"], document["kind"]
        sender, sender_name, at = document["sender"], document["sender_name"], document["at"]
        data, headers = document["data"], document.get("headers") or {}
        room, user = document.get("room"), document.get("user")
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not an event: {error!r}") from error
    if version != VERSION:
        raise ValueError(f"unknown event version {version!r}")
    if (room is None) == (user is None):
        raise ValueError("an event has exactly one of `room` and `user`")
    recipient = room if user is None else user
    if not (
        type(key)
        is type(kind)
        is type(sender)
        is type(sender_name)
        is type(at)
        is type(recipient)
        is str
    ):
        raise ValueError("a field has the wrong type; expected a string")
    if not (type(data) is dict and type(headers) is dict):
        raise ValueError("a field has the wrong type; expected an object")
    return Event(key, kind, sender, sender_name, at, data, room, user, headers)
