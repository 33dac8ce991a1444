"""Clients that stop reading: bounded, closed, complete after the reconnect; others not affected."""

import asyncio
import re
import socket
import statistics
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial

import httpx
from websockets.asyncio.client import ClientConnection, connect

from stack.servers.ports import LOOPBACK
from stack.service import Service
from stack.stack import Stack
from tests.e2e.people import Person, register, shared_room
from tests.e2e.product import Product
from tests.e2e.stomp_socket import StompSocket
from tests.support.listeners import Listener, listening
from tests.support.stomp_frames import Frame
from tests.support.trust import trusting

_SLOW_CONSUMER = 4508
_LARGE = "x" * 15_000
_SLOW_CLOSES = "madang_gateway_slow_closes_total"

# 27 MB: the gateway's bound, and several MB in the sockets of each hop; a cluster has more proxies.
# Each says fewer than the burst of the rate limit.
_TALKERS = 32
_MOST_OF_EACH = 56


def test_a_reader_that_stops_is_bounded_ended_by_name_and_resumes_whole(
    product: Product, newcomer: Callable[[str], Person]
) -> None:
    talkers = [newcomer("talker") for _ in range(_TALKERS)]
    slow, typist = newcomer("slow"), newcomer("typist")
    room = shared_room(slow, typist, *talkers)
    said: list[str] = []
    typed = 0
    ended = product.metric(_SLOW_CLOSES)
    with ExitStack() as stack, StompSocket.open(product.ws_url, slow.token) as stopped:
        assert stopped.subscribe(room).command == "RECEIPT"
        stopped.send("SUBSCRIBE", id="live", destination=f"/topic/rooms.{room}.live", receipt="l")
        assert stopped.next().command == "RECEIPT"
        typing, *sockets = [
            stack.enter_context(StompSocket.open(product.ws_url, person.token))
            for person in (typist, *talkers)
        ]

        while product.metric(_SLOW_CLOSES) == ended:
            assert len(said) < _TALKERS * _MOST_OF_EACH, "it takes whatever comes"
            typing.send("SEND", destination=f"/app/rooms.{room}.typing")
            typed += 1
            for talker in sockets:
                talker.say(room, _LARGE)
            said += sorted(talker.next().headers["message-id"] for talker in sockets)
        frames, code = stopped.rest()

    heard = [frame.headers["message-id"] for frame in of_kind("message.created", frames)]
    noticed = of_kind("room.typing", frames)
    assert code == _SLOW_CONSUMER
    assert frames[-1].command == "ERROR"
    assert frames[-1].json["type"] == "urn:madang:problem:unavailable"
    assert heard == said[: len(heard)]
    assert 0 < len(noticed) < typed, "live events are dropped first"
    with StompSocket.open(product.ws_url, slow.token) as again:
        assert again.subscribe(room, since=heard[-1]).headers["resumed"] == "true"
        missed = [again.next().headers["message-id"] for _ in said[len(heard) :]]
    assert heard + missed == said


def of_kind(kind: str, frames: list[Frame]) -> list[Frame]:
    return [f for f in frames if f.command == "MESSAGE" and f.json["kind"] == kind]


# Others do not notice.

_STOPPED = 3
_FAST = 8
_PER_SECOND = 100
_MEASURED = 100
_PHASES = 4
_FACTOR = 2
_FLOOR_SECONDS = 0.05
"""Whatever else the machine does is in both medians, and no two phases have the same of it."""
_SAID_AT = re.compile(rb'"text":"(\S+) ')
_NOTICES_DROPPED = "madang_gateway_notices_dropped_total"
_SECONDS = 60
_FILLING = 16
"""Messages between two readings of the gateway's metrics."""


