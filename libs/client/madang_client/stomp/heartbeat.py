"""Negotiation of heart-beats."""

from dataclasses import dataclass

from madang_client.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The agreed intervals; 0 for none."""

    send_seconds: float
    """Interval in which this side must send."""
    receive_seconds: float
    """Interval in which the server must send."""


def header(seconds: float) -> str:
    """Return the `heart-beat` header of a client that offers and wants one every `seconds`."""
    return f"{round(seconds * 1000)},{round(seconds * 1000)}"


def agree(seconds: float, answer: str | None) -> Heartbeat:
    """Return the agreement between a client's `seconds` and the server's header `answer`."""
    parts = (answer or "0,0").split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):  # noqa: PLR2004 - a pair
        raise ProtocolError(f"not a heart-beat: {answer!r:.80}")
    sends, wants = (int(part) / 1000 for part in parts)
    return Heartbeat(
        send_seconds=max(seconds, wants) if seconds and wants else 0,
        receive_seconds=max(seconds, sends) if seconds and sends else 0,
    )
