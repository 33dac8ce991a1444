"""The `madang-rooms` process on real servers."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from madang_rooms.settings import RoomsSettings
from stack import launching
from stack.servers import MariaDB

PASSWORD = "a-secret-password"
COMMAND_SECONDS = 60
REVISIONS = ("0001", "0003")
"""The first and the last revision of the schema."""


def environment(**settings: str) -> Mapping[str, str]:
    return {
        **os.environ,
        "MADANG_ENVIRONMENT": "development",
        "MADANG_PORT": "0",
        **{f"MADANG_{name.upper()}": value for name, value in settings.items()},
    }


async def start(*arguments: str, **settings: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "madang_rooms", *arguments),
        env=environment(**settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def command(*arguments: str, **settings: str) -> tuple[int, str]:
    """Run a command to its end; return the exit status and the text on stderr."""
    ended = launching.run(
        "madang_rooms", *arguments, env=environment(**settings), seconds=COMMAND_SECONDS
    )
    return ended.status, ended.errors


async def end_of(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Return the exit status and the text on stderr."""
    _, stderr = await process.communicate()
    return process.returncode, stderr.decode()


@asynccontextmanager
async def serving(**settings: str) -> AsyncIterator[str]:
    process = await start(**settings)
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            if b"is ready: " in line:
                yield line.split()[-3].decode()
                break
        else:
            pytest.fail((await end_of(process))[1])
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        status, stderr = await end_of(process)
    assert status == 0, stderr


async def test_the_process_serves_after_the_migration(
    mariadb_database_url: str, rabbitmq_vhost_url: str
) -> None:
    servers = {"database_url": mariadb_database_url, "amqp_url": rabbitmq_vhost_url}

    refused = await end_of(await start(**servers))
    migrated = [await end_of(await start("migrate", **servers)) for _ in range(2)]
    async with serving(**servers) as address, httpx.AsyncClient(base_url=address) as client:
        ready = await client.get("/health/ready")

    assert refused[0] == 1
    assert "madang-rooms migrate" in refused[1].splitlines()[-1]
    assert [status for status, _ in migrated] == [0, 0]
    # Without history it does not know whether this is the current log.
    states = {"database": "ok", "log": "LogUnverified"}
    assert ready.json() == {"status": "degraded", "dependencies": states}


async def states_of(process: asyncio.subprocess.Process) -> AsyncIterator[tuple[str, str]]:
    """Yield what a `wait` logs that it waits for, and why."""
    assert process.stderr is not None
    async for line in process.stderr:
        entry = json.loads(line)
        if entry["event"] == "waiting":
            yield entry["what"], entry["reason"]


async def next_of(states: AsyncIterator[tuple[str, str]], what: str) -> tuple[str, str]:
    """Return the next state that is about `what`: a starting server fails in several ways."""
    async for state in states:
        if state[0] == what:
            return state
    pytest.fail("the process ended")


async def test_wait_returns_once_the_database_is_up_and_migrated(
    private_mariadb: MariaDB,
) -> None:
    server = private_mariadb
    server.sql(
        f"CREATE USER reader@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON madang.* TO reader@'%'"
    )
    reader = server.url.replace(f"madang:{server.password}", f"reader:{PASSWORD}")
    await asyncio.to_thread(server.stop)

    waiting = await start("wait", "--seconds", "300", database_url=reader)
    states = states_of(waiting)
    async with asyncio.timeout(300):
        found = [await anext(states)]
        await asyncio.to_thread(server.start)
        found.append(await next_of(states, "schema"))
        first = await start("migrate", "--revision", REVISIONS[0], database_url=server.url)
        assert (await end_of(first))[0] == 0
        found.append(await anext(states))
        assert waiting.returncode is None
        assert (await end_of(await start("migrate", database_url=server.url)))[0] == 0
        status, _ = await end_of(waiting)

    assert status == 0
    assert [what for what, _ in found] == ["database", "schema", "schema"]
    assert "at revision None" in found[1][1]
    assert f"at revision {REVISIONS[0]}" in found[2][1]
    assert PASSWORD not in str(found)


def test_wait_ends_with_one_line_at_its_deadline(mariadb_database_url: str) -> None:
    status, stderr = command("wait", "--seconds", "0.5", database_url=mariadb_database_url)

    *lines, last = stderr.splitlines()
    assert status == 1
    assert [json.loads(line)["what"] for line in lines] == ["schema"]
    assert last == (
        "madang-rooms wait: after 0.5 s: the database's schema is at revision None, this version"
        f" needs {REVISIONS[-1]}; run `madang-rooms migrate`"
    )


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "soon"])
def test_wait_refuses_an_invalid_deadline(seconds: str) -> None:
    status, stderr = command("wait", "--seconds", seconds)

    assert status == 2
    assert f"{seconds}: give a number of seconds above 0" in stderr


def test_a_failed_start_is_reported_in_one_line_without_secrets(
    mariadb_database_url: str,
) -> None:
    wrong = mariadb_database_url.replace("madang:", f"madang:{PASSWORD}")
    for arguments, settings, reason in (
        (["migrate"], {}, "MADANG_DATABASE_URL or MADANG_DATABASE_HOST must be set"),
        ([], {"database_url": mariadb_database_url}, "MADANG_AMQP_URL or MADANG_AMQP_HOSTS must"),
        ([], {"amqp_url": f"amqp://x:{PASSWORD}@y"}, "MADANG_DATABASE_URL or MADANG_DATABASE_H"),
        (
            [],
            {"amqp_url": f"x:{PASSWORD}@y", "database_url": mariadb_database_url},
            "MADANG_AMQP_URL is invalid",
        ),
        (["migrate"], {"database_url": wrong}, "Access denied"),
        (["migrate"], {"database_url": f"postgresql://x:{PASSWORD}@y/z"}, "_URL is invalid"),
        (["migrate", "--revision", "9999"], {"database_url": mariadb_database_url}, "9999"),
    ):
        status, stderr = command(*arguments, **settings)

        assert status == 1, stderr
        assert reason in stderr.splitlines()[-1]
        assert "Traceback" not in stderr
        assert PASSWORD not in stderr


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite:///x.db", "mysql+asyncmy://user:password@host:3306"]
)
def test_an_invalid_database_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="MADANG_DATABASE_URL"):
        RoomsSettings(environment="development", database_url=SecretStr(url))