async def test_readers_that_stop_do_not_move_the_p99_of_others(mortal_stack: Stack) -> None:
    gateway = mortal_stack.gateways[0]
    with trusting(mortal_stack.ca), httpx.Client(base_url=mortal_stack.url, timeout=20) as client:
        minji, junho = register(client, "minji"), register(client, "junho")
        harness = _Harness(gateway, shared_room(minji, junho), junho.token)
    listeners = [
        Listener(harness.url, harness.room, partial(str, minji.token), told=harness.told)
        for _ in range(_FAST)
    ]
    async with listening(*listeners), harness.connected() as talker:
        alone, beside = [], []
        for _ in range(_PHASES):
            alone.append(await harness.talk(talker, listeners, _MEASURED))
            async with harness.stopped(talker):
                beside.append(await harness.talk(talker, listeners, _MEASURED))
    print(f"p99 alone: {alone}, beside readers that stopped: {beside}")  # noqa: T201 - the figures
    assert statistics.median(beside) < _FACTOR * statistics.median(alone) + _FLOOR_SECONDS
    assert not any(listener.codes for listener in listeners)


class _Harness:
    """A room on one gateway, and the delivery times of its messages."""

    def __init__(self, gateway: Service, room: str, token: str) -> None:
        self.url = f"ws://{gateway.address}/ws"
        self.room = room
        self._gateway = gateway
        self._token = token
        self._took: list[float] = []

    def told(self, message: bytes) -> None:
        """Record the delivery time."""
        found = _SAID_AT.search(message)
        if found is not None:
            self._took.append(asyncio.get_running_loop().time() - float(found[1]))

    async def talk(
        self, talker: ClientConnection, listeners: list[Listener], messages: int
    ) -> float:
        """Send `messages` at a steady rate; return the p99 of their delivery times."""
        loop = asyncio.get_running_loop()
        # What was said before is heard first.
        for count in (1, messages):
            self._took.clear()
            began = loop.time()
            for number in range(count):
                await asyncio.sleep(max(0.0, began + number / _PER_SECOND - loop.time()))
                await talker.send(self._send(f"{loop.time()} {_LARGE[:8000]}"))
            async with asyncio.timeout(_SECONDS):
                while len(self._took) < count * len(listeners):  # noqa: ASYNC110 - on sockets
                    await asyncio.sleep(0.01)
        return statistics.quantiles(self._took, n=100)[-1]

    @asynccontextmanager
    async def connected(self, *topics: str) -> AsyncGenerator[ClientConnection]:
        """Yield a WebSocket subscribed to `topics`, with a small receive buffer."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.setblocking(False)  # noqa: FBT003 - the socket module's own
        address = (LOOPBACK, self._gateway.port)
        await asyncio.get_running_loop().sock_connect(made, address)
        async with connect(
            self.url,
            sock=made,
            max_queue=1,
            compression=None,
            ping_interval=None,
            close_timeout=0.1,
        ) as opened:
            await opened.send(
                f"CONNECT\naccept-version:1.2\nhost:x\npasscode:{self._token}\n\n\0"
                + "".join(
                    f"SUBSCRIBE\nid:{topic}\ndestination:{topic}\nreceipt:{topic}\n\n\0"
                    for topic in topics
                )
            )
            for _ in ("CONNECTED", *topics):
                await opened.recv()
            yield opened

    @asynccontextmanager
    async def stopped(self, talker: ClientConnection) -> AsyncGenerator[None]:
        """Let some read no more meanwhile: behind at first, and ended at the end."""
        topic = f"/topic/rooms.{self.room}"
        ended = await self._metric(_SLOW_CLOSES)
        async with AsyncExitStack() as stack, asyncio.timeout(_SECONDS):
            for _ in range(_STOPPED):
                await stack.enter_async_context(self.connected(topic, f"{topic}.live"))
            dropped = await self._metric(_NOTICES_DROPPED)
            while await self._metric(_NOTICES_DROPPED) < dropped + _STOPPED:
                await self._fill(talker)
            yield
            while await self._metric(_SLOW_CLOSES) < ended + _STOPPED:
                await self._fill(talker)

    async def _fill(self, talker: ClientConnection) -> None:
        for _ in range(_FILLING):
            await talker.send(self._send(_LARGE))
        await talker.send(f"SEND\ndestination:/app/rooms.{self.room}.typing\n\n\0")

    def _send(self, text: str) -> str:
        return f"SEND\ndestination:/app/rooms.{self.room}.send\n\n{text}\0"

    async def _metric(self, name: str) -> float:
        return await asyncio.to_thread(self._gateway.metric, name)
