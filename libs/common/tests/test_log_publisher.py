import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from typing_extensions import override

from madang_common.log.batching import BatchLimits
from madang_common.log.port import LogBusy, LogError, LogTooLarge, LogUnavailable
from madang_common.log.position import shard_of
from madang_common.log.publisher import Publisher
from madang_common.log.sqlite import SqliteLog
from tests.support.publishing import publish

SHARDS = 2
ROOM = "rooms.madang"
SHARD = shard_of(ROOM, SHARDS)
ELSEWHERE = next(f"rooms.{n}" for n in range(99) if shard_of(f"rooms.{n}", SHARDS) != SHARD)
PATIENCE_SECONDS = 20

Append = Callable[[int, tuple[bytes, ...]], Awaitable[None]]


class WatchedLog(SqliteLog):
    """The embedded log; awaits `before` and `after` around each append."""

    appends: list[tuple[int, tuple[bytes, ...]]]
    unconfirmed: dict[int, int]
    before: Append
    after: Append

    def watch(self) -> None:
        async def nothing(_: int, __: tuple[bytes, ...]) -> None:
            pass

        self.appends, self.unconfirmed = [], dict.fromkeys(range(SHARDS), 0)
        self.before = self.after = nothing

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        self.unconfirmed[shard] += 1
        assert self.unconfirmed[shard] == 1, "a second batch while one is unconfirmed"
        try:
            self.appends.append((shard, lines))
            await self.before(shard, lines)
            await super().append(shard, lines)
            await self.after(shard, lines)
        finally:
            self.unconfirmed[shard] -= 1


def failing(times: int, error: Exception | None = None) -> Append:
    """Return a function that raises LogUnavailable, or `error`, `times` times."""

    async def fail(_: int, __: tuple[bytes, ...]) -> None:
        nonlocal times
        if times:
            times -= 1
            raise error or LogUnavailable("away")

    return fail


