"""The node: operations on several connections at once."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import pytest
from typing_extensions import override

from madang_common.log.port import Batch, Start
from madang_common.log.sqlite import SqliteLog
from madang_gateway.node.node import Node
from services.gateway.tests.harness import Harness, message, removal, running


def node(harness: Harness) -> Node:
    return cast(Node, harness.app.state.websocket.node)


class Lossy(SqliteLog):
    """A log that drops batches before the gateway could read them."""

    lost: frozenset[int] = frozenset()

    @override
    async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        async for batch in super().follow(shard, start):
            if batch.offset not in self.lost:
                yield batch


async def test_a_gap_in_the_log_closes_all_connections_and_drops_cached_memberships(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, log_class=Lossy) as harness:
        async with harness.connected("mina") as mina, harness.connected("jun") as jun:
            for client in (mina, jun):
                await client.subscribe("/topic/rooms.yard")
            await mina.send("before")
            assert isinstance(harness.log, Lossy)
            harness.log.lost = frozenset({1})
            del harness.rooms.roles["jun", "yard"]

            await harness.append(removal("jun"))
            await harness.append(message("secret"))

            assert [await mina.closed(), await jun.closed()] == [4503, 4503]
            assert [m.text for m in jun.left()] == ["before"]
        async with harness.connected("jun") as jun:
            await jun.say("SUBSCRIBE", {"id": "s", "destination": "/topic/rooms.yard"})
            assert await jun.closed() == 4403


async def test_the_end_of_a_membership_ends_all_subscriptions_to_the_room(harness: Harness) -> None:
    harness.rooms.add("jun", room="well")
    async with harness.connected("jun") as first, harness.connected("jun") as second:
        for client in (first, second):
            await client.subscribe("/topic/rooms.yard", "yard")
            await client.subscribe("/topic/rooms.yard.live", "live")
            await client.subscribe("/sub/chat/room/yard", "tutorial")
        await first.subscribe("/topic/rooms.well", "well")
        assert harness.metric("subscriptions") == 7

        node(harness).end_membership("jun", "yard")

        assert harness.metric("subscriptions") == 1
        said = await first.send("hi", "well")
        assert (await first.message("well")).headers["message-id"] == said


@pytest.mark.parametrize(("heartbeat", "tick"), [(10.0, 1.0), (4.0, 1.0), (1.0, 0.25), (0.2, 0.05)])
async def test_ticks_are_a_fraction_of_the_fastest_heartbeat(
    tmp_path: Path, heartbeat: float, tick: float
) -> None:
    async with running(tmp_path, heartbeat_seconds=heartbeat) as harness:
        assert node(harness).tick_seconds == pytest.approx(tick)
