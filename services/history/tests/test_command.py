import asyncio
import os
import sys
from pathlib import Path

import pytest

from madang_common.log.amqp import AmqpLog
from madang_common.log.position import position, shard_of, to_id
from madang_common.log.sqlite import SqliteLog
from madang_history.dead_letters import command
from madang_history.dead_letters.amqp import AmqpDeadLetters
from madang_history.dead_letters.port import DeadLetter, DeadLetters
from madang_history.dead_letters.sqlite import SqliteDeadLetters

from .conftest import SHARDS, an_event

READABLE = an_event("again").line()
SHARD = shard_of("rooms.yard", SHARDS)
OTHER = 1 - SHARD


@pytest.fixture
async def dead_letters(tmp_path: Path) -> SqliteDeadLetters:
    dead_letters = SqliteDeadLetters(tmp_path / "dead.db")
    await dead_letters.add(DeadLetter(0, position(3, 1), b"\xff poison", "unexpected character"))
    await dead_letters.add(DeadLetter(OTHER, position(5, 0), READABLE, "does not belong here"))
    return dead_letters


async def first_batch(log: SqliteLog, shard: int) -> tuple[bytes, ...]:
    async for batch in log.follow(shard, 0):
        return batch.lines
    raise AssertionError("the log was closed")


async def names(dead_letters: DeadLetters) -> list[str]:
    shown = await command.show(dead_letters, most=10, whole=True)
    return [line.split()[0] for line in shown]


async def test_a_dead_letter_is_shown_with_position_reason_and_text(
    dead_letters: SqliteDeadLetters,
) -> None:
    shown = await command.show(dead_letters, most=10, whole=False)

    assert shown[0] == f"0/{to_id(position(3, 1))}  unexpected character\n    \\xff poison"
    assert "안나" in shown[1]


async def test_control_characters_are_escaped(tmp_path: Path) -> None:
    dead_letters = SqliteDeadLetters(tmp_path / "dead.db")
    await dead_letters.add(DeadLetter(0, 0, b"\x1b[2J\r\xc2\x9b1m", "\x1b]0;owned\x07"))

    (shown,) = await command.show(dead_letters, most=10, whole=False)

    assert "\\x1b[2J\\r\\x9b1m" in shown
    assert not any(ord(character) < 32 for character in shown if character != "\n")


async def test_a_long_line_is_truncated_without_whole(tmp_path: Path) -> None:
    dead_letters = SqliteDeadLetters(tmp_path / "dead.db")
    await dead_letters.add(DeadLetter(0, 0, b"x" * 5000, "too long"))

    (cut,) = await command.show(dead_letters, most=10, whole=False)
    (whole,) = await command.show(dead_letters, most=10, whole=True)

    assert "(5000 bytes)" in cut
    assert len(cut) < 400
    assert "x" * 5000 in whole


async def test_a_decodable_letter_is_resent_to_its_shard_and_deleted(
    dead_letters: SqliteDeadLetters, log: SqliteLog
) -> None:
    done, failures = await command.resend(dead_letters, log, None, most=10)

    assert done == [f"{OTHER}/{to_id(position(5, 0))}  sent again"]
    assert await first_batch(log, SHARD) == (READABLE,)
    (failure,) = failures
    assert failure.startswith(f"0/{to_id(position(3, 1))}  cannot be sent: ")
    assert await names(dead_letters) == [f"0/{to_id(position(3, 1))}"]


async def test_only_named_letters_are_resent(
    dead_letters: SqliteDeadLetters, log: SqliteLog
) -> None:
    first = f"0/{to_id(position(3, 1))}"

    done, failures = await command.resend(dead_letters, log, [first, "9/nothing"], most=10)

    assert done == []
    assert [failure.split("  ")[0] for failure in failures] == [first, "9/nothing"]
    assert len(await names(dead_letters)) == 2
    assert await log.end(SHARD) == 0


def poison_then(line: bytes) -> list[bytes]:
    return [b"\xff poison", line]


async def run(url: str, *arguments: str) -> tuple[int, str, str]:
    """Run the command in a process, as an operator does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "madang_history",
        *arguments,
        env=os.environ
        | {
            "MADANG_ENVIRONMENT": "development",
            "MADANG_AMQP_URL": url,
            "MADANG_LOG_SHARDS": str(SHARDS),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


async def test_the_command_lists_and_resends_from_the_queue_into_the_log(
    rabbitmq_vhost_url: str,
) -> None:
    log = await AmqpLog.open(rabbitmq_vhost_url, SHARDS)
    dead_letters = AmqpDeadLetters.at(rabbitmq_vhost_url)
    await dead_letters.add(DeadLetter(OTHER, 0, READABLE, "does not belong here"))
    await dead_letters.add(DeadLetter(OTHER, 1, b"\xff poison", "unexpected character"))

    code, out, _ = await run(rabbitmq_vhost_url, "dead", "list")
    assert code == 0
    assert f"{OTHER}/{to_id(0)}  does not belong here" in out

    code, out, errors = await run(rabbitmq_vhost_url, "dead", "resend", "--all")
    assert code == 1
    assert f"{OTHER}/{to_id(0)}  sent again" in out
    assert f"{OTHER}/{to_id(1)}  cannot be sent" in errors
    async for batch in log.follow(SHARD, 0):
        assert batch.lines == (READABLE,)
        break
    assert await names(dead_letters) == [f"{OTHER}/{to_id(1)}"]
    await dead_letters.close()
    await log.close()


async def test_the_command_reports_an_error_in_one_line(tmp_path: Path) -> None:
    code, _, errors = await run("amqp://guest:guest@127.0.0.1:9/none", "dead", "list")

    assert code == 1
    assert errors.splitlines()[-1].startswith("madang-history: ")


async def test_resend_requires_names_or_all() -> None:
    code, _, errors = await run("amqp://127.0.0.1:9", "dead", "resend")

    assert code == 2
    assert "required" in errors
