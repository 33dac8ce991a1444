"""The dispatcher."""

import pytest

from madang_common.problems import KeyConflict, Problem, Unavailable
from madang_gateway.state.idempotency_keys import digest, idempotency_key
from services.gateway.tests.event_pipeline import EventPipeline
from services.gateway.tests.harness import message, removal

KEY = idempotency_key("rooms.yard", "mina", "k")


def test_every_subscription_receives_each_event_in_the_order_of_the_log() -> None:
    core = EventPipeline()
    mina, jun = core.listener("mina"), core.listener("jun")

    first = core.apply(message("a"), message("b"))
    second = core.apply(message("c"))

    assert mina.received == jun.received == first + second


def test_a_subscription_to_another_room_receives_nothing() -> None:
    core = EventPipeline()
    elsewhere = core.listener(room="well")

    core.apply(message())

    assert elsewhere.received == []


def test_each_room_in_a_batch_receives_its_own_events() -> None:
    core = EventPipeline()
    yard, well = core.listener(), core.listener(room="well")

    a, b, c = core.apply(message(), message(room="well"), message())

    assert yard.received == [a, c]
    assert well.received == [b]


@pytest.mark.parametrize("together", [True, False])
def test_a_duplicate_is_ignored(*, together: bool) -> None:
    core = EventPipeline()
    mina = core.listener()
    outcomes: list[int | Problem | None] = []
    event = message(key="k")
    core.pending_receipts.add(KEY, digest(event.kind, event.data), outcomes.append)

    if together:
        first, _ = core.apply(event, event)
    else:
        (first,) = core.apply(event)
        core.apply(event)

    assert mina.received == [first]
    assert [at for at, _ in core.recent_events.after("rooms.yard", -1, 10)] == [first]
    assert outcomes == [first]
    assert core.metric("duplicates_total") == 1


def test_a_duplicate_completes_pending_receipts_with_the_first_position() -> None:
    core = EventPipeline()
    event = message(key="k")
    (first,) = core.apply(event)
    outcomes: list[int | Problem | None] = []
    core.pending_receipts.add(KEY, digest(event.kind, event.data), outcomes.append)
    core.pending_receipts.add(KEY, digest(event.kind, event.data), outcomes.append)

    core.apply(event)

    assert outcomes == [first, first]


def test_a_duplicate_with_other_data_is_a_conflict() -> None:
    core = EventPipeline()
    core.apply(message("hi", key="k"))
    outcomes: list[int | Problem | None] = []
    other = message("bye", key="k")
    core.pending_receipts.add(KEY, digest(other.kind, other.data), outcomes.append)

    core.apply(other)

    assert [type(result) for result in outcomes] == [KeyConflict]


def test_the_same_key_of_another_sender_is_no_duplicate() -> None:
    core = EventPipeline()
    mina = core.listener()

    positions = core.apply(message(key="k", sender="mina"), message(key="k", sender="jun"))

    assert mina.received == positions


@pytest.mark.parametrize("kind", ["member.left", "member.removed", "member.banned"])
@pytest.mark.parametrize("together", [True, False])
def test_a_former_member_receives_the_end_of_the_membership_and_nothing_after_it(
    kind: str, *, together: bool
) -> None:
    core = EventPipeline()
    mina, jun = core.listener("mina"), core.listener("jun")
    events = [message("a"), removal("jun", kind=kind), message("b")]

    if together:
        positions = core.apply(*events)
    else:
        positions = [at for event in events for at in core.apply(event)]

    assert jun.received == positions[:2]
    assert mina.received == positions
    assert core.ended == [("jun", "yard")]


def test_a_removal_ends_no_membership_of_another_room() -> None:
    core = EventPipeline()
    well = core.listener("jun", room="well")

    _, after = core.apply(removal("jun"), message(room="well"))

    assert well.received == [after]


def test_a_removal_without_a_user_removes_nobody() -> None:
    core = EventPipeline()
    mina = core.listener()

    positions = core.apply(message(kind="member.removed", data={}), message())

    assert mina.received == positions


@pytest.mark.parametrize(
    "kind",
    [
        "member.joined",
        "member.left",
        "member.removed",
        "member.banned",
        "member.role_changed",
        "room.archived",
    ],
)
async def test_a_change_of_the_room_drops_its_cached_memberships(kind: str) -> None:
    core = EventPipeline()
    await core.memberships.get("mina", "yard")

    core.apply(message(kind=kind, data={"user": "jun", "name": "Jun"}))

    assert core.memberships.known("mina", "yard") is None


async def test_a_message_keeps_the_cached_memberships() -> None:
    core = EventPipeline()
    await core.memberships.get("mina", "yard")

    core.apply(message())

    assert core.memberships.known("mina", "yard") is not None


@pytest.mark.parametrize(
    "line",
    [b"", b"nonsense", b"{}", b"[]", b"null", b'{"v":2}', b"\xff", message().line()[:-1]],
)
def test_a_line_that_is_no_event_is_counted_and_skipped(line: bytes) -> None:
    core = EventPipeline()
    mina = core.listener()

    before, _, after = core.apply(message("a"), line, message("b"))

    assert mina.received == [before, after]
    assert core.metric("unreadable_total") == 1


def test_a_pending_receipt_completes_after_the_event_was_delivered() -> None:
    core = EventPipeline()
    mina = core.listener()
    at_outcome: list[list[int]] = []
    event = message(key="k")
    core.pending_receipts.add(
        KEY, digest(event.kind, event.data), lambda _: at_outcome.append(list(mina.received))
    )

    (at,) = core.apply(event)

    assert at_outcome == [[at]]


def test_recent_events_stay_within_their_limit() -> None:
    core = EventPipeline(tail_bytes=500)

    for _ in range(20):
        core.apply(message())

    assert 0 < core.recent_events.bytes <= 500
    assert core.metric("tail_bytes") == core.recent_events.bytes


@pytest.mark.parametrize("followed", [True, False])
def test_a_message_after_its_senders_removal_is_refused(*, followed: bool) -> None:
    core = EventPipeline()
    listener = core.listener("jun") if followed else None
    outcomes: list[int | Problem | None] = []
    late = message("late", key="k", sender="mina")
    key = idempotency_key(late.audience, "mina", "k")
    core.pending_receipts.add(key, digest(late.kind, late.data), outcomes.append)

    gone, _ = core.apply(removal("mina"), late)

    assert [type(one) for one in outcomes] == [Unavailable]
    assert core.idempotency_keys.get(key) is None
    assert [at for at, _ in core.recent_events.after("rooms.yard", -1, 10)] == [gone]
    assert core.metric("barred_total") == 1
    if listener is not None:
        assert listener.received == [gone]


def test_a_member_who_joined_again_can_send_with_the_same_key() -> None:
    core = EventPipeline()
    listener = core.listener("jun")
    joined = message(kind="member.joined", sender="owner", data={"user": "mina"})
    core.apply(removal("mina"), message("late", key="k", sender="mina"))

    back, event = core.apply(joined, message("again", key="k", sender="mina"))

    assert listener.received[1:] == [back, event]


def test_a_duplicate_after_the_removal_gets_the_first_position() -> None:
    core = EventPipeline()
    outcomes: list[int | Problem | None] = []
    event = message("event", key="k", sender="mina")
    (first,) = core.apply(event)
    core.apply(removal("mina"))
    core.pending_receipts.add(KEY, digest(event.kind, event.data), outcomes.append)

    core.apply(event)

    assert outcomes == [first]
