"""Recovery: in any interleaving a subscription gets missed events once and in order."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from madang_common.events.envelope import Event, read_line
from madang_common.log.port import Batch, LogError, LogLost, LogUnavailable
from madang_common.log.position import from_id, position, to_id
from madang_common.problems import InvalidRequest, Unavailable
from madang_gateway.backends.history import History
from madang_gateway.fanout.encoding import PositionedEvent
from madang_gateway.limits import budget
from madang_gateway.messages import seen
from madang_gateway.messages.seen import SeenPositions
from madang_gateway.subscribe import recovery
from madang_gateway.subscribe.recovery import Recovery, ReplayTarget, read_since, to_since
from services.gateway.tests.event_pipeline import EventPipeline, FakeHistory, FakeRecipient
from services.gateway.tests.harness import message, removal, until

ROOM = "rooms.yard"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(seen, "_POLL_SECONDS", 0.0)


@dataclass(eq=False)
class Target(ReplayTarget):
    """A subscription that records its replay."""

    core: EventPipeline
    listener: FakeRecipient = field(default_factory=FakeRecipient)
    begun: list[tuple[bool | None, int | None]] = field(default_factory=list)
    live: bool = False
    chunks: list[int] = field(default_factory=list)
    can_take_more: asyncio.Event | None = None
    charged: float = 0
    allowed: float = 1e9

    @override
    def begin(self, *, resumed: bool | None = None, position: int | None = None) -> None:
        self.begun.append((resumed, position))

    @override
    def deliver(self, events: list[PositionedEvent]) -> None:
        assert self.begun
        self.chunks.append(len(events))
        self.listener.received += [one.position for one in events]

    @override
    def go_live(self) -> None:
        assert self.begun
        self.live = True
        self.core.subscribe(self.listener)

    @override
    def charge(self, cost: float) -> None:
        self.charged += cost

    @property
    @override
    def in_debt(self) -> bool:
        return self.charged > self.allowed

    @override
    async def ready(self) -> None:
        if self.can_take_more is not None and self.chunks:
            await self.can_take_more.wait()


class Harness:
    """A gateway and a history service that read one log, step by step."""

    def __init__(
        self, *, tail_bytes: int = 1_000_000, page: int = 3, chunk_bytes: int = 100_000
    ) -> None:
        self.core = EventPipeline(tail_bytes=tail_bytes)
        self.stored = FakeHistory()
        self.recovery = self.made(page, chunk_bytes, self.stored.client())
        self.log: list[Batch] = []
        self.log_failure: LogError | None = None

    def made(self, page: int, chunk_bytes: int, history: History) -> Recovery:
        return Recovery(
            self.core.recent_events,
            history,
            seen=SeenPositions(
                self.core.recent_events, self._log_end, seconds=20, clock=self.core.time
            ),
            shards=1,
            page=page,
            chunk_bytes=chunk_bytes,
            seconds=20,
            metrics=self.core.metrics,
            clock=self.core.time,
        )

    async def _log_end(self, _: int) -> int:
        if self.log_failure is not None:
            raise self.log_failure
        return len(self.log)

    def append(self, *events: Event) -> list[int]:
        """Append a batch to the log, read by neither the gateway nor history yet."""
        batch = Batch(len(self.log), tuple(event.line() for event in events))
        self.log.append(batch)
        return [position(batch.offset, line) for line in range(len(events))]

    def dispatch(self) -> None:
        """Let the gateway read the next batch, if there is one."""
        if self.core.offset < len(self.log):
            self.core.apply(*self.log[self.core.offset].lines)

    def store(self) -> None:
        """Let history store the next batch, if there is one."""
        if self.stored.next < len(self.log):
            self.stored.store(self.log[self.stored.next])

    def catch_up(self) -> None:
        for _ in self.log:
            self.dispatch()
            self.store()

    def drop_recent(self, count: int = 10_000) -> None:
        """Drop the `count` oldest events in memory."""
        recent = self.core.recent_events
        for _ in range(min(count, len(recent._batches))):
            limit, recent._limit_bytes = recent._limit_bytes, recent.bytes - 1
            recent.trim(self.core.time())
            recent._limit_bytes = limit

    async def resume(self, since: int, target: Target | None = None) -> Target:
        target = target or Target(self.core)
        if not self.recovery.replay_now(ROOM, since, target):
            async with asyncio.timeout(10):
                await self.recovery.replay(ROOM, since, target)
        return target


async def test_a_target_that_is_not_ready_holds_few_events() -> None:
    harness = Harness(chunk_bytes=1000)
    positions = [one for _ in range(50) for one in harness.append(message("x" * 500))]
    harness.catch_up()
    target = Target(harness.core, can_take_more=asyncio.Event())
    resuming = asyncio.create_task(harness.resume(-1, target))
    await until(lambda: bool(target.chunks))

    harness.drop_recent()
    assert target.can_take_more is not None
    target.can_take_more.set()
    await resuming

    assert target.listener.received == positions
    assert harness.stored.requests > 0
    assert harness.core.metric("resumes_total", source="tail") == 1


async def test_recent_events_are_replayed_at_once() -> None:
    harness = Harness()
    positions = harness.append(message(), message(room="well"), message())
    positions += harness.append(message())
    harness.catch_up()
    target = Target(harness.core)

    done = harness.recovery.replay_now(ROOM, positions[0], target)

    assert done
    assert target.begun == [(True, None)]
    assert target.listener.received == positions[2:]
    assert harness.stored.requests == 0
    assert harness.core.metric("resumes_total", source="tail") == 1


async def test_live_events_follow_the_replay() -> None:
    harness = Harness()
    first = harness.append(message())
    harness.catch_up()
    target = await harness.resume(-1)

    second = harness.append(message())
    harness.catch_up()

    assert target.listener.received == first + second


async def test_an_empty_log_is_replayed_from_its_start() -> None:
    harness = Harness()

    target = await harness.resume(-1)

    assert target.begun == [(True, None)]
    assert (target.listener.received, target.live) == ([], True)


async def test_older_events_are_replayed_from_history_page_by_page() -> None:
    harness = Harness(page=3)
    positions = [at for _ in range(10) for at in harness.append(message(), message(room="well"))]
    harness.catch_up()
    harness.drop_recent(12)

    target = await harness.resume(positions[0])

    assert target.begun == [(True, None)]
    assert target.listener.received == positions[2::2]
    assert harness.core.metric("resumes_total", source="history") == 1


async def test_events_that_come_while_history_answers_are_neither_lost_nor_repeated() -> None:
    harness = Harness(page=2)
    positions = [at for _ in range(5) for at in harness.append(message())]
    harness.catch_up()
    harness.drop_recent()
    target = Target(harness.core)
    answer = harness.stored.answer

    async def answer_and_go_on(request: httpx.Request) -> httpx.Response:
        positions.extend(harness.append(message()))
        answered = await answer(request)
        harness.catch_up()
        return answered

    harness.stored.answer = answer_and_go_on  # type: ignore[method-assign]
    harness.recovery = harness.made(2, 100_000, harness.stored.client())
    await harness.resume(-1, target)
    positions += harness.append(message())
    harness.catch_up()

    assert target.listener.received == positions


async def test_history_ahead_of_this_gateway_repeats_nothing() -> None:
    harness = Harness()
    positions = harness.append(message())
    harness.catch_up()
    harness.drop_recent()
    positions += harness.append(message())
    harness.store()

    target = await harness.resume(-1)
    harness.dispatch()

    assert target.listener.received == positions


async def test_history_ahead_of_this_gateway_delivers_nothing_after_a_removal() -> None:
    harness = Harness()
    positions = harness.append(message())
    harness.catch_up()
    harness.drop_recent()
    positions += harness.append(removal("mina"), message("secret"))
    harness.store()

    target = await harness.resume(-1)
    harness.dispatch()

    assert target.listener.received == positions[:2]


async def test_positions_that_history_is_storing_are_not_used() -> None:
    harness = Harness()
    positions = [at for _ in range(3) for at in harness.append(message())]
    harness.catch_up()
    harness.drop_recent()
    whole = harness.stored.events
    harness.stored.events, harness.stored.next = [whole[0], whole[2]], 1
    resuming = asyncio.create_task(harness.resume(-1))
    await until(lambda: harness.stored.requests >= 3)

    harness.stored.events, harness.stored.next = whole, 3

    assert (await resuming).listener.received == positions


async def test_lost_events_are_reported_with_resumed_false() -> None:
    harness = Harness()
    positions = [at for _ in range(4) for at in harness.append(message())]
    harness.catch_up()
    harness.drop_recent()
    harness.stored.events = harness.stored.events[2:]
    harness.stored.reaches = False

    target = await harness.resume(positions[0])

    assert target.begun == [(False, None)]
    assert target.listener.received == positions[2:]
    assert harness.core.metric("resumes_total", source="lost") == 1


async def test_an_id_that_another_gateway_has_sent_is_awaited() -> None:
    harness = Harness()
    positions = harness.append(message())
    harness.append(message())
    later = harness.append(message())
    harness.dispatch()
    resuming = asyncio.create_task(harness.resume(position(1, 0)))
    await asyncio.sleep(0)
    assert not resuming.done()

    harness.catch_up()
    target = await resuming

    assert positions == [0]
    assert target.begun == [(True, None)]
    assert target.listener.received == later


async def test_an_unknown_id_starts_live_with_resumed_false() -> None:
    harness = Harness()
    (last,) = harness.append(message())
    harness.catch_up()
    resuming = asyncio.create_task(harness.resume(position(10_000, 0)))
    await asyncio.sleep(0)
    harness.core.time.now += 3.1

    target = await resuming
    later = harness.append(message())
    harness.catch_up()

    assert target.begun == [(False, position(1, 0) - 1)]
    assert last < position(1, 0)
    assert target.listener.received == later


async def test_an_id_is_awaited_while_the_log_has_it_or_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """This gateway may be cut off from the log when a client comes from one that is ahead."""
    monkeypatch.setattr(seen, "_LOG_PAUSE_SECONDS", 0.0)
    harness = Harness()
    harness.append(message())
    (read,) = harness.append(message())
    (later,) = harness.append(message())
    resuming = asyncio.create_task(harness.resume(read))
    for failure in (None, LogUnavailable("Connection refused")):
        harness.log_failure = failure
        harness.core.time.now += 5
        for _ in range(10):
            await asyncio.sleep(0)
        assert not resuming.done()

    harness.catch_up()
    target = await resuming

    assert target.begun == [(True, None)]
    assert target.listener.received == [later]


async def test_a_resume_is_refused_if_the_log_does_not_tell_whether_it_has_the_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seen, "_LOG_PAUSE_SECONDS", 0.0)
    harness = Harness()
    harness.log_failure = LogUnavailable("Connection refused")
    target = Target(harness.core)
    resuming = asyncio.create_task(harness.resume(position(1, 0), target))
    await asyncio.sleep(0)
    harness.core.time.now += 21

    with pytest.raises(Unavailable):
        await resuming
    assert target.begun == []


async def test_an_id_of_a_lost_log_starts_live_with_resumed_false() -> None:
    harness = Harness()
    harness.log_failure = LogLost("RabbitMQ has no stream madang.log.0")
    resuming = asyncio.create_task(harness.resume(position(1, 0)))
    await asyncio.sleep(0)
    harness.core.time.now += 3.1

    target = await resuming

    assert target.begun == [(False, -1)]


async def test_without_history_a_replay_is_unavailable() -> None:
    harness = Harness()
    harness.append(message())
    harness.catch_up()
    harness.drop_recent()
    harness.stored.away = True
    target = Target(harness.core)
    resuming = asyncio.create_task(harness.resume(-1, target))
    await asyncio.sleep(0)
    harness.core.time.now += 21

    with pytest.raises(Unavailable):
        await resuming

    assert not target.live
    assert target.begun == []


async def test_a_replay_survives_a_short_outage_of_history() -> None:
    harness = Harness()
    positions = harness.append(message())
    harness.catch_up()
    harness.drop_recent()
    harness.stored.away = True
    resuming = asyncio.create_task(harness.resume(-1))
    await until(lambda: harness.stored.requests > 0)

    harness.stored.away = False

    assert (await resuming).listener.received == positions


async def test_lagging_history_is_awaited_until_the_deadline() -> None:
    harness = Harness()
    harness.append(message())
    harness.dispatch()
    harness.drop_recent()
    resuming = asyncio.create_task(harness.resume(-1))
    await until(lambda: harness.stored.requests >= 3)
    assert not resuming.done()
    harness.core.time.now += 21

    with pytest.raises(Unavailable):
        await resuming


@pytest.mark.parametrize("from_tail", [True, False])
async def test_a_long_replay_waits_for_the_target(*, from_tail: bool) -> None:
    harness = Harness(page=100, chunk_bytes=1000)
    positions = [at for _ in range(50) for at in harness.append(message("x" * 300))]
    harness.catch_up()
    if not from_tail:
        harness.drop_recent()
    target = Target(harness.core, can_take_more=asyncio.Event())
    resuming = asyncio.create_task(harness.resume(-1, target))
    await until(lambda: len(target.chunks) > 0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert target.listener.received == positions[: target.chunks[0]]
    assert target.chunks[0] < 5

    assert target.can_take_more is not None
    target.can_take_more.set()
    await resuming

    assert target.listener.received == positions
    assert target.begun == [(True, None)]
    assert max(target.chunks) < 5


async def test_recent_events_are_not_read_before_the_target_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harness = Harness(chunk_bytes=500)
    positions = [at for _ in range(20) for at in harness.append(message("x" * 100))]
    harness.catch_up()
    read: list[bytes] = []

    def reading(line: bytes) -> Event:
        read.append(line)
        return read_line(line)

    monkeypatch.setattr(recovery, "read_line", reading)
    target = Target(harness.core, can_take_more=asyncio.Event())

    resuming = asyncio.create_task(harness.resume(-1, target))
    await until(lambda: len(target.chunks) > 0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(read) < len(positions) / 2

    assert target.can_take_more is not None
    target.can_take_more.set()
    await resuming
    assert target.listener.received == positions


async def test_a_long_replay_yields_to_the_event_loop() -> None:
    harness = Harness(chunk_bytes=1_000_000)
    positions = harness.append(*(message() for _ in range(1000)))
    harness.catch_up()
    target = Target(harness.core)

    assert not harness.recovery.replay_now(ROOM, -1, target)
    await harness.resume(-1, target)

    assert target.listener.received == positions
    assert max(target.chunks) <= 64


async def test_a_target_in_debt_waits_until_it_is_paid() -> None:
    harness = Harness()
    positions = harness.append(message(), message())
    harness.catch_up()
    target = Target(harness.core, charged=2, allowed=1)

    assert not harness.recovery.replay_now(ROOM, -1, target)
    await harness.resume(-1, target)

    assert target.listener.received == positions


@pytest.mark.parametrize("pages", [1, 3])
async def test_each_page_of_history_is_charged(pages: int) -> None:
    harness = Harness(page=3)
    harness.append(*(message() for _ in range(3 * pages)))
    harness.catch_up()
    harness.drop_recent()
    target = Target(harness.core)

    await harness.resume(-1, target)

    assert target.charged == budget.HISTORY_PAGE * harness.stored.requests
    assert harness.stored.requests >= pages


async def test_an_event_larger_than_a_chunk_is_delivered() -> None:
    harness = Harness(chunk_bytes=10)
    positions = [at for _ in range(3) for at in harness.append(message())]
    harness.catch_up()

    target = await harness.resume(-1)

    assert target.listener.received == positions


@pytest.mark.parametrize(
    ("text", "since"),
    [(None, None), ("start", -1), ("0" * 12, 0), (to_id(position(5, 3)), position(5, 3))],
)
def test_since_is_an_id_or_the_start(text: str | None, since: int | None) -> None:
    assert read_since(text) == since


@pytest.mark.parametrize("text", ["", "0", "Start", "z" * 12, "0" * 13, "-" * 12, "\uff10" * 12])
def test_an_invalid_since_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_since(text)


def test_since_round_trips() -> None:
    for at in (-1, 0, position(5, 3)):
        assert read_since(to_since(at)) == at
    assert from_id(to_since(7)) == 7


# Every interleaving of the steps of a replay.

BATCH = st.lists(st.sampled_from(["yard", "yard", "well", "copy"]), min_size=1, max_size=3)
STEP = st.one_of(
    BATCH,
    st.sampled_from(["dispatch", "store", "drop", "answer", "drain", "dispatch", "answer"]),
)


class Gate:
    """Blocks waiters until the test releases one, or opens it for good."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []
        self._open = False

    async def wait(self) -> None:
        if not self._open:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def let_one_pass(self) -> None:
        if self._waiting:
            self._waiting.pop(0).set_result(None)

    def open(self) -> None:
        self._open = True
        while self._waiting:
            self.let_one_pass()


