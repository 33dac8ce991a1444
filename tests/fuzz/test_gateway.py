"""Whole conversations with a running gateway, broken on the wire: it serves others as before."""

import asyncio
import gc
from collections.abc import Generator, Mapping
from contextlib import suppress

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from services.gateway.tests.attacked_gateway import (
    AttackedGateway,
    assert_serves_others,
    attacked_gateway,
    logged_errors,
)
from services.gateway.tests.raw_socket import raw_socket
from services.gateway.tests.stomp_client import written
from tests.fuzz.campaign import Campaign
from tests.fuzz.mutations import cut, mutated

_MOMENT_SECONDS = 0.01
_EACH = 20
"""Conversations between two looks at a good client."""
_GROWTH_BYTES = 50_000_000
_ROOM = "/topic/rooms.yard"
_SAY = "/app/rooms.yard.send"

_HEADERS: Mapping[str, list[dict[str, str]]] = {
    "SEND": [
        {"destination": _SAY, "receipt": "1"},
        {"destination": _SAY, "key": "k", "retry": "true"},
        {"destination": _SAY, "transaction": "t"},
        {"destination": "/app/rooms.yard.typing"},
        {"destination": "/app/rooms.yard.read"},
        {"destination": "/app/token"},
        {"destination": "/pub/chat/message"},
    ],
    "SUBSCRIBE": [
        {"id": "0", "destination": _ROOM, "since": "start"},
        {"id": "1", "destination": _ROOM, "ack": "client-individual", "prefetch-count": "1"},
        {"id": "2", "destination": f"{_ROOM}.live", "receipt": "2"},
        {"id": "3", "destination": "/user/queue/events"},
    ],
    "UNSUBSCRIBE": [{"id": "0"}, {"id": "9"}],
    "ACK": [{"id": "000000000000/1"}, {"id": "000000000000", "transaction": "t"}],
    "NACK": [{"id": "000000000000/1"}],
    "BEGIN": [{"transaction": "t"}],
    "COMMIT": [{"transaction": "t", "receipt": "3"}],
    "ABORT": [{"transaction": "t"}],
    "DISCONNECT": [{"receipt": "4"}],
}
_BODIES = st.sampled_from([b"", b"hi", "마당".encode(), b'{"text":"hi"}', b"\xff", b"x" * 200])


@st.composite
def _stomp(draw: st.DrawFn) -> bytes:
    """Draw a frame that a client may send."""
    command = draw(st.sampled_from(sorted(_HEADERS)))
    body = draw(_BODIES) if command == "SEND" else b""
    return written(command, draw(st.sampled_from(_HEADERS[command])), body)


@st.composite
def _messages(draw: st.DrawFn) -> bytes:
    """Draw WebSocket frames that carry STOMP frames, broken at either level."""
    payload = draw(mutated(_stomp()) | _stomp() | st.just(b"\n"))
    opcode = draw(st.sampled_from([Opcode.TEXT, Opcode.BINARY]))
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(payload)))
        frames = [
            Frame(opcode, payload[:at], fin=False),
            Frame(Opcode.PING, b"?"),
            Frame(Opcode.CONT, payload[at:]),
        ]
    else:
        frames = [Frame(opcode, payload)]
    return b"".join(frame.serialize(mask=True) for frame in frames)


_TALK = st.lists(_messages(), max_size=8).map(b"".join)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[AttackedGateway]:
    with attacked_gateway(tmp_path_factory.mktemp("gateway")) as opened:
        yield opened


async def _talk(gateway: AttackedGateway, pieces: list[bytes]) -> None:
    """Connect as a good client, and go on with `pieces`."""
    hello = written(
        "CONNECT", {"accept-version": "1.2", "passcode": gateway.harness.issuer.token("mina")}
    ) + written("SUBSCRIBE", {"id": "errors", "destination": "/user/queue/errors"})
    async with raw_socket(gateway.harness.port) as client:
        assert (await client.upgrade()).startswith(b"HTTP/1.1 101")
        await client.frame(Opcode.TEXT, hello)
        for piece in pieces:
            await client.send(piece)
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_MOMENT_SECONDS):
                await client.reader.read(-1)


def test_broken_conversations_fail_nothing_and_leave_nothing(
    campaign: Campaign, gateway: AttackedGateway
) -> None:
    resident: list[int] = []

    @given(st.data(), mutated(_TALK) | _TALK)
    def fail_nothing(data: st.DataObject, talk: bytes) -> None:
        pieces = data.draw(cut(talk))
        with logged_errors() as errors:
            gateway.runner.run(_talk(gateway, pieces))
            gateway.attacks += 1
            if gateway.attacks % _EACH == 0:
                gateway.runner.run(assert_serves_others(gateway.harness))
                resident.append(_resident_bytes())
        assert errors == []

    campaign.run(fail_nothing, examples=120)

    assert _resident_bytes() - resident[0] < _GROWTH_BYTES
    gateway.runner.run(assert_serves_others(gateway.harness))


def _resident_bytes() -> int:
    """Return the memory of this process, which holds the gateway."""
    gc.collect()
    return psutil.Process().memory_info().rss
