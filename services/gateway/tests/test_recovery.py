"""Resuming: whatever happens meanwhile, a reader gets what it missed, once, in order."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from madang_common.events.envelope import Event, read_line
from madang_common.log.port import Batch
from madang_common.log.position import from_id, position, to_id
from madang_common.problems import InvalidRequest, Unavailable
from madang_gateway.backends.history import History
from madang_gateway.fanout.encoding import PositionedEvent
from madang_gateway.limits import budget
from madang_gateway.subscribe import recovery
from madang_gateway.subscribe.recovery import Reader, Recovery, read_since, to_since
from services.gateway.tests.core import Core, Listener, StoredEvents
from services.gateway.tests.harness import message, removal, until

ROOM = "rooms.yard"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_PAUSE_SECONDS", 0.0)


@dataclass(eq=False)
class Resuming(Reader):
    """A subscription that remembers what it was told and sent."""

    core: Core
    listener: Listener = field(default_factory=Listener)
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
    def deliver(self, placed: list[PositionedEvent]) -> None:
        assert self.begun
        self.chunks.append(len(placed))
        self.listener.heard += [one.position for one in placed]

    @override
    def go_live(self) -> None:
        assert self.begun
        self.live = True
        self.core.follow(self.listener)

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
    """A gateway's core beside a history, both behind one log that the test writes."""

    def __init__(
        self, *, tail_bytes: int = 1_000_000, page: int = 3, chunk_bytes: int = 100_000
    ) -> None:
        self.core = Core(tail_bytes=tail_bytes)
        self.stored = StoredEvents()
        self.resumption = self.made(page, chunk_bytes, self.stored.client())
        self.log: list[Batch] = []

    def made(self, page: int, chunk_bytes: int, history: History) -> Recovery:
        return Recovery(
            self.core.tail,
            history,
            shards=1,
            page=page,
            chunk_bytes=chunk_bytes,
            seconds=20,
            metrics=self.core.metrics,
            clock=self.core.time,
        )

    def append(self, *events: Event) -> list[int]:
        """Append a batch that neither the gateway nor history has seen yet."""
        batch = Batch(len(self.log), tuple(event.line() for event in events))
        self.log.append(batch)
        return [position(batch.offset, line) for line in range(len(events))]

    def dispatch(self) -> None:
        """Let the gateway see the next batch, if there is one."""
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

    def forget(self, count: int = 10_000) -> None:
        """Drop the `count` oldest events of the tail."""
        tail = self.core.tail
        for _ in range(min(count, len(tail._batches))):
            limit, tail._limit_bytes = tail._limit_bytes, tail.bytes - 1
            tail.trim(self.core.time())
            tail._limit_bytes = limit

    async def resume(self, since: int, reader: Resuming | None = None) -> Resuming:
        reader = reader or Resuming(self.core)
        if not self.resumption.at_once(ROOM, since, reader):
            async with asyncio.timeout(10):
                await self.resumption.step_by_step(ROOM, since, reader)
        return reader


async def test_who_does_not_read_keeps_little_of_what_the_tail_drops_meanwhile() -> None:
    harness = Harness(chunk_bytes=1000)
    positions = [one for _ in range(50) for one in harness.append(message("x" * 500))]
    harness.catch_up()
    reader = Resuming(harness.core, can_take_more=asyncio.Event())
    resuming = asyncio.create_task(harness.resume(-1, reader))
    await until(lambda: bool(reader.chunks))

    harness.forget()
    assert reader.can_take_more is not None
    reader.can_take_more.set()
    await resuming

    assert reader.listener.heard == positions
    assert harness.stored.asked > 0
    assert harness.core.metric("resumes_total", source="tail") == 1


async def test_what_the_tail_holds_comes_at_once() -> None:
    harness = Harness()
    positions = harness.append(message(), message(room="well"), message())
    positions += harness.append(message())
    harness.catch_up()
    reader = Resuming(harness.core)

    done = harness.resumption.at_once(ROOM, positions[0], reader)

    assert done
    assert reader.begun == [(True, None)]
    assert reader.listener.heard == positions[2:]
    assert harness.stored.asked == 0
    assert harness.core.metric("resumes_total", source="tail") == 1