class Gate:
    """Blocks appends until it is opened."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.reached = asyncio.Event()

    async def __call__(self, _: int, __: tuple[bytes, ...]) -> None:
        self.reached.set()
        await self.open.wait()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[WatchedLog]:
    log = await WatchedLog.open(tmp_path / "log.db", SHARDS)
    log.watch()
    yield log
    await log.close()


async def stored(log: SqliteLog, shard: int = SHARD) -> list[tuple[bytes, ...]]:
    """Return all batches of `shard`."""
    end, found = await log.end(shard), []
    if end:
        async for batch in log.follow(shard, 0):
            found.append(batch.lines)
            if batch.offset + 1 == end:
                break
    return found


async def test_a_published_event_is_in_the_log(log: WatchedLog) -> None:
    publisher = Publisher(log)

    await publish(publisher, ROOM, b"one")
    await publish(publisher, ELSEWHERE, b"two")

    assert await stored(log) == [(b"one",)]
    assert await stored(log, 1 - SHARD) == [(b"two",)]


async def test_an_idle_shard_sends_at_once_and_a_busy_one_batches(log: WatchedLog) -> None:
    log.before = gate = Gate()
    publisher = Publisher(log)
    first = asyncio.create_task(publish(publisher, ROOM, b"first"))
    await gate.reached.wait()

    others = [asyncio.create_task(publish(publisher, ROOM, b"%d" % n)) for n in range(5)]
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(first, *others)

    assert await stored(log) == [(b"first",), (b"0", b"1", b"2", b"3", b"4")]


async def test_after_a_large_batch_a_shard_lingers_as_long_as_that_took(log: WatchedLog) -> None:
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def note(_: int, __: tuple[bytes, ...]) -> None:
        times.append(loop.time())

    async def take_time(shard: int, lines: tuple[bytes, ...]) -> None:
        await asyncio.sleep(0.005)
        await note(shard, lines)

    log.before, log.after = note, take_time
    publisher = Publisher(log)
    await asyncio.gather(*(publish(publisher, ROOM, b"%d" % n) for n in range(8)))

    await asyncio.gather(publish(publisher, ROOM, b"one"), publish(publisher, ROOM, b"two"))

    (began, ended, next_began, _) = times
    assert next_began - ended >= min(ended - began, 0.01)
    assert [len(lines) for _, lines in log.appends] == [8, 2]


async def test_a_busy_shard_does_not_block_another(log: WatchedLog) -> None:
    gate = Gate()

    async def hold_one_shard(shard: int, lines: tuple[bytes, ...]) -> None:
        if shard == SHARD:
            await gate(shard, lines)

    log.before = hold_one_shard
    publisher = Publisher(log)
    held = asyncio.create_task(publish(publisher, ROOM, b"held"))

    async with asyncio.timeout(PATIENCE_SECONDS):
        await publish(publisher, ELSEWHERE, b"free")

    assert not held.done()
    gate.open.set()
    await held


async def test_a_shard_has_at_most_one_batch_in_flight(log: WatchedLog) -> None:
    publisher = Publisher(log, limits=BatchLimits(lines=7))
    lines = [b"%d" % n for n in range(500)]

    await asyncio.gather(*(publish(publisher, ROOM, line) for line in lines))

    assert [line for batch in await stored(log) for line in batch] == lines
    assert all(len(batch) <= 7 for batch in await stored(log))


async def test_a_refused_batch_is_retried_unchanged(log: WatchedLog) -> None:
    log.before = failing(3)
    publisher = Publisher(log)

    await asyncio.gather(*(publish(publisher, ROOM, line) for line in (b"a", b"b", b"c")))
    await publish(publisher, ROOM, b"d")

    assert [lines for _, lines in log.appends] == [(b"a", b"b", b"c")] * 4 + [(b"d",)]
    assert await stored(log) == [(b"a", b"b", b"c"), (b"d",)]


async def test_a_lost_confirm_leaves_the_batch_twice_and_in_order(log: WatchedLog) -> None:
    log.after = failing(1)
    publisher = Publisher(log)

    await publish(publisher, ROOM, b"a")
    await publish(publisher, ROOM, b"b")

    assert await stored(log) == [(b"a",), (b"a",), (b"b",)]


async def test_a_batch_without_confirm_times_out(log: WatchedLog) -> None:
    log.before = failing(1_000_000)
    publisher = Publisher(log, timeout_seconds=0.2)

    with pytest.raises(LogUnavailable, match="away"):
        await publish(publisher, ROOM, b"a")

    log.before = failing(0)
    await publish(Publisher(log), ROOM, b"b")
    assert await stored(log) == [(b"b",)]


async def test_a_log_that_does_not_answer_times_out(log: WatchedLog) -> None:
    log.after = gate = Gate()
    publisher = Publisher(log, timeout_seconds=0.1)

    with pytest.raises(LogUnavailable, match=r"not confirmed within 0\.1 s"):
        await publish(publisher, ROOM, b"a")

    gate.open.set()
    await publish(Publisher(log), ROOM, b"b")
    assert await stored(log) == [(b"a",), (b"b",)]


async def test_a_queued_event_times_out_at_its_own_deadline(log: WatchedLog) -> None:
    time = 0.0
    gates = {line: Gate() for line in (b"first", b"old", b"young")}

    async def stop(shard: int, lines: tuple[bytes, ...]) -> None:
        await gates[lines[0]](shard, lines)

    log.before = stop
    publisher = Publisher(log, timeout_seconds=10, clock=lambda: time)
    outcomes: dict[bytes, LogError | None] = {}
    for line, at in ((b"first", 0.0), (b"old", 1.0), (b"old too", 1.9), (b"young", 2.5)):
        time = at
        publisher.append(ROOM, line, partial(outcomes.__setitem__, line))
        await gates[b"first"].reached.wait()

    # The first one is stored at last, when those behind it have waited for too long.
    time = 11.5
    gates[b"first"].open.set()
    await gates[b"young"].reached.wait()

    assert outcomes.pop(b"first") is None
    assert {line: type(error) for line, error in outcomes.items()} == dict.fromkeys(
        (b"old", b"old too"), LogUnavailable
    )
    gates[b"young"].open.set()
    await publisher.close()
    assert outcomes[b"young"] is None
    assert await stored(log) == [(b"first",), (b"young",)]


async def test_closing_takes_at_most_one_timeout(log: WatchedLog) -> None:
    log.before = Gate()
    publisher = Publisher(log, limits=BatchLimits(lines=1), timeout_seconds=0.5)
    outcomes: list[LogError | None] = []
    for n in range(20):
        publisher.append(ROOM, b"%d" % n, outcomes.append)
    began = asyncio.get_running_loop().time()

    await publisher.close()

    assert asyncio.get_running_loop().time() - began < 20 * 0.5 / 2
    assert [type(error) for error in outcomes] == [LogUnavailable] * 20
    assert len(log.appends) < 20


async def test_events_of_one_turn_stay_together_if_the_clock_jumps(
    log: WatchedLog,
) -> None:
    clock = itertools.count(0, 5)
    publisher = Publisher(log, timeout_seconds=20, clock=lambda: next(clock))

    for n in range(3):
        publisher.append(ROOM, b"%d" % n, lambda _: None)
    await publisher.close()

    assert await stored(log) == [(b"0", b"1", b"2")]


async def test_each_batch_observes_the_duration_of_its_oldest_event(log: WatchedLog) -> None:
    time = 100.0
    log.before = gate = Gate()
    seconds: list[float] = []
    publisher = Publisher(log, observe=seconds.append, clock=lambda: time)
    publisher.append(ROOM, b"first", lambda _: None)
    await gate.reached.wait()
    for time in (100.25, 100.5):  # noqa: B007 - the publisher's clock
        publisher.append(ROOM, b"later", lambda _: None)

    time = 101.0
    gate.open.set()
    await publisher.close()

    assert seconds == [1.0, 0.75]


async def test_an_unconfirmed_batch_is_not_observed(log: WatchedLog) -> None:
    log.before = failing(1, ValueError("broken"))
    seconds: list[float] = []
    publisher = Publisher(log, observe=seconds.append)

    publisher.append(ROOM, b"a", lambda _: None)
    await publisher.close()

    assert seconds == []


async def test_an_unexpected_error_fails_only_its_batch(log: WatchedLog) -> None:
    log.before = failing(1, RuntimeError("a bug"))
    publisher = Publisher(log)

    with pytest.raises(LogUnavailable, match="a bug"):
        await publish(publisher, ROOM, b"a")

    await publish(publisher, ROOM, b"b")
    assert await stored(log) == [(b"b",)]


async def test_an_error_in_a_callback_does_not_affect_the_others(log: WatchedLog) -> None:
    publisher = Publisher(log)
    outcomes: list[LogError | None] = []

    def broken(_: LogError | None) -> None:
        raise RuntimeError("a bug in a sender")

    publisher.append(ROOM, b"a", broken)
    publisher.append(ROOM, b"b", outcomes.append)
    await publish(publisher, ROOM, b"c")

    assert outcomes == [None]


async def test_a_cancelled_sender_does_not_affect_the_others(log: WatchedLog) -> None:
    log.before = gate = Gate()
    publisher = Publisher(log)
    sends = [asyncio.create_task(publish(publisher, ROOM, b"%d" % n)) for n in range(3)]
    await gate.reached.wait()

    sends[1].cancel()
    gate.open.set()
    results = await asyncio.gather(*sends, return_exceptions=True)

    assert [result is None for result in results] == [True, False, True]
    assert await stored(log) == [(b"0", b"1", b"2")]


async def test_a_full_queue_refuses_events(log: WatchedLog) -> None:
    log.before = gate = Gate()
    publisher = Publisher(log, waiting_bytes=10)
    under_way = asyncio.create_task(publish(publisher, ROOM, b"first"))
    await gate.reached.wait()
    waiting = asyncio.create_task(publish(publisher, ROOM, b"x" * 10))
    await asyncio.sleep(0)

    with pytest.raises(LogBusy):
        await publish(publisher, ROOM, b"y")

    assert publisher.waiting_bytes == 10
    elsewhere = asyncio.create_task(publish(publisher, ELSEWHERE, b"z"))
    gate.open.set()
    await asyncio.gather(under_way, waiting, elsewhere)
    assert publisher.waiting_bytes == 0
    await publish(publisher, ROOM, b"y")


async def test_an_event_larger_than_a_batch_is_refused(log: WatchedLog) -> None:
    publisher = Publisher(log, limits=BatchLimits(bytes=100))

    with pytest.raises(LogTooLarge):
        await publish(publisher, ROOM, b"x" * 100)

    await publish(publisher, ROOM, b"x" * 99)
    assert await stored(log) == [(b"x" * 99,)]


async def test_closing_waits_for_queued_events(log: WatchedLog) -> None:
    log.before = failing(2)
    publisher = Publisher(log, limits=BatchLimits(lines=2))
    outcomes: list[LogError | None] = []
    for n in range(5):
        publisher.append(ROOM, b"%d" % n, outcomes.append)

    await publisher.close()

    assert outcomes == [None] * 5
    assert [line for batch in await stored(log) for line in batch] == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_closed_publisher_refuses_events(log: WatchedLog) -> None:
    publisher = Publisher(log)
    await publisher.close()

    with pytest.raises(LogUnavailable, match="closed"):
        await publish(publisher, ROOM, b"late")


async def test_events_appended_together_are_adjacent_in_one_batch(log: WatchedLog) -> None:
    publisher = Publisher(log, limits=BatchLimits(lines=3))
    outcomes: list[LogError | None] = []
    gate = log.before = Gate()
    publisher.append(ROOM, b"0", lambda _: None)
    await gate.reached.wait()
    publisher.append(ROOM, b"1", lambda _: None)
    publisher.append(ROOM, b"2", lambda _: None)

    publisher.append_together(ROOM, (b"a", b"b"), outcomes.append)
    publisher.append(ROOM, b"3", lambda _: None)
    gate.open.set()
    await publisher.close()

    batches = [lines for shard, lines in log.appends if shard == SHARD]
    assert batches == [(b"0",), (b"1", b"2"), (b"a", b"b", b"3")]
    assert outcomes == [None]


async def test_events_appended_together_fail_together(log: WatchedLog) -> None:
    publisher = Publisher(log)
    outcomes: list[LogError | None] = []
    log.before = failing(1, ValueError("broken"))

    publisher.append_together(ROOM, (b"a", b"b"), outcomes.append)
    await publisher.close()

    assert [type(error) for error in outcomes] == [LogUnavailable]
    assert await log.end(SHARD) == 0


@pytest.mark.parametrize("lines", [(b"x",) * 4, (b"12345678", b"12345678")])
async def test_more_than_one_batch_cannot_be_appended_together(
    log: WatchedLog, lines: tuple[bytes, ...]
) -> None:
    publisher = Publisher(log, limits=BatchLimits(lines=3, bytes=16))

    with pytest.raises(LogTooLarge):
        publisher.append_together(ROOM, lines, lambda _: None)

    await publisher.close()
    assert publisher.waiting_bytes == 0


async def test_events_together_over_the_queue_limit_are_refused(log: WatchedLog) -> None:
    publisher = Publisher(log, waiting_bytes=10)

    with pytest.raises(LogBusy):
        publisher.append_together(ROOM, (b"123456", b"12345"), lambda _: None)

    await publisher.close()
    with pytest.raises(LogUnavailable, match="closed"):
        publisher.append_together(ROOM, (b"1",), lambda _: None)
