"""Several gateways on one presence store, through failures of both."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis as Client
from typing_extensions import override

from madang_common.clock import MonotonicClock
from madang_common.events.envelope import read_line
from madang_common.live.inprocess import InProcessLive
from madang_common.redis.endpoint import RedisEndpoint
from madang_gateway.metrics import Metrics
from madang_gateway.presence.announcer import PresenceAnnouncer
from madang_gateway.presence.local import LocalPresence
from madang_gateway.presence.port import PresenceStore, PresenceStoreError
from madang_gateway.presence.redis import RedisPresence
from madang_gateway.presence.sync import CHUNK, PresenceSync
from stack.servers import Redis
from tests.support.waiting import until

ROOM = "yard"
GRACE_SECONDS = 0.3
PRESENCE_SECONDS = 3.0
SLACK_SECONDS = 5
"""For a machine that has other things to do."""
PATIENCE_SECONDS = 30

MakeStore = Callable[[], PresenceStore]


class Announcements(InProcessLive):
    """Records the announcements of all gateways."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, str]] = []

    @override
    def publish(self, line: bytes) -> None:
        event = read_line(line)
        assert (event.sender, event.sender_name) == (event.data["user"], event.data["name"])
        self.events.append((event.kind.removeprefix("presence."), event.sender))

    def count(self, kind: str) -> int:
        return sum(found == kind for found, _ in self.events)


class Gateway:
    """The presence part of a gateway."""

    def __init__(
        self,
        store: PresenceStore,
        announced: Announcements,
        *,
        max_present: int,
        clock: MonotonicClock,
    ) -> None:
        self.store = store
        self.local = LocalPresence(GRACE_SECONDS, clock)
        self.registry = CollectorRegistry()
        self.sync = PresenceSync(
            store,
            self.local,
            PresenceAnnouncer(announced, max_present=max_present),
            seconds=PRESENCE_SECONDS,
            grace_seconds=GRACE_SECONDS,
            metrics=Metrics(self.registry),
            clock=clock,
        )
        self._running: asyncio.Task[None] | None = None

    def go_on(self) -> None:
        """Start, or continue after a pause."""
        self._running = asyncio.create_task(self.sync.run())

    async def pause(self) -> None:
        """Stop without any cleanup, like a killed or stopped process."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def stop(self) -> None:
        """Stop as a gateway does when it is asked to."""
        await self.pause()
        await self.sync.stop()

    def enter(self, *users: str, room: str = ROOM) -> None:
        for user in users:
            self.local.enter(room, user, user.title())

    def leave(self, *users: str, room: str = ROOM) -> None:
        for user in users:
            self.local.leave(room, user)

    async def users(self) -> list[str]:
        found = await self.store.page(ROOM, after="", limit=200)
        return [user for user, _ in found.users]

    def metric(self, name: str) -> float:
        return self.registry.get_sample_value(f"madang_gateway_presence_{name}") or 0.0


class Yard:
    """Gateways on one store."""

    def __init__(self, make_store: MakeStore) -> None:
        self._make_store = make_store
        self._gateways: list[Gateway] = []
        self.announced = Announcements()

    def open(self, *, max_present: int = 1000, clock: MonotonicClock = time.monotonic) -> Gateway:
        gateway = Gateway(self._make_store(), self.announced, max_present=max_present, clock=clock)
        self._gateways.append(gateway)
        gateway.go_on()
        return gateway

    async def close(self) -> None:
        for gateway in self._gateways:
            await gateway.pause()
        for gateway in self._gateways:
            await gateway.store.close()


@pytest.fixture
async def yard(make_store: MakeStore) -> AsyncIterator[Yard]:
    yard = Yard(make_store)
    yield yard
    await yard.close()


@pytest.fixture
async def mortal_yard(private_redis: Redis) -> AsyncIterator[Yard]:
    """Give gateways on a Redis that the test may kill."""
    yard = Yard(
        lambda: RedisPresence.at(
            RedisEndpoint.at(private_redis.url), connections=4, timeout_seconds=1
        )
    )
    yield yard
    await yard.close()


async def shows(gateway: Gateway, *users: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until exactly `users` are present, as `gateway` sees it."""
    found: list[str] | None = None
    try:
        async with asyncio.timeout(seconds):
            while found != sorted(users):
                with suppress(PresenceStoreError):
                    found = await gateway.users()
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"present are {found}, not {sorted(users)}") from None


