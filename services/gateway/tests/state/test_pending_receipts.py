"""Sends in flight."""

from typing import TypeAlias

import pytest

from madang_common.problems import KeyConflict, Problem, Unavailable
from madang_gateway.state.idempotency_keys import first_event, idempotency_key
from madang_gateway.state.pending_receipts import PendingReceipts
from services.gateway.tests.event_pipeline import ManualClock

KEY = idempotency_key("rooms.a", "mina", "k")
OTHER = idempotency_key("rooms.a", "mina", "other")

Outcomes: TypeAlias = list[int | Problem | None]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def observed() -> list[float]:
    return []


@pytest.fixture
def pending(clock: ManualClock, observed: list[float]) -> PendingReceipts:
    return PendingReceipts(15, observed.append, clock)


def test_a_send_succeeds_with_the_position_when_its_event_comes_back(
    pending: PendingReceipts, clock: ManualClock, observed: list[float]
) -> None:
    outcomes: Outcomes = []

    assert pending.add(KEY, 1, outcomes.append)
    assert KEY in pending.keys
    assert outcomes == []
    clock.now += 2
    pending.succeed([(KEY, first_event(7, 1))])

    assert outcomes == [7]
    assert observed == [2]
    assert KEY not in pending.keys
    assert len(pending) == 0


def test_a_repeated_send_shares_the_receipt_of_the_one_in_flight(pending: PendingReceipts) -> None:
    first: Outcomes = []
    second: Outcomes = []
    pending.add(KEY, 1, first.append)

    must_append = pending.add(KEY, 1, second.append)
    pending.succeed([(KEY, first_event(7, 1))])

    assert not must_append
    assert first == second == [7]


def test_other_data_with_a_key_in_flight_is_a_conflict(pending: PendingReceipts) -> None:
    outcomes: Outcomes = []
    pending.add(KEY, 1, outcomes.append)

    with pytest.raises(KeyConflict):
        pending.add(KEY, 2, outcomes.append)

    pending.succeed([(KEY, first_event(7, 1))])
    assert outcomes == [7]


def test_a_send_conflicts_with_an_event_that_another_gateway_appended_first(
    pending: PendingReceipts,
) -> None:
    outcomes: Outcomes = []
    pending.add(KEY, 1, outcomes.append)

    pending.succeed([(KEY, first_event(7, 2))])

    assert [type(outcome) for outcome in outcomes] == [KeyConflict]


def test_a_failed_append_fails_all_sends_with_its_key(pending: PendingReceipts) -> None:
    outcomes: Outcomes = []
    pending.add(KEY, 1, outcomes.append)
    pending.add(KEY, 1, outcomes.append)

    pending.fail(KEY, Unavailable())
    pending.succeed([(KEY, first_event(7, 1))])

    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]


def test_a_key_may_be_appended_again_after_a_failure(pending: PendingReceipts) -> None:
    outcomes: Outcomes = []
    pending.add(KEY, 1, outcomes.append)
    pending.fail(KEY, Unavailable())

    assert pending.add(KEY, 1, outcomes.append)


def test_sends_time_out_oldest_first(pending: PendingReceipts, clock: ManualClock) -> None:
    outcomes: Outcomes = []
    pending.add(KEY, 1, outcomes.append)
    clock.now += 1
    pending.add(OTHER, 1, outcomes.append)

    clock.now += 13.9
    pending.expire()
    assert outcomes == []
    clock.now += 0.1
    pending.expire()

    assert [type(outcome) for outcome in outcomes] == [Unavailable]
    assert KEY not in pending.keys
    assert OTHER in pending.keys


def test_an_event_without_a_send_in_flight_is_ignored(pending: PendingReceipts) -> None:
    pending.succeed([(KEY, first_event(7, 1))])
    pending.fail(KEY, Unavailable())

    assert len(pending) == 0
