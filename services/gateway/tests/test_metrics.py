"""The gateway's metrics: every refusal, disconnect and wait is counted."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from typing_extensions import override

from madang_common.log.port import Batch, Start
from madang_common.log.sqlite import SqliteLog
from services.gateway.tests.harness import Harness, message, running, until

YARD = "/topic/rooms.yard"
ERRORS = "/user/queue/errors"


@pytest.mark.parametrize(
    ("destination", "since", "slug"),
    [
        ("/topic/rooms.elsewhere", None, "not-found"),
        ("/topic/rooms.cellar", None, "not-a-member"),
        ("/queue/nothing", None, "not-found"),
        (YARD, "nonsense", "invalid-request"),
    ],
)
async def test_each_refused_subscribe_is_counted_by_its_kind(
    harness: Harness, destination: str, since: str | None, slug: str
) -> None:
    harness.rooms.add("jun", room="cellar")
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")

        headers = {"id": "s", "destination": destination} | ({"since": since} if since else {})
        await mina.say("SUBSCRIBE", headers)

        assert (await mina.refusal())["type"].endswith(slug)
        assert harness.metric("refusals_total", type=slug) == 1


async def test_a_subscribe_beyond_the_limit_is_counted(tmp_path: Path) -> None:
    async with (
        running(tmp_path, subscriptions_per_room=1) as harness,
        harness.connected("mina") as mina,
    ):
        await mina.subscribe(ERRORS, "errors")
        await mina.subscribe(YARD, "one")

        await mina.say("SUBSCRIBE", {"id": "two", "destination": YARD})

        await mina.refusal()
        assert harness.metric("refusals_total", type="forbidden") == 1


async def test_a_refused_connect_is_counted_by_its_kind(tmp_path: Path) -> None:
    async with running(tmp_path, connections_per_user=1) as harness:
        async with harness.opened() as stranger:
            await stranger.say("CONNECT", {"accept-version": "1.2", "passcode": "nonsense"})
            assert await stranger.closed() == 4401
        async with harness.connected("mina"), harness.opened() as second:
            token = harness.issuer.token("mina")
            await second.say("CONNECT", {"accept-version": "1.2", "passcode": token})
            assert await second.closed() == 4529

        assert harness.metric("refusals_total", type="unauthenticated") == 1
        assert harness.metric("refusals_total", type="too-many-requests") == 1


async def test_rate_limited_and_forbidden_sends_are_counted(
    tmp_path: Path,
) -> None:
    async with (
        running(tmp_path, sends_burst=1, sends_per_second=0.01) as harness,
        harness.connected("mina") as mina,
        harness.connected("ara") as ara,
    ):
        for client in (mina, ara):
            await client.subscribe(ERRORS, "errors")
        await mina.send("one")

        for client in (mina, ara):
            await client.say("SEND", {"destination": "/app/rooms.yard.send"}, b"hi")
            await client.refusal()

        assert harness.metric("refusals_total", type="too-many-requests") == 1
        assert harness.metric("refusals_total", type="not-a-member") == 1


async def test_appends_and_receipts_are_timed(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.send("one")
        await mina.send("two")

    assert harness.metric("append_seconds_count") == 2
    assert harness.metric("receipt_seconds_count") == 2
    assert 0 < harness.metric("append_seconds_sum") < 10


async def test_replayed_events_are_counted_separately(harness: Harness) -> None:
    await harness.append(*(message() for _ in range(5)))
    await until(lambda: harness.metric("events_total") == 5)
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD, since="start")
        await mina.messages(5)
        await mina.send("live")
        await mina.message()

    assert harness.metric("resumed_events_total") == 5
    assert harness.metric("deliveries_total") == 1


async def test_the_reach_of_the_recent_events_is_exposed(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=2000, tail_seconds=50) as harness:
        await harness.append(message("x" * 500))
        await until(lambda: harness.metric("events_total") == 1)
        assert harness.metric("tail_reach_seconds") == 50

        for _ in range(5):
            await harness.append(message("x" * 500))
        await until(lambda: harness.metric("events_total") == 6)

        assert 0 < harness.metric("tail_reach_seconds") < 50
        assert 0 < harness.metric("tail_bytes") <= 2000


class Gapped(SqliteLog):
    """A log that lost a batch before the gateway read it."""

    @override
    async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        async for batch in super().follow(shard, start):
            if batch.offset != 1:
                yield batch


async def test_a_gap_in_the_log_is_counted_and_ends_the_reach(tmp_path: Path) -> None:
    async with running(tmp_path, log_class=Gapped, tail_seconds=50) as harness:
        for _ in range(3):
            await harness.append(message())

        await until(lambda: harness.metric("log_gaps_total") == 1)

        assert harness.metric("tail_reach_seconds") < 50


async def test_the_connection_to_the_log_is_exposed(harness: Harness) -> None:
    assert harness.metric("log_connected") == 1

    await harness.log.close()

    assert harness.metric("log_connected") == 0