async def test_joins_and_leaves_are_announced_once(yard: Yard) -> None:
    one, two = yard.open(), yard.open()

    one.enter("mina", "mina")
    await shows(two, "mina")
    two.enter("mina", "jun")
    await shows(one, "jun", "mina")
    one.leave("mina", "mina")
    two.leave("jun")
    await shows(one, "mina")
    two.leave("mina")
    await shows(one)

    assert yard.announced.events == [
        ("joined", "mina"),
        ("joined", "jun"),
        ("left", "jun"),
        ("left", "mina"),
    ]


async def test_a_reconnect_to_another_gateway_is_not_announced(yard: Yard) -> None:
    one, two = yard.open(), yard.open()
    one.enter("mina", "jun")
    await shows(two, "jun", "mina")

    one.leave("mina")
    two.enter("mina")
    one.leave("jun")
    await shows(one, "mina")

    assert yard.announced.events == [("joined", "mina"), ("joined", "jun"), ("left", "jun")]


async def test_quick_changes_end_in_the_right_state(yard: Yard) -> None:
    one, two = yard.open(), yard.open()
    for number in range(300):
        gateway = (one, two)[number % 2]
        gateway.enter("mina", "jun")
        if number % 3 == 0:
            await asyncio.sleep(0.002)
        gateway.leave("mina", "jun")
    one.enter("jun")

    await shows(two, "jun")

    assert yard.announced.events[-1] == ("left", "mina")
    assert [kind for kind, user in yard.announced.events if user == "jun"] == ["joined"]


async def test_an_expelled_user_leaves_at_once(yard: Yard) -> None:
    clock_stands_still = 1000.0
    one, two = yard.open(clock=lambda: clock_stands_still), yard.open()
    one.enter("mina", "jun")
    await shows(two, "jun", "mina")

    one.leave("mina", "jun")
    one.local.expel(ROOM, "mina")

    await shows(two, "jun")


async def test_leaves_after_a_crash_are_announced_by_exactly_one_gateway(yard: Yard) -> None:
    crashed, *others = [yard.open() for _ in range(4)]
    crashed.enter(*(f"user{number}" for number in range(CHUNK + 50)))
    crashed.enter("mina")
    others[0].enter("mina", "jun")
    await until(lambda: yard.announced.count("joined") == CHUNK + 52)
    # Who clears away was here for as long as a gateway is believed.
    await asyncio.sleep(PRESENCE_SECONDS * 0.6)

    await crashed.pause()

    await shows(others[2], "jun", "mina", seconds=PRESENCE_SECONDS + SLACK_SECONDS)
    await until(lambda: yard.announced.count("left") == CHUNK + 50)
    assert len(set(yard.announced.events)) == len(yard.announced.events)
    assert ("left", "mina") not in yard.announced.events
    assert sum(other.metric("cleared_total") for other in others) == CHUNK + 50


async def test_a_paused_gateway_writes_everything_again(yard: Yard) -> None:
    paused, other = yard.open(), yard.open()
    paused.enter("mina", "jun")
    other.enter("ara")
    await shows(other, "ara", "jun", "mina")
    await paused.pause()
    await shows(other, "ara")

    paused.enter("bora")
    paused.go_on()

    await shows(other, "ara", "bora", "jun", "mina")
    assert paused.metric("heals_total") == 1
    assert sorted(yard.announced.events[3:]) == [
        ("joined", "bora"),
        ("joined", "jun"),
        ("joined", "mina"),
        ("left", "jun"),
        ("left", "mina"),
    ]


async def test_the_users_of_a_stopping_gateway_have_a_grace_period(yard: Yard) -> None:
    stopped, other = yard.open(), yard.open()
    stopped.enter("mina", "jun")
    await shows(other, "jun", "mina")
    await asyncio.sleep(PRESENCE_SECONDS * 0.6)

    await stopped.stop()
    other.enter("mina")

    await shows(other, "mina")
    assert yard.announced.events[2:] == [("left", "jun")]


async def test_nothing_is_announced_in_a_large_room(yard: Yard) -> None:
    one, two = yard.open(max_present=2), yard.open(max_present=2)

    for user in ("a", "b", "c", "d"):
        one.enter(user)
        await until(lambda: one.local.next_change_at() is None)
    await shows(two, "a", "b", "c", "d")
    one.leave("a", "b")
    await shows(two, "c", "d")

    assert yard.announced.events == [("joined", "a"), ("joined", "b"), ("left", "b")]


