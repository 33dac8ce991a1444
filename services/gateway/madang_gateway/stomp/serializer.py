"""Frames to bytes."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from madang_gateway.stomp.frame import Command
from madang_gateway.stomp.headers import header_line, header_value

_NEVER_ESCAPED = {Command.CONNECT, Command.STOMP, Command.CONNECTED}

OWN_HEADERS = frozenset(
    {
        "subscription",
        "message-id",
        "destination",
        "content-type",
        "content-length",
        "ack",
        "receipt",
        "transaction",
    }
)
"""Headers of a MESSAGE that its sender does not choose, or that end with the SEND."""

_SHORT = 200
"""Characters up to which a subscription's id and destination are worth remembering."""


def serialize(
    command: str, headers: Iterable[tuple[str, str]], body: bytes, version: str | None
) -> bytes:
    """Return a frame; `version` is None as long as none is agreed.

    A body always has its content-length, which is not to be among `headers`.
    """
    escaping = None if command in _NEVER_ESCAPED else version
    parts = [command.encode(), b"\n"]
    parts += [header_line(name, value, escaping) for name, value in headers]
    if body:
        parts.append(b"content-length:%d\n" % len(body))
    parts += (b"\n", body, b"\0")
    return b"".join(parts)


def message_frame(
    subscription: str,
    destination: str,
    message_id: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    version: str,
    content_type: str,
    ack: str | None = None,
) -> bytes:
    """Return a MESSAGE for one subscription.

    `headers` are the sender's; those that are not theirs to choose are left out.
    """
    short = len(subscription) + len(destination) <= _SHORT
    beginning = (_remembered_beginning if short else _beginning)(
        subscription, destination, content_type, version
    )
    more = b"" if ack is None else header_line("ack", ack, version)
    for name, value in headers.items():
        if name not in OWN_HEADERS:
            more += header_line(name, value, version)
    return b"%bmessage-id:%b\ncontent-length:%d\n%b\n%b\0" % (
        beginning,
        header_value(message_id, version),
        len(body),
        more,
        body,
    )


def _beginning(subscription: str, destination: str, content_type: str, version: str) -> bytes:
    """Return what all MESSAGEs of a subscription have in common."""
    headers = {
        "subscription": subscription,
        "destination": destination,
        "content-type": content_type,
    }
    lines = [header_line(name, value, version) for name, value in headers.items()]
    return b"MESSAGE\n" + b"".join(lines)


_remembered_beginning = lru_cache(maxsize=8192)(_beginning)
