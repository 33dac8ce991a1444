import asyncio
import os
import re
import sys
from functools import partial
from pathlib import Path

import pytest

from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.log.amqp import AmqpLog
from madang_common.log.position import position, shard_of, to_id
from madang_common.log.sqlite import SqliteLog
from madang_common.settings import Environment
from madang_history import wiring
from madang_history.__main__ import main
from madang_history.dead_letters import command
from madang_history.dead_letters.amqp import AmqpDeadLetters
from madang_history.dead_letters.port import DeadLetter, DeadLetters, DeadLettersUnavailable
from madang_history.dead_letters.sqlite import SqliteDeadLetters
from madang_history.settings import HistorySettings
from madang_history.store.port import Gap
from madang_history.store.sqlite import SqliteMessageStore
from stack import launching

from .conftest import SHARDS, an_event

READABLE = an_event("again").line()
SHARD = shard_of("rooms.yard", SHARDS)
OTHER = 1 - SHARD
COMMAND_SECONDS = 60
UNUSED = "amqp://127.0.0.1:9"


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


async def run(url: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run the command in a process, as an operator does."""
    env = os.environ | {
        "MADANG_ENVIRONMENT": "development",
        "MADANG_AMQP_URL": url,
        "MADANG_LOG_SHARDS": str(SHARDS),
        **variables,
    }
    command = partial(launching.run, "madang_history", *arguments, env=env, seconds=COMMAND_SECONDS)
    ended = await asyncio.to_thread(command)
    return ended.status, ended.out, ended.errors


async def test_the_command_lists_and_resends_from_the_queue_into_the_log(
    rabbitmq_vhost_url: str,
) -> None:
    log = await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS)
    dead_letters = AmqpDeadLetters.at(AmqpEndpoint.at(rabbitmq_vhost_url))
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
    assert errors.splitlines()[-1].startswith("madang-history dead: ")


@pytest.mark.parametrize("command", ["verify", "gaps"])
async def test_the_command_tells_why_the_store_does_not_answer(
    command: str, rabbitmq_vhost_url: str
) -> None:
    log = await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS)
    await log.close()

    code, _, errors = await run(
        rabbitmq_vhost_url,
        command,
        MADANG_MONGO_URL="mongodb://someone:secret@127.0.0.1:9/",
        MADANG_MONGO_TIMEOUT_SECONDS="0.5",
        MADANG_START_SECONDS="1",
    )

    told = errors.splitlines()[-1]
    assert code != 0
    assert told.startswith(f"madang-history {command}: The message store does not answer")
    assert "127.0.0.1:9: [Errno 111] Connection refused" in told
    assert "secret" not in errors


async def test_resend_requires_names_or_all() -> None:
    code, _, errors = await run("amqp://127.0.0.1:9", "dead", "resend")

    assert code == 2
    assert "required" in errors


@pytest.mark.parametrize("about", [["list"], ["resend", "--all"]])
@pytest.mark.parametrize("most", ["-1", "0", "9" * 20])
def test_a_limit_that_is_none_is_refused(
    about: list[str], most: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["madang-history", "dead", *about, "--most", most])

    with pytest.raises(SystemExit, match=r"^2$"):
        main()

    assert "give a whole number from 1 to" in capsys.readouterr().err


async def test_a_command_in_the_wrong_folder_begins_no_store_there(tmp_path: Path) -> None:
    settings = HistorySettings(environment=Environment.DEVELOPMENT, data_dir=tmp_path)

    with pytest.raises(DeadLettersUnavailable, match="does not exist"):
        await wiring.open_dead_letters(settings).__aenter__()

    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


async def test_the_command_prints_what_is_missing(tmp_path: Path) -> None:
    store = await SqliteMessageStore.open(tmp_path / "history" / "messages.db", SHARDS)
    await store.store(1, [], 2)
    await store.add_gap(1, Gap(2, 4))
    await store.note_end(0, 7)
    await store.seal(0, 0, lost=True)
    await store.close()
    later = await SqliteMessageStore.open(tmp_path / "history" / "messages.db", 6, epoch=1)
    await later.close()

    # With settings of another epoch: it only reads.
    code, out, errors = await run(
        UNUSED, "gaps", MADANG_DATA_DIR=str(tmp_path), MADANG_LOG_EPOCH="0"
    )

    assert (code, errors) == (0, "")
    head, first, second = [re.split(r"  +", line) for line in out.splitlines()]
    assert head == ["EPOCH", "SHARD", "FIRST", "LAST", "BATCHES", "FOUND"]
    last = to_id(position(7, 0) - 1)
    assert first[:5] == ["0", "0", to_id(0), f"{last} or later", "at least 7"]
    last = to_id(position(4, 0) - 1)
    assert second[:5] == ["0", "1", to_id(position(2, 0)), last, "2"]


async def test_the_command_prints_nothing_if_nothing_is_missing(tmp_path: Path) -> None:
    await (await SqliteMessageStore.open(tmp_path / "history" / "messages.db", SHARDS)).close()

    assert await run(UNUSED, "gaps", MADANG_DATA_DIR=str(tmp_path)) == (0, "", "")


async def test_the_command_reports_a_store_that_is_not_there(tmp_path: Path) -> None:
    code, out, errors = await run(UNUSED, "gaps", MADANG_DATA_DIR=str(tmp_path))

    assert (code, out) == (1, "")
    assert "messages.db does not exist" in errors.splitlines()[-1]


@pytest.mark.parametrize("arguments", ["wait", "verify", "dead resend --all"])
async def test_a_command_begins_no_epoch(
    arguments: str, tmp_path: Path, rabbitmq_vhost_url: str, mongo_url: str, mongo_database: str
) -> None:
    log = await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS)
    settings = {
        "MADANG_MONGO_URL": mongo_url,
        "MADANG_MONGO_DATABASE": mongo_database,
        "MADANG_DATA_DIR": str(tmp_path),
    }

    status, _, errors = await run(
        rabbitmq_vhost_url,
        *arguments.split(),
        MADANG_LOG_EPOCH="1",
        MADANG_START_SECONDS="5",
        **settings,
    )

    assert status
    assert "RabbitMQ has no log in epoch 1" in errors
    await log.append(SHARD, (READABLE,))
    await log.close()
