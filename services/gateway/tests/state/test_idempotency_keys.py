"""Idempotency keys of recent events."""

import pytest

from madang_gateway.state.idempotency_keys import (
    IdempotencyKey,
    IdempotencyKeys,
    digest,
    first_event,
    idempotency_key,
    position_and_digest,
)

FIRST = first_event(7, 1)


def key(name: str) -> IdempotencyKey:
    return idempotency_key("rooms.a", "mina", name)


def test_a_key_is_kept_for_at_least_its_time() -> None:
    keys = IdempotencyKeys(60, count=1000)
    keys.age(0)
    keys.age(59)
    keys.add(key("a"), FIRST)

    keys.age(60)
    keys.age(119)

    assert keys.get(key("a")) == FIRST


def test_a_key_is_dropped_after_two_generations() -> None:
    keys = IdempotencyKeys(60, count=1000)
    keys.age(0)
    keys.add(key("a"), FIRST)

    keys.age(60)
    keys.age(120)

    assert keys.get(key("a")) is None


def test_too_many_keys_start_a_new_generation_early() -> None:
    keys = IdempotencyKeys(60, count=2)
    keys.age(0)
    for name in ("a", "b"):
        keys.add(key(name), FIRST)
    keys.age(1)
    for name in ("c", "d"):
        keys.add(key(name), FIRST)
    assert all(keys.get(key(name)) for name in "abcd")

    keys.age(2)

    assert [keys.get(key(name)) is not None for name in "abcd"] == [False, False, True, True]


def test_keys_of_other_senders_and_rooms_are_other_keys() -> None:
    keys = IdempotencyKeys(60, count=10)
    keys.add(key("1"), FIRST)

    assert keys.get(idempotency_key("rooms.b", "mina", "1")) is None
    assert keys.get(idempotency_key("rooms.a", "jun", "1")) is None


def test_the_first_generation_starts_when_the_clock_is_first_read() -> None:
    keys = IdempotencyKeys(60, count=10)
    keys.add(key("a"), FIRST)

    keys.age(1_000_000)
    keys.age(1_000_059)

    assert keys.get(key("a")) == FIRST


@pytest.mark.parametrize("data", [{"message": "000000000800"}, {"a": 1, "b": "x"}, {}])
def test_a_digest_depends_on_kind_and_data_but_not_on_the_order(data: dict[str, object]) -> None:
    assert digest("a.b", data) == digest("a.b", dict(reversed(data.items())))
    assert digest("a.b", data) != digest("a.c", data)
    assert digest("a.b", data) != digest("a.b", {**data, "message": "000000000801"})


def test_the_first_event_keeps_its_position_and_digest() -> None:
    for position in (0, 1, 2**62 - 1):
        for data in ({"text": "hi"}, {"text": "hi", "more": 1}, {}):
            first = first_event(position, digest("a.b", data))

            assert position_and_digest(first) == (position, digest("a.b", data))
