"""Frames to bytes; MESSAGE frames so that one encoding serves every subscriber."""

from collections.abc import Iterable, Mapping

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

_BEFORE = b"MESSAGE\nsubscription:"


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


def message_parts(
    destination: str,
    message_id: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    version: str,
    content_type: str,
    ack: str | None = None,
) -> tuple[bytes, bytes]:
    """Return a MESSAGE without its subscription: what stands before that value, and after it.

    The frame for one subscriber is `before + header_value(subscription, version) + after`.
    `headers` are the sender's; those that are not theirs to choose are left out.
    """
    parts = [
        b"\n",
        header_line("message-id", message_id, version),
        header_line("destination", destination, version),
        header_line("content-type", content_type, version),
        b"content-length:%d\n" % len(body),
    ]
    if ack is not None:
        parts.append(header_line("ack", ack, version))
    for name, value in headers.items():
        if name not in OWN_HEADERS:
            parts.append(header_line(name, value, version))
    parts += (b"\n", body, b"\0")
    return _BEFORE, b"".join(parts)


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
    """Return a MESSAGE for one subscription."""
    before, after = message_parts(
        destination,
        message_id,
        headers,
        body,
        version=version,
        content_type=content_type,
        ack=ack,
    )
    return before + header_value(subscription, version) + after