class Interleaved(Harness):
    """A harness in which each response of history and each slow write is a step of its own."""

    def __init__(self, page: int, chunk_bytes: int) -> None:
        super().__init__()
        self.answers, self.drains = Gate(), Gate()
        answer = self.stored.answer

        async def held_back(request: httpx.Request) -> httpx.Response:
            answered = await answer(request)
            await self.answers.wait()
            return answered

        self.stored.answer = held_back  # type: ignore[method-assign]
        self.recovery = self.made(page, chunk_bytes, self.stored.client())
        self.sent: list[Event] = []

    def run(self, step: str | list[str]) -> None:
        """Run a step; a list is a batch to append."""
        actions: dict[str, Callable[[], object]] = {
            "dispatch": self.dispatch,
            "store": self.store,
            "drop": lambda: self.drop_recent(1),
            "answer": self.answers.let_one_pass,
            "drain": self.drains.let_one_pass,
        }
        if isinstance(step, str):
            actions[step]()
            return
        events = []
        for what in step:
            again = what == "copy" and self.sent
            room = "well" if what == "well" else "yard"
            events.append(self.sent[-1] if again else message(room=room))
            self.sent.append(events[-1])
        self.append(*events)

    def expected(self, since: int) -> list[int]:
        """Return the positions that a target of the room must get after `since`."""
        found: dict[bytes, int] = {}
        for batch in self.log:
            for line, raw in enumerate(batch.lines):
                found.setdefault(raw, position(batch.offset, line))
        return [at for raw, at in found.items() if b'"room":"yard"' in raw and at > since]


