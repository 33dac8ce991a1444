from typing import TypeAlias

import pytest

from madang_common.problems import KeyConflict, Problem, Unavailable
from madang_gateway.state.idempotency_keys import first_of, key_of
from madang_gateway.state.pending_receipts import PendingReceipts

KEY = key_of("rooms.a", "mina", "k")
OTHER = key_of("rooms.a", "mina", "other")

Told: TypeAlias = list[int | Problem | None]


def receipts(observed: list[float] | None = None) -> PendingReceipts:
    return PendingReceipts(15, (observed if observed is not None else []).append)


def test_who_waits_is_told_the_position_once_the_event_is_back() -> None:
    told: Told = []
    observed: list[float] = []
    waiting = receipts(observed)

    assert waiting.wait(KEY, 1, 100, told.append)
    assert KEY in waiting.keys
    assert told == []
    waiting.arrived(KEY, first_of(7, 1), 102)

    assert told == [7]
    assert observed == [2]
    assert KEY not in waiting.keys
    assert len(waiting) == 0


def test_the_same_send_again_waits_for_the_one_under_way() -> None:
    first: Told = []
    second: Told = []
    waiting = receipts()
    waiting.wait(KEY, 1, 100, first.append)

    again = waiting.wait(KEY, 1, 101, second.append)
    waiting.arrived(KEY, first_of(7, 1), 102)

    assert not again
    assert first == second == [7]


def test_another_body_under_a_key_under_way_is_a_conflict() -> None:
    told: Told = []
    waiting = receipts()
    waiting.wait(KEY, 1, 100, told.append)

    with pytest.raises(KeyConflict):
        waiting.wait(KEY, 2, 101, told.append)

    waiting.arrived(KEY, first_of(7, 1), 102)
    assert told == [7]


def test_an_event_that_another_gateway_wrote_first_decides_who_is_in_conflict() -> None:
    told: Told = []
    waiting = receipts()
    waiting.wait(KEY, 1, 100, told.append)

    waiting.arrived(KEY, first_of(7, 2), 101)

    assert [type(result) for result in told] == [KeyConflict]


def test_a_failed_append_is_told_to_all_who_wait_for_it() -> None:
    told: Told = []
    waiting = receipts()
    waiting.wait(KEY, 1, 100, told.append)
    waiting.wait(KEY, 1, 100, told.append)

    waiting.failed(KEY, Unavailable())
    waiting.arrived(KEY, first_of(7, 1), 101)

    assert [type(result) for result in told] == [Unavailable, Unavailable]


def test_after_a_failure_the_same_key_may_be_appended_again() -> None:
    told: Told = []
    waiting = receipts()
    waiting.wait(KEY, 1, 100, told.append)
    waiting.failed(KEY, Unavailable())

    assert waiting.wait(KEY, 1, 101, told.append)


def test_what_does_not_come_back_in_time_is_given_up_oldest_first() -> None:
    told: Told = []
    waiting = receipts()
    waiting.wait(KEY, 1, 100, told.append)
    waiting.wait(OTHER, 1, 101, told.append)

    waiting.expire(114.9)
    assert told == []
    waiting.expire(115)

    assert [type(result) for result in told] == [Unavailable]
    assert KEY not in waiting.keys
    assert OTHER in waiting.keys


def test_an_event_that_nobody_waits_for_tells_nobody() -> None:
    receipts().arrived(KEY, first_of(7, 1), 101)
    receipts().failed(KEY, Unavailable())