async def test_after_resuming_the_log_goes_on_where_it_was() -> None:
    harness = Harness()
    first = harness.append(message())
    harness.catch_up()
    reader = await harness.resume(-1)

    second = harness.append(message())
    harness.catch_up()

    assert reader.listener.heard == first + second


async def test_an_empty_log_is_resumed_from_its_start() -> None:
    harness = Harness()

    reader = await harness.resume(-1)

    assert reader.begun == [(True, None)]
    assert (reader.listener.heard, reader.live) == ([], True)


async def test_what_is_older_than_the_tail_comes_from_history_page_by_page() -> None:
    harness = Harness(page=3)
    positions = [at for _ in range(10) for at in harness.append(message(), message(room="well"))]
    harness.catch_up()
    harness.forget(12)

    reader = await harness.resume(positions[0])

    assert reader.begun == [(True, None)]
    assert reader.listener.heard == positions[2::2]
    assert harness.core.metric("resumes_total", source="history") == 1


async def test_events_that_come_while_history_answers_are_neither_lost_nor_repeated() -> None:
    harness = Harness(page=2)
    positions = [at for _ in range(5) for at in harness.append(message())]
    harness.catch_up()
    harness.forget()
    reader = Resuming(harness.core)
    answer = harness.stored.answer

    async def answer_and_go_on(request: httpx.Request) -> httpx.Response:
        positions.extend(harness.append(message()))
        answered = await answer(request)
        harness.catch_up()
        return answered

    harness.stored.answer = answer_and_go_on  # type: ignore[method-assign]
    harness.resumption = harness.made(2, 100_000, harness.stored.client())
    await harness.resume(-1, reader)
    positions += harness.append(message())
    harness.catch_up()

    assert reader.listener.heard == positions


async def test_history_ahead_of_this_gateway_repeats_nothing() -> None:
    harness = Harness()
    positions = harness.append(message())
    harness.catch_up()
    harness.forget()
    positions += harness.append(message())
    harness.store()

    reader = await harness.resume(-1)
    harness.dispatch()

    assert reader.listener.heard == positions


async def test_history_ahead_of_this_gateway_shows_nothing_past_a_removal() -> None:
    harness = Harness()
    positions = harness.append(message())
    harness.catch_up()
    harness.forget()
    positions += harness.append(removal("mina"), message("secret"))
    harness.store()

    reader = await harness.resume(-1)
    harness.dispatch()

    assert reader.listener.heard == positions[:2]


async def test_what_history_is_just_storing_is_not_relied_on() -> None:
    harness = Harness()
    positions = [at for _ in range(3) for at in harness.append(message())]
    harness.catch_up()
    harness.forget()
    whole = harness.stored.events
    harness.stored.events, harness.stored.next = [whole[0], whole[2]], 1
    resuming = asyncio.create_task(harness.resume(-1))
    await until(lambda: harness.stored.asked >= 3)

    harness.stored.events, harness.stored.next = whole, 3

    assert (await resuming).listener.heard == positions


async def test_what_nobody_has_any_more_is_not_pretended() -> None:
    harness = Harness()
    positions = [at for _ in range(4) for at in harness.append(message())]
    harness.catch_up()
    harness.forget()
    harness.stored.events = harness.stored.events[2:]
    harness.stored.reaches = False

    reader = await harness.resume(positions[0])

    assert reader.begun == [(False, None)]
    assert reader.listener.heard == positions[2:]
    assert harness.core.metric("resumes_total", source="lost") == 1


async def test_an_id_that_another_gateway_has_shown_already_is_waited_for() -> None:
    harness = Harness()
    positions = harness.append(message())
    harness.append(message())
    later = harness.append(message())
    harness.dispatch()
    resuming = asyncio.create_task(harness.resume(position(1, 0)))
    await asyncio.sleep(0)
    assert not resuming.done()

    harness.catch_up()
    reader = await resuming

    assert positions == [0]
    assert reader.begun == [(True, None)]
    assert reader.listener.heard == later