async def test_nothing_is_announced_after_a_restart_of_redis(
    mortal_yard: Yard, private_redis: Redis
) -> None:
    one, two = mortal_yard.open(), mortal_yard.open()
    one.enter("mina", "jun")
    two.enter("mina", "ara")
    await shows(one, "ara", "jun", "mina")
    before = list(mortal_yard.announced.events)

    private_redis.kill()
    with pytest.raises(PresenceStoreError):
        await one.users()
    one.leave("jun")
    two.enter("bora")
    await until(lambda: min(one.metric("failures_total"), two.metric("failures_total")) > 1)
    await asyncio.sleep(PRESENCE_SECONDS)
    private_redis.start()

    await shows(two, "ara", "bora", "mina", seconds=PRESENCE_SECONDS + SLACK_SECONDS)
    assert sorted(mortal_yard.announced.events[len(before) :]) == [
        ("joined", "bora"),
        ("left", "jun"),
    ]


async def test_nothing_is_announced_after_a_data_loss_of_redis(
    mortal_yard: Yard, private_redis: Redis
) -> None:
    everyone = [f"user{number:03}" for number in range(100)]
    one, two = mortal_yard.open(), mortal_yard.open()
    one.enter("mina", "jun", *everyone, *everyone)
    one.enter(*(f"other{number}" for number in range(3 * CHUNK)), room="well")
    two.enter("mina")
    await until(lambda: mortal_yard.announced.count("joined") == 102 + 3 * CHUNK)
    before = len(mortal_yard.announced.events)

    async with Client.from_url(private_redis.url) as client:
        await client.flushall()
    one.leave("jun")
    two.enter("bora")

    # Who left goes last, when the others had time to come back.
    await until(lambda: ("left", "jun") in mortal_yard.announced.events)
    await shows(two, "bora", "mina", *everyone, seconds=SLACK_SECONDS)
    async with asyncio.timeout(SLACK_SECONDS):
        while (await two.store.page("well", after="", limit=1)).count < 3 * CHUNK:  # noqa: ASYNC110 - batch by batch
            await asyncio.sleep(0.01)
    assert (one.metric("heals_total"), two.metric("heals_total")) == (1, 1)
    assert sorted(mortal_yard.announced.events[before:]) == [("joined", "bora"), ("left", "jun")]


async def test_redis_may_be_restored_with_older_data(
    mortal_yard: Yard, private_redis: Redis
) -> None:
    one, two = mortal_yard.open(), mortal_yard.open()
    one.enter("mina", "jun")
    two.enter("ara")
    await shows(two, "ara", "jun", "mina")
    async with Client.from_url(private_redis.url) as client:
        older = {key: await client.dump(key) or b"" for key in await client.keys("*")}
        one.leave("jun")
        one.enter("bora")
        await shows(two, "ara", "bora", "mina")

        pipeline = client.pipeline(transaction=True)
        pipeline.flushall()
        for key, value in older.items():
            pipeline.restore(key, 0, value)
        await pipeline.execute()

    await shows(two, "ara", "bora", "mina", seconds=2 * PRESENCE_SECONDS + SLACK_SECONDS)


async def test_a_gateway_may_start_before_redis(mortal_yard: Yard, private_redis: Redis) -> None:
    private_redis.kill()
    gateway = mortal_yard.open()
    gateway.enter("mina", "jun")
    await until(lambda: gateway.metric("failures_total") > 0)
    gateway.leave("jun")

    private_redis.start()

    await shows(gateway, "mina")
    assert mortal_yard.announced.events == [("joined", "mina")]


async def test_a_hanging_redis_times_out(mortal_yard: Yard, private_redis: Redis) -> None:
    gateway = mortal_yard.open()
    gateway.enter("mina")
    await shows(gateway, "mina")

    private_redis.pause()
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(PresenceStoreError):
            await gateway.users()
    gateway.enter("jun")
    await until(lambda: gateway.metric("failures_total") > 0)
    private_redis.resume()

    await shows(gateway, "jun", "mina")
    assert mortal_yard.announced.events == [("joined", "mina"), ("joined", "jun")]
