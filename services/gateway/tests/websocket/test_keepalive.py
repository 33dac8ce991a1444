"""Heart-beats and pings: their timing, and over a real socket."""

import asyncio
from pathlib import Path

import pytest

from madang_gateway.protocol.stomp.negotiation import HeartBeats
from madang_gateway.websocket.keepalive import Due, KeepAlive, Peer, Timing
from services.gateway.tests.harness import Harness, running
from services.gateway.tests.raw_socket import raw_socket

TIMING = Timing(tick_seconds=1, ping_seconds=30, grace=2)


def due(at: float, heartbeat: HeartBeats) -> Due:
    return KeepAlive(100).due(at, TIMING, heartbeat, sent=False)


def test_a_heartbeat_is_due_a_tick_before_the_promised_time() -> None:
    assert due(108.9, HeartBeats(send=10_000, expect=0)) is Due.NOTHING
    assert due(109.0, HeartBeats(send=10_000, expect=0)) is Due.STOMP_HEARTBEAT


def test_without_stomp_heartbeats_only_a_sockjs_heartbeat_is_due() -> None:
    assert due(129.9, HeartBeats(send=0, expect=0)) is Due.NOTHING
    assert due(130.0, HeartBeats(send=0, expect=0)) is Due.SOCKJS_HEARTBEAT


def test_nothing_is_due_after_anything_was_sent() -> None:
    alive, heartbeat = KeepAlive(100), HeartBeats(send=10_000, expect=0)

    assert alive.due(120, TIMING, heartbeat, sent=True) is Due.NOTHING
    assert alive.due(128, TIMING, heartbeat, sent=False) is Due.NOTHING


@pytest.mark.parametrize(
    ("heartbeat", "expected"), [(HeartBeats(0, 10_000), 10), (HeartBeats(0, 0), 30)]
)
def test_a_silent_peer_is_pinged_once_and_then_lost(heartbeat: HeartBeats, expected: int) -> None:
    alive = KeepAlive(100)

    def peer(seconds: float, *, received: bool = False) -> Peer:
        return alive.peer(100 + seconds, TIMING, heartbeat, received=received)

    assert peer(expected) is Peer.ALIVE
    assert [peer(expected + 1), peer(expected + 2)] == [Peer.SILENT, Peer.ALIVE]
    assert peer(2 * expected + 1) is Peer.LOST
    assert peer(2 * expected + 2, received=True) is Peer.ALIVE
    assert peer(3 * expected + 3) is Peer.SILENT


async def test_a_silent_server_sends_heartbeats(harness: Harness) -> None:
    async with harness.connected("mina", heartbeat="0,100") as mina:

        async def listen() -> None:
            while mina.heartbeats < 5:
                await mina._read()

        began = asyncio.get_running_loop().time()
        await asyncio.wait_for(listen(), 10)

        assert asyncio.get_running_loop().time() - began > 0.4


async def test_missing_heartbeats_disconnect_the_client(harness: Harness) -> None:
    async with raw_socket(harness.port) as mina:
        await mina.stomp(harness.issuer.token("mina"), heartbeat="200,0")

        assert await mina.closed() == 4510


async def test_a_client_without_heartbeats_that_answers_pings_stays_connected(
    harness: Harness,
) -> None:
    """A browser throttles the timers of a page in the background, but answers pings."""
    async with harness.connected("mina", heartbeat="200,0") as mina:
        # Three times as long as a client without a sign of life is kept.
        await asyncio.sleep(1.2)

        assert await mina.send("still here")


async def test_a_client_that_sends_heartbeats_stays_connected(tmp_path: Path) -> None:
    async with (
        running(tmp_path, heartbeat_grace=8) as harness,
        harness.connected("mina", heartbeat="200,0") as kept,
        raw_socket(harness.port) as lost,
    ):
        await lost.stomp(harness.issuer.token("jun"), heartbeat="200,0")

        async def beat() -> None:
            while True:
                await kept.raw(b"\n")
                await asyncio.sleep(0.05)

        beating = asyncio.create_task(beat())
        assert await lost.closed() == 4510
        beating.cancel()

        assert await kept.send("still here")


async def test_without_heartbeats_an_unanswered_ping_disconnects(tmp_path: Path) -> None:
    async with (
        running(tmp_path, ping_seconds=0.2, heartbeat_grace=8) as harness,
        harness.connected("mina") as mina,
        raw_socket(harness.port) as dead,
    ):
        assert b" 101 " in await dead.upgrade()

        # The library answers pings, the raw socket does not.
        assert await dead.closed() == 4510
        assert await mina.send("still here")
