"""The drain of a gateway before it stops."""

import asyncio
import math
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
import structlog
from typing_extensions import override

from madang_common.log.sqlite import SqliteLog
from madang_gateway.node import drain
from madang_gateway.node.drain import Drain, DrainSchedule
from madang_gateway.node.node import Node, NodeConnection
from madang_gateway.session.disconnects import Disconnect
from services.gateway.tests.harness import Harness, running, until
from services.gateway.tests.raw_socket import raw_socket
from services.gateway.tests.stomp_client import Client, written

SEND = "/app/rooms.yard.send"
MANY = 40


class Held(SqliteLog):
    """A log that holds appends until the test releases them."""

    goes_on = False

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        await until(lambda: self.goes_on)
        await super().append(shard, lines)


def node(harness: Harness) -> Node:
    return cast(Node, harness.app.state.websocket.node)


def go_on(harness: Harness) -> None:
    """Release the held appends."""
    cast(Held, harness.log).goes_on = True


def draining(
    harness: Harness, seconds: float, hurry: asyncio.Event | None = None
) -> asyncio.Task[None]:
    return asyncio.create_task(Drain(node(harness), seconds).run(hurry or asyncio.Event()))


async def say(client: Client, text: str) -> None:
    """Send `text` with itself as the receipt id, and don't wait."""
    headers = {"destination": SEND, "receipt": text, "content-type": "text/plain"}
    await client.say("SEND", headers, text.encode())


async def close_times(clients: list[Client]) -> list[float]:
    """Return when each is closed with 1012, in seconds from now, first ones first."""
    clock = asyncio.get_running_loop().time
    begun = clock()

    async def closed(client: Client) -> float:
        assert await client.closed() == 1012
        return clock() - begun

    return sorted(await asyncio.gather(*map(closed, clients)))


@dataclass(eq=False)
class Connection(NodeConnection):
    """A connection that is only scheduled."""

    name: str

    @override
    def tick(self, now: float) -> None:
        raise NotImplementedError

    @override
    def disconnect(self, why: Disconnect) -> None:
        raise NotImplementedError

    @override
    def disconnect_when_done(self, why: Disconnect) -> None:
        raise NotImplementedError


def connections(names: str) -> list[Connection]:
    return [Connection(name) for name in names]


def names(found: Iterable[NodeConnection]) -> str:
    return "".join(cast(Connection, connection).name for connection in found)


def test_connections_are_retired_evenly() -> None:
    schedule = DrainSchedule(connections("abcde"), 10, 3)

    due = {now: names(schedule.due(now)) for now in (0, 1, 2, 3.9, 4, 10, 11)}

    assert due == {0: "a", 1: "", 2: "b", 3.9: "", 4: "c", 10: "de", 11: ""}


@pytest.mark.parametrize(("seconds", "now"), [(0, 0.0), (10, math.inf)])
def test_all_are_due_at_once_without_time(seconds: float, now: float) -> None:
    assert names(DrainSchedule(connections("abcde"), seconds, 3).due(now)) == "abcde"


def test_nothing_is_due_without_connections() -> None:
    assert list(DrainSchedule([], 10, 3).due(math.inf)) == []


def test_a_connection_is_overdue_after_its_time_for_receipts() -> None:
    first, second = connections("ab")
    schedule = DrainSchedule([first, second], 10, 3)
    schedule.retired(first, 0)
    schedule.retired(second, 5)

    assert names(schedule.overdue(2.9)) == ""
    assert names(schedule.overdue(3)) == "a"
    assert names(schedule.overdue(8)) == "b"


async def test_connections_close_evenly_and_new_ones_are_refused(harness: Harness) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(harness.connected("mina")) for _ in range(MANY)]
        ending = draining(harness, seconds=2)
        await until(lambda: harness.metric("draining") == 1)

        ready = await harness.http.get("/health/ready")
        assert (ready.status_code, ready.json()["dependencies"]["admission"]) == (503, "Draining")
        assert (await harness.http.get("/health/live")).status_code == 200
        async with raw_socket(harness.port) as refused:
            assert (await refused.upgrade()).startswith(b"HTTP/1.1 503 ")
        assert (await harness.post("mina", text="REST goes on")).status_code == 201
        times = await close_times(clients)
        await ending

    gaps = [later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]
    assert times[-1] > 1.5
    assert max(gaps) < 1
    assert harness.metric("connections_drained_total") == MANY
    assert harness.metric("upgrades_refused_total", status="503", reason="draining") == 1


async def test_without_time_all_connections_close_at_once(harness: Harness) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(harness.connected("mina")) for _ in range(5)]
        ending = draining(harness, seconds=0)

        assert [await client.closed() for client in clients] == [1012] * 5
        await asyncio.wait_for(ending, 2)