async def test_an_id_that_this_log_never_gave_is_as_good_as_lost() -> None:
    harness = Harness()
    (last,) = harness.append(message())
    harness.catch_up()
    resuming = asyncio.create_task(harness.resume(position(10_000, 0)))
    await asyncio.sleep(0)
    harness.core.time.now += 3.1

    reader = await resuming
    later = harness.append(message())
    harness.catch_up()

    assert reader.begun == [(False, position(1, 0) - 1)]
    assert last < position(1, 0)
    assert reader.listener.heard == later


async def test_with_history_away_the_reader_is_told_to_try_again() -> None:
    harness = Harness()
    harness.append(message())
    harness.catch_up()
    harness.forget()
    harness.stored.away = True
    reader = Resuming(harness.core)
    resuming = asyncio.create_task(harness.resume(-1, reader))
    await asyncio.sleep(0)
    harness.core.time.now += 21

    with pytest.raises(Unavailable):
        await resuming

    assert not reader.live
    assert reader.begun == []


async def test_history_that_comes_back_in_time_is_enough() -> None:
    harness = Harness()
    positions = harness.append(message())
    harness.catch_up()
    harness.forget()
    harness.stored.away = True
    resuming = asyncio.create_task(harness.resume(-1))
    await until(lambda: harness.stored.asked > 0)

    harness.stored.away = False

    assert (await resuming).listener.heard == positions


async def test_history_that_is_behind_is_waited_for_and_then_given_up() -> None:
    harness = Harness()
    harness.append(message())
    harness.dispatch()
    harness.forget()
    resuming = asyncio.create_task(harness.resume(-1))
    await until(lambda: harness.stored.asked >= 3)
    assert not resuming.done()
    harness.core.time.now += 21

    with pytest.raises(Unavailable):
        await resuming


