"""Hostile bytes over a socket log no exception and do not disturb other clients."""

import asyncio
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from services.gateway.tests.attacked_gateway import (
    AttackedGateway,
    assert_serves_others,
    attacked_gateway,
    logged_errors,
)
from services.gateway.tests.harness import Harness
from services.gateway.tests.raw_socket import UPGRADE, RawSocket, raw_socket
from services.gateway.tests.stomp_client import written

MOMENT_SECONDS = 0.02

DESTINATIONS = st.sampled_from(
    [
        "/app/rooms.yard.send",
        "/app/rooms.yard.typing",
        "/app/rooms.yard.read",
        "/app/rooms.well.send",
        "/app/token",
        "/topic/rooms.yard",
        "/topic/rooms.yard.live",
        "/user/queue/events",
        "/user/queue/errors",
        "/pub/chat/message",
        "/pub/chat.message.yard",
        "/sub/chat/room/yard",
        "/nowhere",
        "",
    ]
)
NAMES = st.sampled_from(
    [
        "id",
        "receipt",
        "transaction",
        "key",
        "retry",
        "since",
        "ack",
        "content-type",
        "content-length",
        "Authorization",
        "authorization",
        "token",
        "heart-beat",
        "accept-version",
        "host",
        "x",
        "message-id",
        "subscription",
        "selector",
        "prefetch-count",
        "read-marker",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            "1",
            "2",
            "t",
            "k",
            "true",
            "start",
            "000000000000",
            "vvvvvvvvvvvv",
            "5,5",
            "1.0,1.1,1.2",
            "client",
            "auto",
            "0",
            "5",
            "99999999",
            "000000000000/1",
            "client-individual",
            "application/json",
            "text/plain",
            "Bearer",
            "a.b.c",
            "-1",
        ]
    ),
    st.just(""),
    st.text(max_size=10),
)
BODIES = st.one_of(
    st.sampled_from(
        [
            b"",
            b"hi",
            b"{",
            b'{"text":"hi"}',
            b'{"upto":"000000000000"}',
            b'{"type":"TALK","roomId":"yard","message":"x"}',
            b'{"type":"ENTER","roomId":"yard"}',
            b"[" * 3000,
            b'{"text":"\\ud800"}',
            b"\xff",
            b"x" * 20_000,
        ]
    ),
    st.binary(max_size=20),
)
COMMANDS = st.sampled_from(
    [
        "SEND",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "BEGIN",
        "COMMIT",
        "ABORT",
        "ACK",
        "NACK",
        "DISCONNECT",
        "CONNECT",
        "STOMP",
        "MESSAGE",
    ]
)


@st.composite
def stomp_frames(draw: st.DrawFn) -> bytes:
    """Return a frame that is nearly valid."""
    headers = draw(st.dictionaries(NAMES, VALUES, max_size=4))
    if draw(st.booleans()):
        headers["destination"] = draw(DESTINATIONS)
    headers |= draw(st.sampled_from([{}, {"id": "1"}, {"transaction": "t"}]))
    lines = [draw(COMMANDS), *(f"{name}:{value}" for name, value in headers.items())]
    return "\n".join(lines).encode() + b"\n\n" + draw(BODIES) + b"\0"


TALK = st.lists(st.one_of(stomp_frames(), st.binary(max_size=10), st.just(b"\n")), max_size=8)


@dataclass(frozen=True)
class WebSocketFrame:
    """A frame of RFC 6455, valid or not."""

    opcode: int
    data: bytes
    fin: bool = True
    rsv: int = 0
    masked: bool = True

    def bytes(self) -> bytes:
        size, mask = len(self.data), 0x80 if self.masked else 0
        head = bytes([self.fin << 7 | self.rsv << 4 | self.opcode])
        if size < 126:
            head += bytes([mask | size])
        else:
            head += bytes([mask | 127]) + size.to_bytes(8, "big")
        # The key of a mask of zeros leaves the data as it is.
        return head + (bytes(4) if self.masked else b"") + self.data


DATA_FRAMES = st.builds(
    WebSocketFrame, st.sampled_from([Opcode.TEXT, Opcode.BINARY]), TALK.map(b"".join)
)
ANY_FRAMES = st.builds(
    WebSocketFrame,
    st.integers(0, 15),
    st.binary(max_size=130),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 4, 7]),
    masked=st.sampled_from([True, True, True, False]),
)
FRAGMENTS = TALK.map(
    lambda parts: WebSocketFrame(Opcode.CONT, b"".join(parts), fin=len(parts) % 2 == 0)
)


