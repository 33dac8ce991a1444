import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from typing_extensions import override

from madang_common.events.data import Data
from madang_common.events.envelope import read_line
from madang_common.events.kinds import MessageCreated, RoomTyping, document
from madang_common.live.inprocess import InProcessLive
from madang_common.log.port import Batch, LogUnavailable
from madang_common.log.publisher import Publisher
from madang_common.log.sqlite import SqliteLog
from madang_common.problems import KeyConflict, NotAMember, Problem, TooLarge, Unavailable
from madang_common.tokens.claims import Claims
from madang_gateway.protocol.destinations import Action
from madang_gateway.publish.command import Command
from madang_gateway.publish.interceptors import Interceptor
from madang_gateway.publish.sender import Sender
from services.gateway.tests.event_pipeline import EventPipeline, FakeHistory
from services.gateway.tests.harness import until

MINA = Claims(subject="mina", login="login", username="mina", name="Mina", expires_at=2_000_000_000)
Told: TypeAlias = list[int | Problem | None]


class Fickle(SqliteLog):
    """A log that can be away, before or after it has stored what it was given."""

    away = False
    away_after = False
    lost_confirms = 0

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        if self.away:
            raise LogUnavailable("the log is away")
        await super().append(shard, lines)
        if self.away_after:
            self.lost_confirms += 1
            raise LogUnavailable("the confirm was lost")


class Harness:
    """A sender on a real log, whose events the test lets come back."""

    def __init__(
        self,
        log: SqliteLog,
        waiting_bytes: int,
        interceptors: list[Interceptor],
        standing: list[Interceptor],
    ) -> None:
        self.core = EventPipeline()
        self.log = log
        self.stored = FakeHistory()
        self.live = InProcessLive()
        self.publisher = Publisher(log, waiting_bytes=waiting_bytes, timeout_seconds=10)
        self.sender = Sender(
            interceptors=interceptors,
            standing=standing,
            keys=self.core.keys,
            own_lines=self.core.own_lines,
            receipts=self.core.receipts,
            history=self.stored.client(),
            publisher=self.publisher,
            live=self.live,
            clock=self.core.time,
        )

    async def send(self, text: str = "hi", *, key: str = "k", retry: bool = False) -> Told:
        """Send, and return where the outcome will be told."""
        told: Told = []
        pending = self.sender.send(MINA, outgoing(text, key=key, retry=retry), told.append)
        if pending is not None:
            await pending
        return told

    async def come_back(self) -> None:
        """Let everything that was appended come back from the log."""
        await until(lambda: self.publisher.waiting_bytes == 0)
        async for batch in self.log.follow(0, self.core.offset):
            self.core.apply(*batch.lines)
            if self.core.offset >= await self.log.end(0):
                break

    async def lines(self) -> list[bytes]:
        end = await self.log.end(0)
        found: list[bytes] = []
        if end:
            async for batch in self.log.follow(0, 0):
                found += batch.lines
                if batch.offset + 1 == end:
                    break
        return found


def outgoing(
    text: str = "hi",
    *,
    key: str = "k",
    retry: bool = False,
    action: Action = Action.MESSAGE,
    data: Data | None = None,
) -> Command:
    data = MessageCreated(text=text) if data is None else data
    kind = data.kind
    return Command(action, "yard", kind, document(data), len(text), key=key, retry=retry)


MakeScene: TypeAlias = Callable[..., Harness]


@pytest.fixture
async def log(tmp_path: Path) -> AsyncGenerator[SqliteLog]:
    log = await Fickle.open(tmp_path / "log.db", 1)
    yield log
    await log.close()


@pytest.fixture
async def make_scene(log: SqliteLog) -> AsyncGenerator[MakeScene]:
    made: list[Harness] = []

    def make(
        waiting_bytes: int = 1_000_000,
        *interceptors: Interceptor,
        standing: tuple[Interceptor, ...] = (),
    ) -> Harness:
        made.append(Harness(log, waiting_bytes, list(interceptors), list(standing)))
        return made[-1]

    yield make
    for harness in made:
        await harness.publisher.close()


