"""The contract of history's dead-letter port, for every adapter."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.log.amqp import AmqpLog
from madang_history.dead_letters.amqp import AmqpDeadLetters
from madang_history.dead_letters.port import DeadLetter, DeadLetters
from madang_history.dead_letters.sqlite import SqliteDeadLetters


@pytest.fixture(params=["sqlite", "amqp"])
async def dead_letters(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[DeadLetters]:
    dead_letters: DeadLetters
    if request.param == "sqlite":
        dead_letters = SqliteDeadLetters(tmp_path / "new" / "messages.db")
    else:
        url = request.getfixturevalue("rabbitmq_vhost_url")
        await (await AmqpLog.open(AmqpEndpoint.at(url), 1)).close()
        dead_letters = AmqpDeadLetters.at(AmqpEndpoint.at(url))
    yield dead_letters
    await dead_letters.close()


def dead(
    position: int, *, line: bytes = b"\xff no event", reason: str = "it is none"
) -> DeadLetter:
    return DeadLetter(3, position, line, reason)


async def seen(dead_letters: DeadLetters, most: int = 100) -> list[DeadLetter]:
    found: list[DeadLetter] = []

    async def look(dead: DeadLetter) -> bool:
        found.append(dead)
        return False

    await dead_letters.visit(look, most=most)
    return found


async def test_at_first_none_is_dead(dead_letters: DeadLetters) -> None:
    assert await seen(dead_letters) == []


@pytest.mark.parametrize(
    "line", [b"\xff\x00 poison", b"", "안녕 👋".encode(), b"{}", b"x" * 1_000_000]
)
async def test_a_line_is_kept_as_it_was_with_its_place_and_the_reason(
    dead_letters: DeadLetters, line: bytes
) -> None:
    largest = (1 << 60) - 1
    put = DeadLetter(7, largest, line, "unexpected character: 마당")

    await dead_letters.add(put)

    assert await seen(dead_letters) == [put]


async def test_a_long_reason_is_kept_as_far_as_it_can_be(dead_letters: DeadLetters) -> None:
    await dead_letters.add(dead(1, reason="당" * 100_000))

    (kept,) = await seen(dead_letters)
    assert kept.reason.startswith("당" * 500)


async def test_looking_changes_nothing(dead_letters: DeadLetters) -> None:
    lines = [dead(n) for n in range(5)]
    for line in lines:
        await dead_letters.add(line)

    looks = [await seen(dead_letters) for _ in range(30)]

    assert looks == [lines] * 30


async def test_visits_are_limited_and_start_with_the_oldest(
    dead_letters: DeadLetters,
) -> None:
    for n in (4, 2, 3):
        await dead_letters.add(dead(n))

    assert [line.position for line in await seen(dead_letters, most=2)] == [4, 2]


async def test_only_what_is_settled_is_let_go_of(dead_letters: DeadLetters) -> None:
    for n in range(6):
        await dead_letters.add(dead(n))

    async def settle_even(dead: DeadLetter) -> bool:
        return dead.position % 2 == 0

    await dead_letters.visit(settle_even, most=5)

    assert sorted(line.position for line in await seen(dead_letters)) == [1, 3, 5]


async def test_what_cannot_be_settled_stays_with_all_after_it(dead_letters: DeadLetters) -> None:
    for n in range(4):
        await dead_letters.add(dead(n))

    async def fail_at_the_third(dead: DeadLetter) -> bool:
        if dead.position == 2:
            raise LookupError("no")
        return True

    with pytest.raises(LookupError):
        await dead_letters.visit(fail_at_the_third, most=100)

    assert sorted(line.position for line in await seen(dead_letters)) == [2, 3]


async def test_one_that_is_put_while_others_are_looked_at_stays(dead_letters: DeadLetters) -> None:
    await dead_letters.add(dead(1))

    async def settle_and_put(settled: DeadLetter) -> bool:
        await dead_letters.add(dead(settled.position + 1))
        return True

    await dead_letters.visit(settle_and_put, most=1)

    assert [line.position for line in await seen(dead_letters)] == [2]
