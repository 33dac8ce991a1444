"""Every frame and destination has a price, over a real socket."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import orjson
import pytest
from websockets.frames import Opcode

from madang_gateway import wiring
from madang_gateway.limits import budget
from madang_gateway.protocol.destinations import Action, Source
from madang_gateway.protocol.stomp import events
from madang_gateway.protocol.stomp.frame import HeartBeat
from madang_gateway.websocket.connection import Connection
from services.gateway.tests.event_pipeline import ManualClock
from services.gateway.tests.harness import Harness, running, until
from services.gateway.tests.raw_socket import RawSocket, raw_socket
from services.gateway.tests.stomp_client import written

YARD = "/topic/rooms.yard"


@dataclass
class Peer:
    """A client on a raw socket, and the allowance of its connection."""

    harness: Harness
    socket: RawSocket
    connection: Connection

    @property
    def left(self) -> float:
        """Allowance left; the clock is fixed, so it only decreases."""
        account = self.connection._account
        user = account._user
        left: float = account.left
        return left + (0 if user is None else user.bucket.available(self.now()))

    @staticmethod
    def now() -> float:
        return wiring._clock()

    async def say(self, command: str, body: bytes = b"", **headers: str) -> None:
        await self.text(written(command, _named(headers), body))

    async def text(self, data: bytes) -> None:
        if self.connection._writer.sockjs:
            data = orjson.dumps([data.decode()])
        await self.socket.frame(Opcode.TEXT, data)

    async def costs(self, do: Callable[["Peer"], Awaitable[None]], least: float) -> None:
        """Fail unless `do` costs at least `least`."""
        before = self.left
        await do(self)
        try:
            await until(lambda: before - self.left >= least)
        except TimeoutError:
            pytest.fail(f"it cost {before - self.left}, not {least}")


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
async def still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncGenerator[Harness]:
    """Return a gateway with a fixed clock: allowances are not refilled."""
    clock = ManualClock()
    # Nothing that the event loop's clock ends is ever due.
    clock.now = time.monotonic() + 1e6
    monkeypatch.setattr(wiring, "_clock", clock)
    async with running(tmp_path) as harness:
        yield harness


@asynccontextmanager
async def opened(harness: Harness, path: str = "/ws") -> AsyncGenerator[Peer]:
    """Yield a peer before CONNECT."""
    node = harness.app.state.websocket.node
    async with raw_socket(harness.port) as socket:
        assert b" 101 " in await socket.upgrade(path)
        (connection,) = node.connections
        yield Peer(harness, socket, connection)


@asynccontextmanager
async def connected(harness: Harness, path: str = "/ws") -> AsyncGenerator[Peer]:
    """Yield a connected peer with a subscription and a transaction."""
    async with opened(harness, path) as peer:
        token = harness.issuer.token("mina")
        await peer.say("CONNECT", accept_version="1.2", heart_beat="0,0", passcode=token)
        await peer.say("SUBSCRIBE", id="errors", destination="/user/queue/errors")
        await peer.say("SUBSCRIBE", id="s", destination=YARD, ack="client")
        await peer.say("BEGIN", transaction="t", receipt="ready")
        await peer.socket.until(b"receipt-id:ready")
        yield peer


def saying(command: str, body: bytes = b"", **headers: str) -> Callable[[Peer], Awaitable[None]]:
    return lambda peer: peer.say(command, body, **headers)


def sending(
    destination: str, body: bytes = b"{}", **headers: str
) -> Callable[..., Awaitable[None]]:
    return saying("SEND", body, destination=destination, **headers)


FRAMES: dict[type, Callable[[Peer], Awaitable[None]]] = {
    events.Send: sending("/app/rooms.yard.send"),
    events.Held: sending("/app/rooms.yard.send", transaction="t"),
    events.Subscribe: saying("SUBSCRIBE", id="other", destination=YARD),
    events.Unsubscribe: saying("UNSUBSCRIBE", id="s"),
    events.Ack: saying("ACK", id="0" * 12),
    events.Begin: saying("BEGIN", transaction="u"),
    events.Commit: saying("COMMIT", transaction="t"),
    events.Abort: saying("ABORT", transaction="t"),
    events.Disconnect: saying("DISCONNECT"),
    HeartBeat: lambda peer: peer.text(b"\n"),
}
"""A sample of each event of a connected client."""

SENDS: dict[Action, Callable[[Peer], Awaitable[None]]] = {
    Action.MESSAGE: sending("/app/rooms.yard.send", b"hi"),
    **{
        action: sending(f"/app/rooms.yard.{action.value}", b'{"message":"000000000000"}')
        for action in (Action.EDIT, Action.DELETE, Action.PIN, Action.UNPIN)
    },
    **{
        action: sending(
            f"/app/rooms.yard.{action.value}", '{"message":"000000000000","emoji":"👍"}'.encode()
        )
        for action in (Action.REACT, Action.UNREACT)
    },
    Action.TYPING: sending("/app/rooms.yard.typing"),
    Action.READ: sending("/app/rooms.yard.read", b'{"upto":"000000000000"}'),
    Action.ENTER: sending("/pub/chat/message", b'{"type":"ENTER","roomId":"yard"}'),
    Action.QUIT: sending("/pub/chat.message.yard", b'{"type":"QUIT"}'),
    Action.TOKEN: sending("/app/token", b"nonsense"),
}

TOPICS: dict[Source, str] = {
    Source.ROOM: YARD,
    Source.ROOM_LIVE: f"{YARD}.live",
    Source.USER: "/user/queue/events",
    Source.ERRORS: "/user/queue/errors",
}


async def _fragments(peer: Peer) -> None:
    await peer.socket.frame(Opcode.TEXT, b"", fin=False)
    await peer.socket.frame(Opcode.CONT, b"", fin=False)
    await peer.socket.frame(Opcode.CONT, b"\n")


OPCODES: dict[Opcode, Callable[[Peer], Awaitable[None]]] = {
    Opcode.TEXT: lambda peer: peer.socket.frame(Opcode.TEXT, b"\n"),
    Opcode.BINARY: lambda peer: peer.socket.frame(Opcode.BINARY, b"\n"),
    Opcode.CONT: _fragments,
    Opcode.PING: lambda peer: peer.socket.frame(Opcode.PING, b""),
    Opcode.PONG: lambda peer: peer.socket.frame(Opcode.PONG, b""),
    Opcode.CLOSE: lambda peer: peer.socket.frame(Opcode.CLOSE, b"\x03\xe8"),
}


def test_there_is_a_sample_of_every_frame_and_destination() -> None:
    assert FRAMES.keys() == set(get_args(events.Event)) - {events.Connect}
    assert SENDS.keys() == set(Action)
    assert TOPICS.keys() == set(Source)
    assert OPCODES.keys() == set(Opcode)


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("path", ["/ws", "/ws-stomp/0/a/websocket"], ids=["websocket", "sockjs"])
async def test_every_kind_of_frame_is_charged(still: Harness, kind: type, path: str) -> None:
    async with connected(still, path) as peer:
        await peer.costs(FRAMES[kind], budget.READ + budget.MESSAGE + budget.FRAME)


@pytest.mark.parametrize("action", SENDS)
async def test_every_destination_of_a_send_is_charged(still: Harness, action: Action) -> None:
    least = budget.READ + budget.MESSAGE + budget.FRAME
    if action is Action.TOKEN:
        least += budget.TOKEN + budget.REFUSAL
    async with connected(still) as peer:
        await peer.costs(SENDS[action], least)


async def test_a_token_in_a_send_is_charged(still: Harness) -> None:
    async with connected(still) as peer:
        await peer.costs(
            sending("/app/rooms.yard.send", b"hi", Authorization="nonsense"),
            budget.FRAME + budget.TOKEN + budget.REFUSAL,
        )


@pytest.mark.parametrize("destination", ["/nowhere", "/app/rooms.unknown.send"])
async def test_refusals_are_charged(still: Harness, destination: str) -> None:
    async with connected(still) as peer:
        await peer.costs(sending(destination), budget.FRAME + budget.REFUSAL)


@pytest.mark.parametrize("source", TOPICS)
async def test_every_subscription_is_charged(still: Harness, source: Source) -> None:
    async with connected(still) as peer:
        await peer.costs(
            saying("SUBSCRIBE", id="more", destination=TOPICS[source]),
            budget.FRAME + budget.SUBSCRIBE,
        )


async def test_a_replay_is_charged_by_events_and_bytes(still: Harness) -> None:
    ids = [await still.post("mina", text="x" * 10_000) for _ in range(20)]
    assert all(answer.status_code == 201 for answer in ids)
    async with connected(still) as peer:
        await peer.costs(
            saying("SUBSCRIBE", id="more", destination=YARD, since="start"),
            budget.SUBSCRIBE
            + budget.RECOVERY
            + 20 * budget.REPLAYED_EVENT
            + 20 * 10_000 * budget.BYTE,
        )


@pytest.mark.parametrize("opcode", OPCODES)
async def test_every_websocket_frame_is_charged(still: Harness, opcode: Opcode) -> None:
    data = opcode in {Opcode.TEXT, Opcode.BINARY}
    least = budget.READ + (budget.MESSAGE + budget.FRAME if data else budget.CONTROL)
    if opcode is Opcode.CONT:
        least += 2 * budget.CONTROL
    async with connected(still) as peer:
        await peer.costs(OPCODES[opcode], least)


async def test_every_string_of_a_sockjs_message_is_charged(still: Harness) -> None:
    async with connected(still, "/ws-stomp/0/a/websocket") as peer:
        await peer.costs(
            lambda peer: peer.socket.frame(Opcode.TEXT, orjson.dumps(["\n"] * 100)),
            100 * budget.SOCKJS_STRING,
        )


async def test_every_byte_is_charged_in_chunks_of_any_size(still: Harness) -> None:
    async with connected(still) as peer:

        async def drip(peer: Peer) -> None:
            # The head of a frame whose end never comes, a byte at a time.
            for byte in b"\x82\xfe\xff\xff\x00\x00\x00\x00" + b"x" * 24:
                await peer.socket.send(bytes((byte,)))
                await asyncio.sleep(0.002)

        await peer.costs(drip, 8 * budget.READ)


async def test_a_connect_is_charged_before_it_is_accepted(still: Harness) -> None:
    async with opened(still) as peer:
        before = peer.connection._account._own.available(0) + peer.left
        await peer.say("CONNECT", accept_version="1.2", passcode="nonsense")
        await peer.socket.closed()

        spent = before - peer.connection._account._own.available(0) - peer.left
        assert spent >= budget.FRAME + budget.TOKEN


EMPTY_FRAGMENT = b"\x00\x80\x00\x00\x00\x00"
PING = b"\x89\x80\x00\x00\x00\x00"
LINE_FEED = b"\x81\x81\x00\x00\x00\x00\n"
FLOODS = {
    "fragments": EMPTY_FRAGMENT,
    "pings": PING,
    "line feeds": LINE_FEED,
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_before_connect_ends_the_connection(still: Harness, name: str) -> None:
    async with opened(still) as peer:
        if name == "fragments":
            await peer.socket.frame(Opcode.TEXT, b"", fin=False)
        async with flooding(peer.socket, FLOODS[name]):
            assert await peer.socket.closed() == 4529


async def test_a_message_in_endless_fragments_ends_the_connection(still: Harness) -> None:
    async with connected(still) as peer:
        await peer.socket.frame(Opcode.TEXT, b"", fin=False)
        for _ in range(128):
            await peer.socket.frame(Opcode.CONT, b"", fin=False)

        assert await peer.socket.closed() == 1008


@pytest.mark.parametrize("name", ["pings", "line feeds"])
async def test_a_flood_after_connect_is_throttled(still: Harness, name: str) -> None:
    async with (
        connected(still) as peer,
        still.connected("jun") as jun,
        flooding(peer.socket, FLOODS[name]),
    ):
        await until(lambda: still.metric("reading_rests_total") > 0)
        left = peer.left

        assert await jun.send("still here")

        assert peer.connection._reader is not None
        assert peer.connection._reader.paused
        assert peer.left == left


@asynccontextmanager
async def flooding(socket: RawSocket, frame: bytes) -> AsyncGenerator[None]:
    """Send `frame` repeatedly, as fast as it is read."""

    async def flood() -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while not socket.writer.is_closing():
                socket.writer.write(frame * 1000)
                await socket.writer.drain()
                await asyncio.sleep(0.001)

    task = asyncio.create_task(flood())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