@pytest.fixture
def harness(make_scene: MakeScene) -> Harness:
    return make_scene()


async def test_a_message_is_answered_when_it_came_back_from_the_log(harness: Harness) -> None:
    told = await harness.send()
    await until(lambda: harness.publisher.waiting_bytes == 0)
    assert told == []

    await harness.come_back()

    assert told == [0]
    event = read_line((await harness.lines())[0])
    assert (event.kind, event.key, event.room) == ("message.created", "k", "yard")
    assert (event.sender, event.sender_name, event.data) == ("mina", "Mina", {"text": "hi"})


async def test_the_same_key_while_the_first_is_under_way_is_appended_once(harness: Harness) -> None:
    first = await harness.send()
    second = await harness.send()

    await harness.come_back()

    assert first == second == [0]
    assert len(await harness.lines()) == 1


async def test_the_same_key_later_gets_the_first_ones_position_at_once(harness: Harness) -> None:
    await harness.send()
    await harness.come_back()

    assert await harness.send() == [0]
    assert len(await harness.lines()) == 1


async def test_the_same_key_with_another_body_is_a_conflict(harness: Harness) -> None:
    first = await harness.send("hi")
    under_way = await harness.send("bye")
    await harness.come_back()
    later = await harness.send("bye")

    assert first == [0]
    assert [type(told[0]) for told in (under_way, later)] == [KeyConflict, KeyConflict]
    assert len(await harness.lines()) == 1


async def test_a_retry_is_looked_for_in_history_when_nobody_here_remembers(
    harness: Harness,
) -> None:
    await harness.send()
    await harness.come_back()
    harness.stored.store(Batch(7, tuple(await harness.lines())))
    harness.core.keys.age(10_000)
    harness.core.keys.age(20_000)
    harness.core.keys.age(30_000)

    assert await harness.send(retry=True) == [7 << 12]
    assert isinstance((await harness.send("bye", retry=True))[0], KeyConflict)
    assert len(await harness.lines()) == 1


async def test_a_retry_that_history_does_not_know_is_sent(harness: Harness) -> None:
    told = await harness.send(retry=True)
    await harness.come_back()

    assert told == [0]
    assert harness.stored.asked == 1


async def test_a_retry_that_is_remembered_asks_nobody(harness: Harness) -> None:
    await harness.send()
    await harness.come_back()

    assert await harness.send(retry=True) == [0]
    assert harness.stored.asked == 0


async def test_a_retry_with_history_away_is_refused_and_not_sent(harness: Harness) -> None:
    harness.stored.away = True

    told = await harness.send(retry=True)

    assert [type(result) for result in told] == [Unavailable]
    assert await harness.lines() == []


async def test_with_the_log_away_there_is_a_refusal_and_never_a_receipt(harness: Harness) -> None:
    harness.log.away = True  # type: ignore[attr-defined]
    harness.publisher._timeout = 0.1
    told = await harness.send()
    await until(lambda: bool(told))
    assert [type(result) for result in told] == [Unavailable]

    harness.log.away = False  # type: ignore[attr-defined]
    harness.publisher._timeout = 10
    again = await harness.send()
    await harness.come_back()

    assert len(told) == 1
    assert again == [0]


async def test_a_lost_confirm_does_not_matter_once_the_event_is_back(harness: Harness) -> None:
    harness.log.away_after = True  # type: ignore[attr-defined]
    told = await harness.send()
    async for batch in harness.log.follow(0, 0):
        harness.core.apply(*batch.lines)
        break

    assert told == [0]
    await until(lambda: harness.log.lost_confirms > 0)  # type: ignore[attr-defined]
    harness.log.away_after = False  # type: ignore[attr-defined]
    await harness.publisher.close()
    assert told == [0]
    assert len(await harness.lines()) >= 2


async def test_too_much_waiting_is_refused_at_once(make_scene: MakeScene) -> None:
    harness = make_scene(waiting_bytes=200)
    first = await harness.send(key="1")

    second = await harness.send(key="2")

    assert isinstance(second[0], Unavailable)
    assert second[0].retry_after_seconds == 1
    await harness.come_back()
    assert first == [0]


