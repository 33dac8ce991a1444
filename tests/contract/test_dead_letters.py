"""The contract of history's dead-letter port, for every adapter."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from madang_common.log.amqp import AmqpLog
from madang_history.dead_letters.amqp import AmqpDeadLines
from madang_history.dead_letters.port import DeadLine, DeadLines
from madang_history.dead_letters.sqlite import SqliteDeadLines


@pytest.fixture(params=["sqlite", "amqp"])
async def dead_lines(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DeadLines]:
    dead_lines: DeadLines
    if request.param == "sqlite":
        dead_lines = SqliteDeadLines(tmp_path / "new" / "messages.db")
    else:
        url = request.getfixturevalue("rabbitmq_vhost_url")
        await (await AmqpLog.open(url, 1)).close()
        dead_lines = AmqpDeadLines.at(url)
    yield dead_lines
    await dead_lines.close()


def dead(position: int, *, line: bytes = b"\xff no event", reason: str = "it is none") -> DeadLine:
    return DeadLine(3, position, line, reason)


async def seen(dead_lines: DeadLines, most: int = 100) -> list[DeadLine]:
    found: list[DeadLine] = []

    async def look(dead: DeadLine) -> bool:
        found.append(dead)
        return False

    await dead_lines.visit(look, most=most)
    return found


async def test_at_first_none_is_dead(dead_lines: DeadLines) -> None:
    assert await seen(dead_lines) == []


@pytest.mark.parametrize(
    "line", [b"\xff\x00 poison", b"", "안녕 👋".encode(), b"{}", b"x" * 1_000_000]
)
async def test_a_line_is_kept_as_it_was_with_its_place_and_the_reason(
    dead_lines: DeadLines, line: bytes
) -> None:
    largest = (1 << 60) - 1
    put = DeadLine(7, largest, line, "unexpected character: 마당")

    await dead_lines.put(put)

    assert await seen(dead_lines) == [put]


async def test_a_long_reason_is_kept_as_far_as_it_can_be(dead_lines: DeadLines) -> None:
    await dead_lines.put(dead(1, reason="당" * 100_000))

    (kept,) = await seen(dead_lines)
    assert kept.reason.startswith("당" * 500)


async def test_looking_changes_nothing(dead_lines: DeadLines) -> None:
    lines = [dead(n) for n in range(5)]
    for line in lines:
        await dead_lines.put(line)

    looks = [await seen(dead_lines) for _ in range(30)]

    assert looks == [lines] * 30


async def test_no_more_than_so_many_are_looked_at_the_oldest_first(dead_lines: DeadLines) -> None:
    for n in (4, 2, 3):
        await dead_lines.put(dead(n))

    assert [line.position for line in await seen(dead_lines, most=2)] == [4, 2]


async def test_only_what_is_settled_is_let_go_of(dead_lines: DeadLines) -> None:
    for n in range(6):
        await dead_lines.put(dead(n))

    async def settle_even(dead: DeadLine) -> bool:
        return dead.position % 2 == 0

    await dead_lines.visit(settle_even, most=5)

    assert sorted(line.position for line in await seen(dead_lines)) == [1, 3, 5]


async def test_what_cannot_be_settled_stays_with_all_after_it(dead_lines: DeadLines) -> None:
    for n in range(4):
        await dead_lines.put(dead(n))

    async def fail_at_the_third(dead: DeadLine) -> bool:
        if dead.position == 2:
            raise LookupError("no")
        return True

    with pytest.raises(LookupError):
        await dead_lines.visit(fail_at_the_third, most=100)

    assert sorted(line.position for line in await seen(dead_lines)) == [2, 3]


async def test_one_that_is_put_while_others_are_looked_at_stays(dead_lines: DeadLines) -> None:
    await dead_lines.put(dead(1))

    async def settle_and_put(settled: DeadLine) -> bool:
        await dead_lines.put(dead(settled.position + 1))
        return True

    await dead_lines.visit(settle_and_put, most=1)

    assert [line.position for line in await seen(dead_lines)] == [2]