@dataclass(frozen=True)
class Attack:
    """The behaviour of one client."""

    connects: bool
    """Whether it sends a valid CONNECT first."""
    sockjs: bool
    """Whether it uses SockJS and wraps frames where possible."""
    listens: bool
    """Whether it subscribes to refusals, which keeps it connected."""
    frames: list[WebSocketFrame]
    tail: bytes
    """Its last STOMP bytes, without framing."""
    ending: str


ATTACKS = st.builds(
    Attack,
    connects=st.sampled_from([True, True, True, False]),
    sockjs=st.sampled_from([False, False, True]),
    listens=st.sampled_from([True, True, False]),
    frames=st.lists(st.one_of(DATA_FRAMES, DATA_FRAMES, FRAGMENTS, ANY_FRAMES), max_size=5),
    tail=st.binary(max_size=20),
    ending=st.sampled_from(["eof", "abort", "wait"]),
)
HEADER_VALUES = st.one_of(
    st.sampled_from(
        ["", "http://[", "null", "websocket", "Upgrade", "13", "((", "permessage-deflate"]
    ),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=20),
)
EXTRAS = ["Origin", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"]
UPGRADES = st.one_of(
    st.fixed_dictionaries({}, optional=dict.fromkeys(EXTRAS, HEADER_VALUES)),
    st.dictionaries(st.sampled_from([*UPGRADE, *EXTRAS]), HEADER_VALUES, max_size=3),
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[AttackedGateway]:
    with attacked_gateway(tmp_path_factory.mktemp("gateway")) as opened:
        yield opened


def wrapped(data: bytes) -> bytes:
    """Return `data` as SockJS clients send it."""
    return orjson.dumps([data.decode("utf-8", "replace")])


async def attack(harness: Harness, client: RawSocket, attack: Attack) -> None:
    path = "/ws-stomp/0/a/websocket" if attack.sockjs else "/ws"
    answer = await client.upgrade(path, **{"Sec-WebSocket-Extensions": "permessage-deflate"})
    assert answer.startswith(b"HTTP/1.1 101")
    hello = []
    if attack.connects:
        token = harness.issuer.token("mina")
        hello.append(written("CONNECT", {"accept-version": "1.2", "passcode": token}))
    if attack.listens:
        hello.append(written("SUBSCRIBE", {"id": "errors", "destination": "/user/queue/errors"}))
    said = b"".join(hello)
    await client.frame(Opcode.TEXT, wrapped(said) if attack.sockjs else said)
    for frame in attack.frames:
        wraps = attack.sockjs and frame.fin and frame.opcode == Opcode.TEXT
        await client.send((replace(frame, data=wrapped(frame.data)) if wraps else frame).bytes())
    await client.send(attack.tail)
    if attack.ending == "abort":
        client.writer.transport.abort()
        return
    if attack.ending == "eof":
        with suppress(OSError):
            client.writer.write_eof()
        await client.rest()
        return
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(MOMENT_SECONDS):
            await client.reader.read(-1)


ATTACKING = settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])


@ATTACKING
@given(ATTACKS)
def test_hostile_frames_fail_nothing(gateway: AttackedGateway, tried: Attack) -> None:
    async def go() -> None:
        async with raw_socket(gateway.harness.port) as client:
            await attack(gateway.harness, client, tried)
        gateway.attacks += 1
        if gateway.attacks % 10 == 0:
            await assert_serves_others(gateway.harness)

    with logged_errors() as errors:
        gateway.runner.run(go())
    assert errors == []


@ATTACKING
@given(
    UPGRADES,
    st.sampled_from(["GET"] * 9 + ["POST", "HEAD", "OPTIONS", "PRI"]),
    st.sampled_from(["/ws"] * 9 + ["/", "*", "/ws?\xff", "http://x/ws", "//ws", "/api/gateway/"]),
    st.binary(max_size=20),
)
def test_hostile_upgrades_fail_nothing(
    gateway: AttackedGateway, headers: dict[str, str], method: str, path: str, tail: bytes
) -> None:
    async def go() -> None:
        async with raw_socket(gateway.harness.port) as client:
            lines = [f"{name}: {value}" for name, value in (UPGRADE | headers).items()]
            head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
            await client.send(head.encode("latin-1") + tail)
            with suppress(OSError):
                client.writer.write_eof()
            await client.rest()

    with logged_errors() as errors:
        gateway.runner.run(go())
    assert errors == []


def test_after_all_that_everything_is_well(gateway: AttackedGateway) -> None:
    with logged_errors() as errors:
        gateway.runner.run(assert_serves_others(gateway.harness))
    assert errors == []