async def test_what_the_log_cannot_take_is_too_large(harness: Harness) -> None:
    told = await harness.send("x" * 1_100_000)

    assert [type(result) for result in told] == [TooLarge]


async def test_what_an_interceptor_refuses_goes_nowhere(make_scene: MakeScene) -> None:
    def refuse(who: Claims, outgoing: Command) -> None:
        raise NotAMember

    harness = make_scene(1_000_000, refuse)

    told = await harness.send()

    assert [type(result) for result in told] == [NotAMember]
    assert await harness.lines() == []


async def test_a_late_refusal_is_told_once(make_scene: MakeScene) -> None:
    async def refuse_later() -> None:
        await asyncio.sleep(0)
        raise NotAMember

    harness = make_scene(1_000_000, lambda _, __: refuse_later())

    told = await harness.send(retry=True)

    assert [type(result) for result in told] == [NotAMember]
    assert harness.stored.asked == 0


class Standing:
    """Whether somebody is a member, which changes while something else is awaited."""

    def __init__(self, *, member: bool = True) -> None:
        self.member = member
        self.asked = 0

    def __call__(self, who: Claims, outgoing: Command) -> Awaitable[None] | None:
        self.asked += 1
        if not self.member:
            raise NotAMember
        return None


async def test_who_is_removed_while_history_is_asked_sends_nothing(make_scene: MakeScene) -> None:
    standing = Standing()
    harness = make_scene(standing=(standing,))
    told: Told = []
    pending = harness.sender.send(MINA, outgoing(retry=True), told.append)
    assert pending is not None

    standing.member = False
    await pending

    assert [type(result) for result in told] == [NotAMember]
    assert await harness.lines() == []


async def test_who_is_removed_during_a_commit_sends_nothing_of_it(make_scene: MakeScene) -> None:
    standing = Standing()
    harness = make_scene(standing=(standing,))
    sends = [outgoing(key="1", retry=True), outgoing(key="2")]
    committing = harness.sender.send_together(MINA, sends)

    standing.member = False
    with pytest.raises(NotAMember):
        await committing

    assert await harness.lines() == []


async def test_it_is_checked_until_nothing_has_to_be_asked(make_scene: MakeScene) -> None:
    questions = iter([True, True, False])
    standing = Standing()

    async def ask() -> None:
        await asyncio.sleep(0)

    def changing(who: Claims, outgoing: Command) -> Awaitable[None] | None:
        return ask() if next(questions) else None

    harness = make_scene(standing=(standing, changing))

    told = await harness.send(retry=True)
    await harness.come_back()

    assert told == [0]
    assert standing.asked == 3


async def test_a_room_that_never_stands_still_is_given_up(make_scene: MakeScene) -> None:
    async def ask() -> None:
        await asyncio.sleep(0)

    harness = make_scene(standing=(lambda _, __: ask(),))

    told = await harness.send(retry=True)

    assert [type(result) for result in told] == [Unavailable]
    assert await harness.lines() == []


async def test_a_live_notice_goes_past_the_log_and_has_no_position(harness: Harness) -> None:
    told: Told = []
    heard: list[bytes] = []

    async def listen() -> None:
        async for lines in harness.live.listen():
            heard.extend(lines)
            return

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    notice = outgoing(action=Action.TYPING, data=RoomTyping())
    pending = harness.sender.send(MINA, notice, told.append)
    await listening

    assert pending is None
    assert told == [None]
    assert [read_line(line).kind for line in heard] == ["room.typing"]
    assert await harness.lines() == []


async def test_many_at_once_are_each_told_their_own_position(harness: Harness) -> None:
    told = [await harness.send(str(n), key=str(n)) for n in range(500)]

    await harness.come_back()

    positions = [one[0] for one in told]
    assert all(len(one) == 1 for one in told)
    assert len(set(positions)) == 500
    texts = {read_line(line).data["text"] for line in await harness.lines()}
    assert texts == {str(n) for n in range(500)}
