"""What both sides agree on when they connect: the version and the heart-beats."""

from typing import NamedTuple

from madang_gateway.stomp.errors import Malformed, UnsupportedVersion

VERSIONS = ("1.2", "1.1", "1.0")
"""Every version served, best first."""
SUBPROTOCOLS = {"v12.stomp": "1.2", "v11.stomp": "1.1", "v10.stomp": "1.0"}
"""WebSocket subprotocols, best first, and the only version that each allows."""

_DIGITS = 15
"""Longest number of milliseconds that is read; it is 31,000 years."""


class HeartBeats(NamedTuple):
    """Milliseconds between heart-beats in each direction, 0 for none."""

    send: int
    expect: int


def agree_on_version(accepted: str | None, subprotocol: str | None) -> str:
    """Return the highest common version; `accepted` is the CONNECT's accept-version."""
    served = (SUBPROTOCOLS[subprotocol],) if subprotocol in SUBPROTOCOLS else VERSIONS
    offered = ["1.0"] if accepted is None else [part.strip() for part in accepted.split(",")]
    for version in served:
        if version in offered:
            return version
    ascending = served[::-1]
    raise UnsupportedVersion(
        "unsupported version",
        f"Supported protocol versions are {' '.join(ascending)}",
        headers={"version": ",".join(ascending)},
    )


def agree_on_heartbeats(offer: tuple[int, int], header: str | None) -> HeartBeats:
    """Return what follows from the server's `offer` (sx, sy) and the CONNECT's heart-beat."""
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
