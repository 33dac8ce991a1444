"""Negotiation of the version and the heart-beats at CONNECT."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from madang_gateway.protocol.stomp.errors import Malformed, UnsupportedVersion

VERSIONS: tuple[str, ...] = ("1.2", "1.1", "1.0")
"""The supported versions, best first."""
SUBPROTOCOLS = {"v12.stomp": "1.2", "v11.stomp": "1.1", "v10.stomp": "1.0"}
"""The version of each WebSocket subprotocol, best first."""

_DIGITS = 15
"""Most digits of a number of milliseconds; it is 31,000 years."""


class HeartBeats(NamedTuple):
    """Milliseconds between heart-beats in each direction; 0 for none."""

    send: int
    expect: int


def offered_versions(subprotocols: Collection[str]) -> tuple[str, ...]:
    """Return the versions of the `subprotocols` that a client offers; all versions if none."""
    return (
        tuple(version for name, version in SUBPROTOCOLS.items() if name in subprotocols) or VERSIONS
    )


def agree_on_version(accepted: str | None, offered: Sequence[str]) -> str:
    """Return the highest common version; `accepted` is the CONNECT's accept-version.

    `offered` are the versions of all WebSocket subprotocols that the client offered, best first,
    not only of the one that the server selected: a client may offer its library's whole list and
    ignore the selection.
    """
    accepts = ["1.0"] if accepted is None else [part.strip() for part in accepted.split(",")]
    for version in offered:
        if version in accepts:
            return version
    ascending = offered[::-1]
    raise UnsupportedVersion(
        "unsupported version",
        f"Supported protocol versions are {' '.join(ascending)}",
        headers={"version": ",".join(ascending)},
    )


def agree_on_heartbeats(offer: tuple[int, int], header: str | None) -> HeartBeats:
    """Return the heart-beats for the server's `offer` (sx, sy) and the CONNECT's header."""
    if header is None:
        return HeartBeats(0, 0)
    can_send, wants = _read_heartbeat(header)
    server_sends, server_wants = offer
    return HeartBeats(
        send=max(server_sends, wants) if server_sends and wants else 0,
        expect=max(can_send, server_wants) if can_send and server_wants else 0,
    )


def _read_heartbeat(header: str) -> tuple[int, int]:
    numbers = [part.strip() for part in header.split(",")]
    if len(numbers) != 2 or not all(map(_is_number, numbers)):  # noqa: PLR2004 - a pair
        raise Malformed(
            "malformed heart-beat",
            f"heart-beat is two numbers of milliseconds such as 10000,10000, not {header[:40]!r}.",
        )
    return int(numbers[0]), int(numbers[1])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
