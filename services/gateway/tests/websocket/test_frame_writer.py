"""Slow readers: what is buffered for them, and when they are disconnected."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from madang_common.log.position import position, shard_of, to_id
from services.gateway.tests.harness import Harness, message, running, until
from services.gateway.tests.raw_socket import raw_socket
from services.gateway.tests.stomp_client import written

YARD = "/topic/rooms.yard"
UNLIMITED: dict[str, Any] = {
    "frames_before_connected": 1e9,
    "frames_per_second": 1e9,
    "frames_burst": 1e9,
    "frames_per_second_per_user": 1e9,
    "frames_burst_per_user": 1e9,
    "frames_per_second_per_address": 1e9,
    "frames_burst_per_address": 1e9,
}


async def test_a_slow_consumer_is_disconnected_and_recovers_without_a_gap(
    tmp_path: Path,
) -> None:
    async with (
        running(
            tmp_path,
            send_buffer_bytes=8192,
            slow_consumer_bytes=100_000,
            live_pause_bytes=10_000,
            close_seconds=30,
        ) as harness,
        harness.connected("jun") as jun,
        raw_socket(harness.port, receive_buffer_bytes=8192) as slow,
    ):
        await jun.subscribe(YARD)
        await slow.upgrade()
        token = harness.issuer.token("mina")
        await slow.frame(
            Opcode.TEXT,
            written("CONNECT", {"accept-version": "1.2", "passcode": token})
            + written("SUBSCRIBE", {"id": "s", "destination": YARD}),
        )
        await until(lambda: harness.metric("subscriptions") == 2)

        ids: list[str] = []
        while harness.metric("subscriptions") == 2:
            ids += await harness.append(*(message("x" * 1000) for _ in range(20)))
            received = await jun.messages(20)
            assert [m.headers["message-id"] for m in received] == ids[-20:]

        assert await slow.closed() == 4508
        assert harness.metric("slow_closes_total", cause="unread") == 1
        async with harness.connected("mina") as mina:
            await mina.subscribe(YARD, since=ids[0])
            again = await mina.messages(len(ids) - 1)
        assert [m.headers["message-id"] for m in again] == ids[1:]


async def test_a_burst_does_not_disconnect_a_client_that_reads(tmp_path: Path) -> None:
    async with (
        running(tmp_path, send_buffer_bytes=500_000) as harness,
        harness.connected("mina") as mina,
    ):
        await mina.subscribe(YARD)

        ids = await _append_at_once(harness, batches=64, events=100)

        received = await mina.messages(len(ids))
        assert [m.headers["message-id"] for m in received] == ids
        assert harness.metric("slow_closes_total", cause="unread") == 0


async def _append_at_once(harness: Harness, *, batches: int, events: int) -> list[str]:
    """Append batches that the gateway reads at once; return the ids of their events."""
    shard = shard_of(message().audience, harness.log.shards)
    begin = await harness.log.end(shard)
    lines = [tuple(message("x" * 400).line() for _ in range(events)) for _ in range(batches)]
    await asyncio.gather(*(harness.log.append(shard, batch) for batch in lines))
    return [
        to_id(position(begin + batch, line)) for batch in range(batches) for line in range(events)
    ]


@pytest.mark.parametrize("connects", [False, True])
async def test_unread_pongs_count_as_buffered(tmp_path: Path, *, connects: bool) -> None:
    """Without a limit on pings."""
    async with (
        running(
            tmp_path, send_buffer_bytes=8192, slow_consumer_bytes=100_000, **UNLIMITED
        ) as harness,
        raw_socket(harness.port, receive_buffer_bytes=8192) as flood,
    ):
        if connects:
            await flood.stomp(harness.issuer.token("mina"))
        else:
            await flood.upgrade()
        ping = Frame(Opcode.PING, b"x" * 125).serialize(mask=True)
        sent = 0

        while not harness.metric("connections_closed_total", code="4508"):
            sent += len(ping) * 1000
            assert sent < 20_000_000, "it takes whatever comes"
            await flood.send(ping * 1000)

        await until(lambda: harness.metric("connections") == 0)


async def test_a_long_replay_does_not_disconnect_the_client(tmp_path: Path) -> None:
    async with (
        running(
            tmp_path, send_buffer_bytes=8192, slow_consumer_bytes=40_000, live_pause_bytes=5000
        ) as harness,
        harness.connected("mina") as mina,
    ):
        ids = [one for _ in range(10) for one in await harness.append(*_many(100))]

        receipt = await mina.subscribe(YARD, since="start")
        received = await mina.messages(1000)

        assert receipt["resumed"] == "true"
        assert [m.headers["message-id"] for m in received] == ids


@pytest.mark.parametrize("missed", [15, 100])
async def test_many_long_replays_do_not_disconnect_the_client(tmp_path: Path, missed: int) -> None:
    names = [str(number) for number in range(10)]
    async with (
        running(
            tmp_path, send_buffer_bytes=8192, slow_consumer_bytes=40_000, live_pause_bytes=5000
        ) as harness,
        harness.connected("mina") as mina,
    ):
        ids = await harness.append(*_many(missed))
        await until(lambda: harness.metric("events_total") == missed)

        headers = {"destination": YARD, "since": "start"}
        await mina.socket.send(
            b"".join(written("SUBSCRIBE", {"id": name, **headers}) for name in names)
        )

        for name in names:
            received = await mina.messages(missed, name)
            assert [m.headers["message-id"] for m in received] == ids


def _many(count: int) -> list[Any]:
    return [message("x" * 500) for _ in range(count)]


async def test_live_events_for_a_slow_consumer_are_dropped(tmp_path: Path) -> None:
    async with (
        running(
            tmp_path, send_buffer_bytes=8192, live_pause_bytes=5000, sends_burst=10_000
        ) as harness,
        harness.connected("jun") as jun,
        raw_socket(harness.port, receive_buffer_bytes=8192) as slow,
    ):
        await slow.upgrade()
        token = harness.issuer.token("mina")
        await slow.frame(
            Opcode.TEXT,
            written("CONNECT", {"accept-version": "1.2", "passcode": token})
            + written("SUBSCRIBE", {"id": "l", "destination": f"{YARD}.live"})
            + written("SUBSCRIBE", {"id": "s", "destination": YARD}),
        )
        await until(lambda: harness.metric("subscriptions") == 2)

        while not harness.metric("notices_dropped_total"):
            for _ in range(50):
                await jun.say("SEND", {"destination": "/app/rooms.yard.typing"})
            await jun.send("", destination="/app/rooms.yard.typing")

        said = await jun.send("hi")
        assert harness.metric("connections") == 2
        assert said.encode() in await slow.until(said.encode())