class Slow(Target):
    """A target that the test makes ready."""

    def __init__(self, harness: Interleaved) -> None:
        super().__init__(harness.core)
        self._gate = harness.drains

    @override
    async def ready(self) -> None:
        await self._gate.wait()


@dataclass(frozen=True)
class Course:
    """The steps of one replay."""

    before: list[list[str]]
    """Batches read by the gateway and history before the replay."""
    ahead: list[list[str]]
    """Later batches that history has stored and the gateway has not read."""
    dropped: int
    """Events dropped from memory."""
    since: int
    """Index of the last event that the target has seen."""
    during: list[str | list[str]]
    ends_first: bool
    """Whether the replay ends before the gateway reads the rest of the log."""
    page: int
    chunk_bytes: int


COURSES = st.builds(
    Course,
    before=st.lists(BATCH, min_size=1, max_size=5),
    ahead=st.lists(BATCH, max_size=3),
    dropped=st.integers(0, 12),
    since=st.integers(0, 3),
    during=st.lists(STEP, max_size=30),
    ends_first=st.booleans(),
    page=st.integers(1, 3),
    chunk_bytes=st.sampled_from([1, 400, 100_000]),
)


async def _go(course: Course) -> None:
    harness = Interleaved(course.page, course.chunk_bytes)
    for batch in course.before:
        harness.run(batch)
    harness.catch_up()
    harness.drop_recent(course.dropped)
    known = [-1, *harness.expected(-1)]
    since = known[course.since % len(known)]
    for batch in course.ahead:
        harness.run(batch)
        harness.store()
    target = Slow(harness)
    resuming = asyncio.create_task(harness.resume(since, target))
    for step in course.during:
        for _ in range(50):
            await asyncio.sleep(0)
        harness.run(step)

    harness.answers.open()
    harness.drains.open()
    if course.ends_first:
        for _ in harness.log:
            harness.store()
        await resuming
    harness.catch_up()
    await resuming
    harness.append(message())
    harness.catch_up()

    assert target.begun == [(True, None)]
    assert target.listener.received == harness.expected(since)


@settings(max_examples=300)
@given(COURSES)
def test_any_interleaving_replays_missed_events_once_and_in_order(course: Course) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recovery, "_POLL_SECONDS", 0.0)
        patch.setattr(seen, "_POLL_SECONDS", 0.0)
        asyncio.run(_go(course))
