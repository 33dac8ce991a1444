"""The attacks: the first bytes of each, and the bytes that it repeats."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
from websockets.frames import Opcode

from tests.attacks.attack_request import AttackRequest
from tests.attacks.wire import connect, filled, frame, stomp, text

_BLOCK_BYTES = 32_768
_SOCKJS_BYTES = 60_000
_LARGE_BYTES = 65_000
_PER_ROOM = 16
"""Most subscriptions of a connection to one room."""
_ERRORS = stomp("SUBSCRIBE", {"id": "errors", "destination": "/user/queue/errors"})
"""Keeps the connection of a client whose frames are refused."""


@dataclass(frozen=True)
class Flood:
    """The bytes of one connection after the upgrade."""

    hello: bytes
    block: bytes
    """Repeated as fast as the product takes it."""
    then: bytes = b""
    """Sent a moment after the first bytes."""
    path: str = ""
    """Where the WebSocket is, if not at `/ws`."""
    reads: bool = True
    write_bytes: int = _BLOCK_BYTES
    """Bytes of one write to the socket."""
    silent: int = 0
    """Bytes that the socket buffers of a connection that does not read."""


def fragments(_: AttackRequest) -> Flood:
    """Send one message of empty fragments that never ends."""
    return Flood(frame(Opcode.TEXT, fin=False), filled(frame(Opcode.CONT, fin=False), _BLOCK_BYTES))


def line_feeds(_: AttackRequest) -> Flood:
    """Send heart-beats without a break."""
    return Flood(b"", filled(text("\n"), _BLOCK_BYTES))


def pings(_: AttackRequest) -> Flood:
    """Ask for pongs without a break."""
    return Flood(b"", filled(frame(Opcode.PING), _BLOCK_BYTES))


def sockjs_arrays(_: AttackRequest) -> Flood:
    """Send arrays of heart-beats through SockJS."""
    strings = orjson.dumps(["\n"] * (_SOCKJS_BYTES // 5))
    return Flood(b"", text(strings), path="/ws-stomp/0/attack/websocket")


def single_bytes(_: AttackRequest) -> Flood:
    """Send heart-beats byte by byte, each in a segment of its own."""
    return Flood(b"", filled(text("\n"), 2048), write_bytes=1)


def resumes(request: AttackRequest) -> Flood:
    """Replay a room from its beginning, again and again."""
    topic = f"/topic/rooms.{request.rooms[0]}"
    wanted = {"id": "0", "destination": topic, "since": request.since[0]}
    again = stomp("SUBSCRIBE", wanted) + stomp("UNSUBSCRIBE", {"id": "0"})
    return Flood(connect(request.token), filled(again, 4096))


def subscriptions(request: AttackRequest) -> Flood:
    """Subscribe and unsubscribe, so that presence changes."""
    topic = f"/topic/rooms.{request.rooms[0]}"
    wanted = {"id": "0", "destination": topic}
    again = stomp("SUBSCRIBE", wanted) + stomp("UNSUBSCRIBE", {"id": "0"})
    return Flood(connect(request.token), filled(again, _BLOCK_BYTES))


def acknowledgements(request: AttackRequest) -> Flood:
    """Acknowledge messages that were never sent."""
    ack = stomp("ACK", {"id": "000000000000/1", "receipt": "r"})
    return Flood(connect(request.token) + _ERRORS, filled(ack, _BLOCK_BYTES))


def tokens(request: AttackRequest) -> Flood:
    """Renew the token with forged tokens; each signature must be checked."""
    head, _, rest = request.token.partition(".")
    body, _, signature = rest.partition(".")
    forged = f"{head}.{body}.{signature[::-1]}"
    renewal = stomp("SEND", {"destination": "/app/token"}, forged)
    return Flood(connect(request.token) + _ERRORS, filled(renewal, _BLOCK_BYTES))


def transactions(request: AttackRequest) -> Flood:
    """Begin transactions and abort them."""
    again = stomp("BEGIN", {"transaction": "t", "receipt": "b"}) + stomp(
        "ABORT", {"transaction": "t", "receipt": "a"}
    )
    return Flood(connect(request.token), filled(again, _BLOCK_BYTES))


def typing(request: AttackRequest) -> Flood:
    """Send typing notices without pause."""
    notice = stomp("SEND", {"destination": f"/app/rooms.{request.rooms[0]}.typing"})
    live = stomp("SUBSCRIBE", {"id": "l", "destination": f"/topic/rooms.{request.rooms[0]}.live"})
    return Flood(connect(request.token) + _ERRORS + live, filled(notice, _BLOCK_BYTES))


def nowhere(request: AttackRequest) -> Flood:
    """Send to destinations that do not exist, and read the refusals."""
    send = stomp("SEND", {"destination": "/nowhere", "receipt": "r"}, "hi")
    return Flood(connect(request.token) + _ERRORS, filled(send, _BLOCK_BYTES))


def logins(_: AttackRequest) -> Flood:
    """Reconnect with a forged token after each refusal."""
    forged = connect("eyJhbGciOiJFZERTQSJ9.e30." + "A" * 86)
    return Flood(forged, filled(text("\n"), 2048))


def hoarding(request: AttackRequest) -> Flood:
    """Follow each room as often as one may, and acknowledge nothing."""
    wants = [
        stomp(
            "SUBSCRIBE",
            {
                "id": f"{number}.{again}",
                "destination": f"/topic/rooms.{room}",
                "ack": "client-individual",
                "prefetch-count": "1",
            },
        )
        for number, room in enumerate(request.rooms)
        for again in range(_PER_ROOM)
    ]
    return Flood(connect(request.token) + b"".join(wants), b"")


def unread_answers(request: AttackRequest) -> Flood:
    """Send large frames behind a SUBSCRIBE that waits, as the answers before are not read."""
    first, *_, recent = request.since
    topic = f"/topic/rooms.{request.rooms[0]}"
    wants = [
        stomp("SUBSCRIBE", {"id": str(number), "destination": topic, "since": first})
        for number in range(1, _PER_ROOM)
    ]
    send = {"destination": f"/app/rooms.{request.rooms[0]}.send"}
    return Flood(
        connect(request.token) + b"".join(wants),
        stomp("SEND", send, "x" * _LARGE_BYTES),
        then=stomp("SUBSCRIBE", {"id": "0", "destination": topic, "since": recent}),
        reads=False,
        silent=8192,
    )


FLOODS: Mapping[str, Callable[[AttackRequest], Flood]] = {
    flood.__name__: flood
    for flood in (
        fragments,
        line_feeds,
        pings,
        sockjs_arrays,
        single_bytes,
        resumes,
        subscriptions,
        acknowledgements,
        tokens,
        transactions,
        typing,
        nowhere,
        logins,
        hoarding,
        unread_answers,
    )
}
