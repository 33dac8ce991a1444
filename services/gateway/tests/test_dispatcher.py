import pytest

from madang_common.problems import KeyConflict, Problem, Unavailable
from madang_gateway.state.idempotency_keys import digest, key_of
from services.gateway.tests.event_pipeline import EventPipeline
from services.gateway.tests.harness import message, removal

KEY = key_of("rooms.yard", "mina", "k")


def test_everyone_who_follows_gets_each_event_in_the_order_of_the_log() -> None:
    core = EventPipeline()
    mina, jun = core.listener("mina"), core.listener("jun")

    first = core.apply(message("a"), message("b"))
    second = core.apply(message("c"))

    assert mina.heard == jun.heard == first + second


def test_who_follows_another_room_gets_nothing() -> None:
    core = EventPipeline()
    elsewhere = core.listener(room="well")

    core.apply(message())

    assert elsewhere.heard == []


def test_two_rooms_in_one_batch_get_each_their_own() -> None:
    core = EventPipeline()
    yard, well = core.listener(), core.listener(room="well")

    a, b, c = core.apply(message(), message(room="well"), message())

    assert yard.heard == [a, c]
    assert well.heard == [b]


@pytest.mark.parametrize("together", [True, False])
def test_a_second_copy_is_left_out_everywhere(*, together: bool) -> None:
    core = EventPipeline()
    mina = core.listener()
    told: list[int | Problem | None] = []
    said = message(key="k")
    core.receipts.wait(KEY, digest(said.data), 1000, told.append)

    if together:
        first, _ = core.apply(said, said)
    else:
        (first,) = core.apply(said)
        core.apply(said)

    assert mina.heard == [first]
    assert [at for at, _ in core.tail.after("rooms.yard", -1, 10)] == [first]
    assert told == [first]
    assert core.metric("duplicates_total") == 1


def test_a_copy_tells_who_waits_where_the_first_one_is() -> None:
    core = EventPipeline()
    said = message(key="k")
    (first,) = core.apply(said)
    told: list[int | Problem | None] = []
    core.receipts.wait(KEY, digest(said.data), 1000, told.append)
    core.receipts.wait(KEY, digest(said.data), 1000, told.append)

    core.apply(said)

    assert told == [first, first]


def test_a_copy_with_another_body_is_a_conflict() -> None:
    core = EventPipeline()
    core.apply(message("hi", key="k"))
    told: list[int | Problem | None] = []
    other = message("bye", key="k")
    core.receipts.wait(KEY, digest(other.data), 1000, told.append)

    core.apply(other)

    assert [type(result) for result in told] == [KeyConflict]


def test_the_same_key_of_another_sender_is_another_event() -> None:
    core = EventPipeline()
    mina = core.listener()

    positions = core.apply(message(key="k", sender="mina"), message(key="k", sender="jun"))

    assert mina.heard == positions


@pytest.mark.parametrize("kind", ["member.left", "member.removed", "member.banned"])
@pytest.mark.parametrize("together", [True, False])
def test_who_is_gone_gets_the_event_that_says_so_and_nothing_after_it(
    kind: str, *, together: bool
) -> None:
    core = EventPipeline()
    mina, jun = core.listener("mina"), core.listener("jun")
    events = [message("a"), removal("jun", kind=kind), message("b")]

    if together:
        positions = core.apply(*events)
    else:
        positions = [at for event in events for at in core.apply(event)]

    assert jun.heard == positions[:2]
    assert mina.heard == positions
    assert core.ended == [("jun", "yard")]


def test_a_removal_in_one_room_ends_nothing_in_another() -> None:
    core = EventPipeline()
    well = core.listener("jun", room="well")

    _, after = core.apply(removal("jun"), message(room="well"))

    assert well.heard == [after]


def test_a_removal_that_says_not_whom_removes_nobody() -> None:
    core = EventPipeline()
    mina = core.listener()

    positions = core.apply(message(kind="member.removed", data={}), message())

    assert mina.heard == positions


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
async def test_a_change_of_the_room_makes_what_is_known_of_it_be_forgotten(kind: str) -> None:
    core = EventPipeline()
    await core.memberships.get("mina", "yard")

    core.apply(message(kind=kind, data={"user": "jun", "name": "Jun"}))

    assert core.memberships.known("mina", "yard") is None


async def test_a_message_changes_nothing_about_what_is_known() -> None:
    core = EventPipeline()
    await core.memberships.get("mina", "yard")

    core.apply(message())

    assert core.memberships.known("mina", "yard") is not None


@pytest.mark.parametrize(
    "line",
    [b"", b"nonsense", b"{}", b"[]", b"null", b'{"v":2}', b"\xff", message().line()[:-1]],
)
def test_a_line_that_is_no_event_is_counted_and_passed_over(line: bytes) -> None:
    core = EventPipeline()
    mina = core.listener()

    before, _, after = core.apply(message("a"), line, message("b"))

    assert mina.heard == [before, after]
    assert core.metric("unreadable_total") == 1


def test_the_receipt_is_told_after_the_event_is_handed_out() -> None:
    core = EventPipeline()
    mina = core.listener()
    heard_when_told: list[list[int]] = []
    said = message(key="k")
    core.receipts.wait(
        KEY, digest(said.data), 1000, lambda _: heard_when_told.append(list(mina.heard))
    )

    (at,) = core.apply(said)

    assert heard_when_told == [[at]]


def test_the_tail_is_kept_within_its_bytes() -> None:
    core = EventPipeline(tail_bytes=500)

    for _ in range(20):
        core.apply(message())

    assert 0 < core.tail.bytes <= 500
    assert core.metric("tail_bytes") == core.tail.bytes


@pytest.mark.parametrize("followed", [True, False])
def test_what_a_former_member_said_behind_their_removal_does_not_count(*, followed: bool) -> None:
    core = EventPipeline()
    listener = core.listener("jun") if followed else None
    told: list[int | Problem | None] = []
    late = message("late", key="k", sender="mina")
    key = key_of(late.audience, "mina", "k")
    core.receipts.wait(key, digest(late.data), 0, told.append)

    gone, _ = core.apply(removal("mina"), late)

    assert [type(one) for one in told] == [Unavailable]
    assert core.keys.get(key) is None
    assert [at for at, _ in core.tail.after("rooms.yard", -1, 10)] == [gone]
    assert core.metric("barred_total") == 1
    if listener is not None:
        assert listener.heard == [gone]


def test_who_came_back_is_heard_again_with_the_same_key() -> None:
    core = EventPipeline()
    listener = core.listener("jun")
    joined = message(kind="member.joined", sender="owner", data={"user": "mina"})
    core.apply(removal("mina"), message("late", key="k", sender="mina"))

    back, said = core.apply(joined, message("again", key="k", sender="mina"))

    assert listener.heard[1:] == [back, said]


def test_a_second_copy_behind_the_removal_is_the_first_one() -> None:
    core = EventPipeline()
    told: list[int | Problem | None] = []
    said = message("said", key="k", sender="mina")
    (first,) = core.apply(said)
    core.apply(removal("mina"))
    core.receipts.wait(key_of(said.audience, "mina", "k"), digest(said.data), 0, told.append)

    core.apply(said)

    assert told == [first]
