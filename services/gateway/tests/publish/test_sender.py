"""The sender."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from typing_extensions import override

from madang_common.events.data import Data
from madang_common.events.envelope import read_line
from madang_common.events.kinds import RoomTyping, document
from madang_common.events.message_kinds import (
    MessageCreated,
    MessageDeleted,
    MessagePinned,
    MessageUnpinned,
)
from madang_common.events.redaction import redacted
from madang_common.live.inprocess import InProcessLive
from madang_common.log.port import Batch, LogUnavailable
from madang_common.log.publisher import Publisher
from madang_common.log.sqlite import SqliteLog
from madang_common.problems import (
    DeletedMessage,
    KeyConflict,
    NotAMember,
    Problem,
    TooLarge,
    Unavailable,
)
from madang_common.tokens.claims import Claims
from madang_gateway.protocol.destinations import Action
from madang_gateway.publish.command import SendCommand
from madang_gateway.publish.interceptors import Interceptor
from madang_gateway.publish.sender import Sender
from services.gateway.tests.event_pipeline import EventPipeline, FakeHistory
from services.gateway.tests.harness import message, until

MINA = Claims(
    subject="mina", session="session", username="mina", name="Mina", expires_at=2_000_000_000
)
Outcomes: TypeAlias = list[int | Problem | None]


class Fickle(SqliteLog):
    """A log that can be unavailable, before or after it has stored an append."""

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
    """A sender on a real log; the test decides when events come back."""

    def __init__(
        self,
        log: SqliteLog,
        waiting_bytes: int,
        interceptors: list[Interceptor],
        append_checks: list[Interceptor],
        change_check: Interceptor | None = None,
    ) -> None:
        self.core = EventPipeline()
        self.log = log
        self.stored = FakeHistory()
        self.live = InProcessLive()
        self.publisher = Publisher(log, waiting_bytes=waiting_bytes, timeout_seconds=10)
        self.sender = Sender(
            interceptors=interceptors,
            change_check=change_check or _allow,
            append_checks=append_checks,
            idempotency_keys=self.core.idempotency_keys,
            sent_lines=self.core.sent_lines,
            pending_receipts=self.core.pending_receipts,
            history=self.stored.client(),
            publisher=self.publisher,
            live=self.live,
        )

    async def send(self, text: str = "hi", *, key: str = "k", retry: bool = False) -> Outcomes:
        """Send, and return the list of its outcomes."""
        outcomes: Outcomes = []
        pending = self.sender.send(MINA, send_command(text, key=key, retry=retry), outcomes.append)
        if pending is not None:
            await pending
        return outcomes

    async def come_back(self) -> None:
        """Dispatch everything that was appended."""
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


def send_command(
    text: str = "hi",
    *,
    key: str = "k",
    retry: bool = False,
    action: Action = Action.MESSAGE,
    data: Data | None = None,
) -> SendCommand:
    data = MessageCreated(text=text) if data is None else data
    kind = data.kind
    return SendCommand(action, "yard", kind, document(data), len(text), key=key, retry=retry)


def _allow(claims: Claims, command: SendCommand) -> None:
    """Allow every change."""


MakeHarness: TypeAlias = Callable[..., Harness]


@pytest.fixture
async def log(tmp_path: Path) -> AsyncGenerator[SqliteLog]:
    log = await Fickle.open(tmp_path / "log.db", 1)
    yield log
    await log.close()


@pytest.fixture
async def make_harness(log: SqliteLog) -> AsyncGenerator[MakeHarness]:
    made: list[Harness] = []

    def make(
        waiting_bytes: int = 1_000_000,
        *interceptors: Interceptor,
        append_checks: tuple[Interceptor, ...] = (),
        change_check: Interceptor | None = None,
    ) -> Harness:
        made.append(
            Harness(log, waiting_bytes, list(interceptors), list(append_checks), change_check)
        )
        return made[-1]

    yield make
    for harness in made:
        await harness.publisher.close()


@pytest.fixture
def harness(make_harness: MakeHarness) -> Harness:
    return make_harness()


async def test_a_message_succeeds_when_its_event_comes_back_from_the_log(harness: Harness) -> None:
    outcomes = await harness.send()
    await until(lambda: harness.publisher.waiting_bytes == 0)
    assert outcomes == []

    await harness.come_back()

    assert outcomes == [0]
    event = read_line((await harness.lines())[0])
    assert (event.kind, event.key, event.room) == ("message.created", "k", "yard")
    assert (event.sender, event.sender_name, event.data) == ("mina", "Mina", {"text": "hi"})


async def test_a_key_in_flight_is_appended_once(harness: Harness) -> None:
    first = await harness.send()
    second = await harness.send()

    await harness.come_back()

    assert first == second == [0]
    assert len(await harness.lines()) == 1


async def test_a_repeated_key_gets_the_first_position_at_once(harness: Harness) -> None:
    await harness.send()
    await harness.come_back()

    assert await harness.send() == [0]
    assert len(await harness.lines()) == 1


async def test_a_repeated_key_with_other_data_is_a_conflict(harness: Harness) -> None:
    first = await harness.send("hi")
    in_flight = await harness.send("bye")
    await harness.come_back()
    later = await harness.send("bye")

    assert first == [0]
    assert [type(outcomes[0]) for outcomes in (in_flight, later)] == [KeyConflict, KeyConflict]
    assert len(await harness.lines()) == 1


async def test_a_retry_with_an_unknown_key_is_looked_up_in_history(
    harness: Harness,
) -> None:
    await harness.send()
    await harness.come_back()
    harness.stored.store(Batch(7, tuple(await harness.lines())))
    harness.core.idempotency_keys.age(10_000)
    harness.core.idempotency_keys.age(20_000)
    harness.core.idempotency_keys.age(30_000)

    assert await harness.send(retry=True) == [7 << 12]
    assert isinstance((await harness.send("bye", retry=True))[0], KeyConflict)
    assert len(await harness.lines()) == 1


async def test_a_retry_unknown_to_history_is_sent(harness: Harness) -> None:
    outcomes = await harness.send(retry=True)
    await harness.come_back()

    assert outcomes == [0]
    assert harness.stored.requests == 1


async def test_a_retry_with_a_known_key_does_not_ask_history(harness: Harness) -> None:
    await harness.send()
    await harness.come_back()

    assert await harness.send(retry=True) == [0]
    assert harness.stored.requests == 0


async def test_a_retry_is_refused_while_history_is_unavailable(harness: Harness) -> None:
    harness.stored.away = True

    outcomes = await harness.send(retry=True)

    assert [type(result) for result in outcomes] == [Unavailable]
    assert await harness.lines() == []


async def test_a_send_is_refused_while_the_log_is_unavailable(harness: Harness) -> None:
    harness.log.away = True  # type: ignore[attr-defined]
    harness.publisher._timeout = 0.1
    outcomes = await harness.send()
    await until(lambda: bool(outcomes))
    assert [type(result) for result in outcomes] == [Unavailable]

    harness.log.away = False  # type: ignore[attr-defined]
    harness.publisher._timeout = 10
    again = await harness.send()
    await harness.come_back()

    assert len(outcomes) == 1
    assert again == [0]


async def test_a_send_succeeds_though_the_confirm_of_the_log_is_lost(harness: Harness) -> None:
    harness.log.away_after = True  # type: ignore[attr-defined]
    outcomes = await harness.send()
    async for batch in harness.log.follow(0, 0):
        harness.core.apply(*batch.lines)
        break

    assert outcomes == [0]
    await until(lambda: harness.log.lost_confirms > 0)  # type: ignore[attr-defined]
    harness.log.away_after = False  # type: ignore[attr-defined]
    await harness.publisher.close()
    assert outcomes == [0]
    assert len(await harness.lines()) >= 2


async def test_a_send_is_refused_while_too_much_waits_for_the_log(
    make_harness: MakeHarness,
) -> None:
    harness = make_harness(waiting_bytes=200)
    first = await harness.send(key="1")

    second = await harness.send(key="2")

    assert isinstance(second[0], Unavailable)
    assert second[0].retry_after_seconds == 1
    await harness.come_back()
    assert first == [0]


async def test_an_event_larger_than_the_log_takes_is_too_large(harness: Harness) -> None:
    outcomes = await harness.send("x" * 1_100_000)

    assert [type(result) for result in outcomes] == [TooLarge]


async def test_a_send_refused_by_an_interceptor_is_not_appended(make_harness: MakeHarness) -> None:
    def refuse(claims: Claims, command: SendCommand) -> None:
        raise NotAMember

    harness = make_harness(1_000_000, refuse)

    outcomes = await harness.send()

    assert [type(result) for result in outcomes] == [NotAMember]
    assert await harness.lines() == []


async def test_a_refusal_after_an_await_is_the_only_outcome(make_harness: MakeHarness) -> None:
    async def refuse_later() -> None:
        await asyncio.sleep(0)
        raise NotAMember

    harness = make_harness(1_000_000, lambda _, __: refuse_later())

    outcomes = await harness.send(retry=True)

    assert [type(result) for result in outcomes] == [NotAMember]
    assert harness.stored.requests == 0


class MemberCheck:
    """An append check whose result changes during an await."""

    def __init__(self, *, member: bool = True) -> None:
        self.member = member
        self.requests = 0

    def __call__(self, claims: Claims, command: SendCommand) -> Awaitable[None] | None:
        self.requests += 1
        if not self.member:
            raise NotAMember
        return None


async def test_a_member_removed_during_the_history_lookup_sends_nothing(
    make_harness: MakeHarness,
) -> None:
    member_check = MemberCheck()
    harness = make_harness(append_checks=(member_check,))
    outcomes: Outcomes = []
    pending = harness.sender.send(MINA, send_command(retry=True), outcomes.append)
    assert pending is not None

    member_check.member = False
    await pending

    assert [type(result) for result in outcomes] == [NotAMember]
    assert await harness.lines() == []


async def test_a_commit_sends_nothing_if_the_member_is_removed_meanwhile(
    make_harness: MakeHarness,
) -> None:
    member_check = MemberCheck()
    harness = make_harness(append_checks=(member_check,))
    sends = [send_command(key="1", retry=True), send_command(key="2")]
    committing = harness.sender.send_together(MINA, sends)

    member_check.member = False
    with pytest.raises(NotAMember):
        await committing

    assert await harness.lines() == []


async def test_append_checks_are_repeated_until_none_awaits(make_harness: MakeHarness) -> None:
    awaits = iter([True, True, False])
    member_check = MemberCheck()

    async def ask() -> None:
        await asyncio.sleep(0)

    def changing(claims: Claims, command: SendCommand) -> Awaitable[None] | None:
        return ask() if next(awaits) else None

    harness = make_harness(append_checks=(member_check, changing))

    outcomes = await harness.send(retry=True)
    await harness.come_back()

    assert outcomes == [0]
    assert member_check.requests == 3


async def test_a_send_fails_if_every_append_check_awaits(make_harness: MakeHarness) -> None:
    async def ask() -> None:
        await asyncio.sleep(0)

    harness = make_harness(append_checks=(lambda _, __: ask(),))

    outcomes = await harness.send(retry=True)

    assert [type(result) for result in outcomes] == [Unavailable]
    assert await harness.lines() == []


async def test_a_live_event_bypasses_the_log_and_has_no_position(harness: Harness) -> None:
    outcomes: Outcomes = []
    received: list[bytes] = []

    async def listen() -> None:
        async for lines in harness.live.listen():
            received.extend(lines)
            return

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    typing = send_command(action=Action.TYPING, data=RoomTyping())
    pending = harness.sender.send(MINA, typing, outcomes.append)
    await listening

    assert pending is None
    assert outcomes == [None]
    assert [read_line(line).kind for line in received] == ["room.typing"]
    assert await harness.lines() == []


async def test_many_sends_at_once_each_get_their_own_position(harness: Harness) -> None:
    outcomes = [await harness.send(str(n), key=str(n)) for n in range(500)]

    await harness.come_back()

    positions = [one[0] for one in outcomes]
    assert all(len(one) == 1 for one in outcomes)
    assert len(set(positions)) == 500
    texts = {read_line(line).data["text"] for line in await harness.lines()}
    assert texts == {str(n) for n in range(500)}


DELETION = MessageDeleted(message="000000000800")


async def send_data(
    harness: Harness, action: Action, data: Data, *, retry: bool = True
) -> Outcomes:
    outcomes: Outcomes = []
    command = send_command(action=action, data=data, retry=retry)
    pending = harness.sender.send(MINA, command, outcomes.append)
    if pending is not None:
        await pending
    return outcomes


class Deletable:
    """A check of changes that allows the first deletion only."""

    def __init__(self) -> None:
        self.deleted = False

    def __call__(self, claims: Claims, command: SendCommand) -> None:
        if self.deleted:
            raise DeletedMessage


async def test_a_repeated_deletion_is_no_second_one(make_harness: MakeHarness) -> None:
    check = Deletable()
    harness = make_harness(change_check=check)
    first = await send_data(harness, Action.DELETE, DELETION)
    check.deleted = True
    in_flight = await send_data(harness, Action.DELETE, DELETION)
    await harness.come_back()

    later = await send_data(harness, Action.DELETE, DELETION)

    assert first == in_flight == later == [0]
    assert len(await harness.lines()) == 1


async def test_a_repeated_deletion_that_only_history_knows_is_no_second_one(
    make_harness: MakeHarness,
) -> None:
    check = Deletable()
    check.deleted = True
    harness = make_harness(change_check=check)
    line = message(kind="message.deleted", data=document(DELETION), key="k").line()
    harness.stored.store(Batch(7, (line,)))

    assert await send_data(harness, Action.DELETE, DELETION) == [7 << 12]
    with_other_key = send_command(action=Action.DELETE, data=DELETION, key="other")
    refused: Outcomes = []
    assert harness.sender.send(MINA, with_other_key, refused.append) is None
    assert [type(outcome) for outcome in refused] == [DeletedMessage]
    assert await harness.lines() == []


async def test_a_retry_of_a_message_that_was_deleted_since_gets_its_position(
    harness: Harness,
) -> None:
    harness.stored.store(Batch(7, (redacted(message("hi", key="k")).line(),)))

    assert await harness.send("hi", retry=True) == [7 << 12]


async def test_the_same_key_and_data_of_another_kind_is_a_conflict(harness: Harness) -> None:
    pin, unpin = MessagePinned(message="000000000800"), MessageUnpinned(message="000000000800")
    assert await send_data(harness, Action.PIN, pin) == []
    in_flight = await send_data(harness, Action.UNPIN, unpin)
    await harness.come_back()

    later = await send_data(harness, Action.UNPIN, unpin)

    assert [type(outcome) for outcome in in_flight + later] == [KeyConflict, KeyConflict]
    harness.stored.store(Batch(7, (message(kind=pin.kind, data=document(pin), key="s").line(),)))
    stored = send_command(action=Action.UNPIN, data=unpin, key="s", retry=True)
    outcomes: Outcomes = []
    pending = harness.sender.send(MINA, stored, outcomes.append)
    assert pending is not None
    await pending
    assert [type(outcome) for outcome in outcomes] == [KeyConflict]


async def test_a_change_is_checked_again_after_an_await(make_harness: MakeHarness) -> None:
    check = Deletable()
    harness = make_harness(change_check=check)
    outcomes: Outcomes = []
    command = send_command(action=Action.DELETE, data=DELETION, retry=True)
    pending = harness.sender.send(MINA, command, outcomes.append)
    assert pending is not None

    check.deleted = True
    await pending

    assert [type(outcome) for outcome in outcomes] == [DeletedMessage]
    assert await harness.lines() == []


async def test_one_refused_change_refuses_its_transaction(make_harness: MakeHarness) -> None:
    check = Deletable()
    check.deleted = True
    harness = make_harness(change_check=check)

    with pytest.raises(DeletedMessage):
        await harness.sender.send_together(
            MINA, [send_command("hi"), send_command(action=Action.DELETE, data=DELETION, key="d")]
        )

    assert await harness.lines() == []


async def test_messages_pass_the_check_of_changes(make_harness: MakeHarness) -> None:
    check = Deletable()
    check.deleted = True
    harness = make_harness(change_check=check)

    assert await harness.send("hi", retry=True) == []
    await harness.come_back()
