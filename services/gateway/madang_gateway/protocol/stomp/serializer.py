"""Serializes frames.

| | fast path | general path |
| --- | --- | --- |
| MESSAGE | `message_frame`: header lines shared by a subscription are cached | `serialize` |
| RECEIPT | `ServerConnection.receipt`: written directly | `serialize` |
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from madang_gateway.protocol.stomp.headers import UNESCAPED_COMMANDS, header_line, header_value

_OF_STOMP = (
    "accept-version ack content-length content-type destination heart-beat host id login message"
    " message-id passcode receipt receipt-id selector server session subscription transaction"
    " version"
)
"""Headers that STOMP defines, for any frame of any version."""
_OF_MADANG = (
    "authorization key position prefetch-count read-marker resumed retry since token user-name"
)
"""Headers that this gateway defines, for any frame."""
_OF_BROKERS = "redelivered x-stream-offset"
"""Headers that other brokers set on a MESSAGE and their clients evaluate."""

OWN_HEADERS = frozenset(f"{_OF_STOMP} {_OF_MADANG} {_OF_BROKERS}".split())
"""Headers that are never copied from a SEND to its MESSAGEs, in lower case."""

_SHORT = 200
"""Most characters of a subscription's id and destination together that are cached."""


def is_own(name: str) -> bool:
    """Return whether a client could mistake `name` for one of OWN_HEADERS.

    Some clients ignore case, trim names, or drop carriage returns.
    """
    return name.replace("\r", "").strip().lower() in OWN_HEADERS


def serialize(
    command: str, headers: Iterable[tuple[str, str]], body: bytes, version: str | None
) -> bytes:
    """Return a frame; `version` is None before the negotiation.

    A frame with a body gets a content-length, which must not be among `headers`.
    """
    escaping = None if command in UNESCAPED_COMMANDS else version
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
    receipt_id: str | None = None,
) -> bytes:
    """Return a MESSAGE for one subscription.

    `headers` are those of the SEND; OWN_HEADERS among them are omitted. `receipt_id` is that of the
    refused frame, in a message about a refusal.
    """
    short = len(subscription) + len(destination) <= _SHORT
    beginning = (_cached_beginning if short else _beginning)(
        subscription, destination, content_type, version
    )
    more = b"" if ack is None else header_line("ack", ack, version)
    if receipt_id is not None:
        more += header_line("receipt-id", receipt_id, version)
    for name, value in headers.items():
        if not is_own(name):
            more += header_line(name, value, version)
    return b"%bmessage-id:%b\ncontent-length:%d\n%b\n%b\0" % (
        beginning,
        header_value(message_id, version),
        len(body),
        more,
        body,
    )


def _beginning(subscription: str, destination: str, content_type: str, version: str) -> bytes:
    """Return the lines that all MESSAGEs of a subscription share."""
    headers = {
        "subscription": subscription,
        "destination": destination,
        "content-type": content_type,
    }
    lines = [header_line(name, value, version) for name, value in headers.items()]
    return b"MESSAGE\n" + b"".join(lines)


_cached_beginning = lru_cache(maxsize=8192)(_beginning)
