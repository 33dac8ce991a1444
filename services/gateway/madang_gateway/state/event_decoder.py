"""Decodes lines of the log.

| | fast path | general path |
| --- | --- | --- |
| function | `decode_line` | `decode_any_line` |
| reads | messages as `Event.line` writes them, without escapes or headers | every event |
| by | one regular expression | JSON |
| builds the event | only for a subscribed audience | always |

Most lines are messages of rooms without a subscriber here; of these only the idempotency key and
the digest are needed, which the fast path reads in half the time.
"""

import re
from collections.abc import Container
from typing import TypeAlias

from madang_common.events.envelope import VERSION, Event, read_line, room_audience
from madang_common.events.message_kinds import MessageCreated
from madang_gateway.state.idempotency_keys import (
    IdempotencyKey,
    digest,
    digest_of_text,
    idempotency_key,
)

_KIND = MessageCreated.kind
_TEXT = r'([^"\\\x00-\x1f]*)'
"""A JSON string without escapes (RFC 8259 section 7)."""
_MESSAGE = re.compile(
    rf'\{{"v":{VERSION},"key":"{_TEXT}","kind":"{re.escape(_KIND)}","room":"{_TEXT}",'
    rf'"sender":"{_TEXT}","sender_name":"{_TEXT}","at":"{_TEXT}","data":\{{"text":"{_TEXT}"\}}\}}'
)

DecodedLine: TypeAlias = tuple[Event | None, str, IdempotencyKey, int]
"""The event (None if it was not built), its audience, idempotency key and digest."""


def decode_line(line: bytes, subscribed: Container[str]) -> DecodedLine:
    """Decode `line` by the fast path where that applies.

    The event may be None unless its audience is in `subscribed`. Raises ValueError if the line is
    not an event.
    """
    message = _MESSAGE.fullmatch(line.decode())
    if message is None:
        return decode_any_line(line)
    key, room, sender, name, at, text = message.groups()
    audience = room_audience(room)
    event = None
    if audience in subscribed:
        event = Event(key, _KIND, sender, name, at, {"text": text}, room)
    return event, audience, idempotency_key(audience, sender, key), digest_of_text(text)


def decode_any_line(line: bytes) -> DecodedLine:
    """Decode `line` by the general path; raises ValueError if it is not an event."""
    return decoded(read_line(line))


def decoded(event: Event) -> DecodedLine:
    """Return `event` as its line is decoded."""
    audience = event.audience
    key = idempotency_key(audience, event.sender, event.key)
    return event, audience, key, digest(event.kind, event.data)