async def test_hurry_closes_the_remaining_connections_at_once(harness: Harness) -> None:
    hurry = asyncio.Event()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(harness.connected("mina")) for _ in range(5)]
        ending = draining(harness, 600, hurry)
        await until(lambda: harness.metric("connections") == 4)

        hurry.set()

        assert [await client.closed() for client in clients] == [1012] * 5
        await asyncio.wait_for(ending, 2)


async def test_sends_in_flight_get_their_receipts_first(tmp_path: Path) -> None:
    async with (
        running(tmp_path, log_class=Held) as harness,
        harness.connected("mina") as mina,
        harness.connected("jun") as jun,
    ):
        await say(mina, "one")
        await say(mina, "two")
        await until(lambda: len(node(harness).state.pending_receipts) == 2)
        ending = draining(harness, seconds=0)
        assert await jun.closed() == 1012
        await until(lambda: harness.metric("connections") == 1)

        go_on(harness)

        assert await mina.closed() == 1012
        assert [logged.headers["receipt-id"] for logged in mina.left("RECEIPT")] == ["one", "two"]
        await ending


async def test_a_stop_takes_over_from_the_drain_in_the_background(tmp_path: Path) -> None:
    async with (
        running(tmp_path, log_class=Held) as harness,
        harness.connected("mina") as mina,
        harness.connected("jun") as jun,
    ):
        await say(mina, "one")
        await until(lambda: len(node(harness).state.pending_receipts) == 1)
        both = Drain(node(harness), seconds=0)
        both.start()
        assert await jun.closed() == 1012
        await until(lambda: harness.metric("connections") == 1)

        with structlog.testing.capture_logs() as entries:
            ending = asyncio.create_task(both.run(asyncio.Event()))
            await until(lambda: any(entry["event"] == "drain_began" for entry in entries))
            go_on(harness)
            assert await mina.closed() == 1012
            await ending

        assert [logged.headers["receipt-id"] for logged in mina.left("RECEIPT")] == ["one"]
        assert harness.metric("connections_drained_total") == 2
        assert [entry["event"] for entry in entries].count("drain_ended") == 1


async def test_a_send_that_waits_for_its_membership_gets_its_receipt_too(
    harness: Harness,
) -> None:
    async with harness.connected("mina") as mina:
        await mina.raw(
            b"".join(
                written(
                    "SEND",
                    {"destination": SEND, "receipt": text, "content-type": "text/plain"},
                    text.encode(),
                )
                for text in ("one", "two", "three")
            )
        )
        await until(lambda: harness.rooms.requests == 1)
        await draining(harness, seconds=0)

        assert await mina.closed() == 1012
        logged = [frame.headers["receipt-id"] for frame in mina.left("RECEIPT")]
        assert logged == ["one", "two", "three"]


async def test_frames_after_the_retirement_are_not_read(tmp_path: Path) -> None:
    async with running(tmp_path, log_class=Held) as harness, harness.connected("mina") as mina:
        await say(mina, "before")
        await until(lambda: len(node(harness).state.pending_receipts) == 1)
        ending = draining(harness, seconds=0)
        await until(lambda: harness.metric("connections_drained_total") == 1)
        await say(mina, "after")

        go_on(harness)

        assert await mina.closed() == 1012
        assert [logged.headers["receipt-id"] for logged in mina.left("RECEIPT")] == ["before"]
        await ending
        assert harness.metric("sends_total") == 1


async def test_a_log_that_does_not_answer_does_not_stop_the_drain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "RECEIPT_SECONDS", 0.2)
    async with running(tmp_path, log_class=Held) as harness, harness.connected("mina") as mina:
        await say(mina, "never")
        await until(lambda: len(node(harness).state.pending_receipts) == 1)

        await draining(harness, seconds=0)

        assert await mina.closed() == 1012
        assert mina.left("RECEIPT") == []
        go_on(harness)


async def test_a_peer_that_does_not_answer_the_close_is_disconnected(harness: Harness) -> None:
    async with raw_socket(harness.port) as client:
        assert (await client.upgrade()).startswith(b"HTTP/1.1 101 ")

        await asyncio.wait_for(draining(harness, seconds=0), 5)

    assert harness.metric("connections") == 0
    assert harness.metric("connections_closed_total", code="1012") == 1


async def test_the_start_and_the_end_are_logged(harness: Harness) -> None:
    async with harness.connected("mina"):
        with structlog.testing.capture_logs() as entries:
            await draining(harness, seconds=5)

    logged = [entry for entry in entries if entry["event"].startswith("drain")]
    assert [entry["event"] for entry in logged] == ["drain_began", "drain_ended"]
    assert (logged[0]["connections"], logged[1]["hurried"]) == (1, False)