@pytest.mark.parametrize("from_tail", [True, False])
async def test_much_that_was_missed_comes_no_faster_than_it_is_taken(*, from_tail: bool) -> None:
    harness = Harness(page=100, chunk_bytes=1000)
    positions = [at for _ in range(50) for at in harness.append(message("x" * 300))]
    harness.catch_up()
    if not from_tail:
        harness.forget()
    reader = Resuming(harness.core, can_take_more=asyncio.Event())
    resuming = asyncio.create_task(harness.resume(-1, reader))
    await until(lambda: len(reader.chunks) > 0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert reader.listener.heard == positions[: reader.chunks[0]]
    assert reader.chunks[0] < 5

    assert reader.can_take_more is not None
    reader.can_take_more.set()
    await resuming

    assert reader.listener.heard == positions
    assert reader.begun == [(True, None)]
    assert max(reader.chunks) < 5


async def test_a_long_tail_is_not_read_before_the_client_takes_it(
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
    reader = Resuming(harness.core, can_take_more=asyncio.Event())

    resuming = asyncio.create_task(harness.resume(-1, reader))
    await until(lambda: len(reader.chunks) > 0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(read) < len(positions) / 2

    assert reader.can_take_more is not None
    reader.can_take_more.set()
    await resuming
    assert reader.listener.heard == positions


async def test_a_long_resume_lets_others_have_their_turn() -> None:
    harness = Harness(chunk_bytes=1_000_000)
    positions = harness.append(*(message() for _ in range(1000)))
    harness.catch_up()
    reader = Resuming(harness.core)

    assert not harness.resumption.at_once(ROOM, -1, reader)
    await harness.resume(-1, reader)

    assert reader.listener.heard == positions
    assert max(reader.chunks) <= 64


async def test_a_reader_in_debt_waits_until_it_is_paid() -> None:
    harness = Harness()
    positions = harness.append(message(), message())
    harness.catch_up()
    reader = Resuming(harness.core, charged=2, allowed=1)

    assert not harness.resumption.at_once(ROOM, -1, reader)
    await harness.resume(-1, reader)

    assert reader.listener.heard == positions


@pytest.mark.parametrize("pages", [1, 3])
async def test_each_page_that_is_asked_of_history_is_charged(pages: int) -> None:
    harness = Harness(page=3)
    harness.append(*(message() for _ in range(3 * pages)))
    harness.catch_up()
    harness.forget()
    reader = Resuming(harness.core)

    await harness.resume(-1, reader)

    assert reader.charged == budget.HISTORY_PAGE * harness.stored.asked
    assert harness.stored.asked >= pages


async def test_an_event_larger_than_a_chunk_comes_all_the_same() -> None:
    harness = Harness(chunk_bytes=10)
    positions = [at for _ in range(3) for at in harness.append(message())]
    harness.catch_up()

    reader = await harness.resume(-1)

    assert reader.listener.heard == positions


@pytest.mark.parametrize(
    ("text", "since"),
    [(None, None), ("start", -1), ("0" * 12, 0), (to_id(position(5, 3)), position(5, 3))],
)
def test_since_is_an_id_or_the_start(text: str | None, since: int | None) -> None:
    assert read_since(text) == since


@pytest.mark.parametrize("text", ["", "0", "Start", "z" * 12, "0" * 13, "-" * 12, "\uff10" * 12])
def test_since_that_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_since(text)


def test_a_position_is_written_as_since_reads_it() -> None:
    for at in (-1, 0, position(5, 3)):
        assert read_since(to_since(at)) == at
    assert from_id(to_since(7)) == 7


# Anything that can happen while a reader resumes, in any order.

BATCH = st.lists(st.sampled_from(["yard", "yard", "well", "copy"]), min_size=1, max_size=3)
STEP = st.one_of(
    BATCH, st.sampled_from(["dispatch", "store", "forget", "answer", "drain", "dispatch", "answer"])
)


class Gate:
    """Holds back whoever waits, until the test lets one pass or opens it for good."""

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
    """A harness in which each answer of history and each slow write waits for its step."""

    def __init__(self, page: int, chunk_bytes: int) -> None:
        super().__init__()
        self.answers, self.drains = Gate(), Gate()
        answer = self.stored.answer

        async def held_back(request: httpx.Request) -> httpx.Response:
            answered = await answer(request)
            await self.answers.wait()
            return answered

        self.stored.answer = held_back  # type: ignore[method-assign]
        self.resumption = self.made(page, chunk_bytes, self.stored.client())
        self.sent: list[Event] = []

    def run(self, step: str | list[str]) -> None:
        """Do one thing; a list is a batch to append."""
        actions: dict[str, Callable[[], object]] = {
            "dispatch": self.dispatch,
            "store": self.store,
            "forget": lambda: self.forget(1),
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
        """Return the positions that a reader of the room must get after `since`."""
        found: dict[bytes, int] = {}
        for batch in self.log:
            for line, raw in enumerate(batch.lines):
                found.setdefault(raw, position(batch.offset, line))
        return [at for raw, at in found.items() if b'"room":"yard"' in raw and at > since]


class Slow(Resuming):
    """A reader whose writes go out when the test says so."""

    def __init__(self, harness: Interleaved) -> None:
        super().__init__(harness.core)
        self._gate = harness.drains

    @override
    async def ready(self) -> None:
        await self._gate.wait()


@dataclass(frozen=True)
class Course:
    """How one resumption goes."""

    before: list[list[str]]
    """Batches that everybody has seen before the reader comes."""
    ahead: list[list[str]]
    """Batches after them that history has stored but this gateway has not seen."""
    forgotten: int
    """Events that were seen here and are in the tail no more."""
    since: int
    """Index of the last event that the reader has seen."""
    during: list[str | list[str]]
    ends_first: bool
    """Whether it ends before this gateway sees the rest of the log."""
    page: int
    chunk_bytes: int


COURSES = st.builds(
    Course,
    before=st.lists(BATCH, min_size=1, max_size=5),
    ahead=st.lists(BATCH, max_size=3),
    forgotten=st.integers(0, 12),
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
    harness.forget(course.forgotten)
    known = [-1, *harness.expected(-1)]
    since = known[course.since % len(known)]
    for batch in course.ahead:
        harness.run(batch)
        harness.store()
    reader = Slow(harness)
    resuming = asyncio.create_task(harness.resume(since, reader))
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

    assert reader.begun == [(True, None)]
    assert reader.listener.heard == harness.expected(since)


@settings(deadline=None, max_examples=300)
@given(COURSES)
def test_any_interleaving_gives_what_was_missed_once_and_in_order(course: Course) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recovery, "_PAUSE_SECONDS", 0.0)
        asyncio.run(_go(course))
