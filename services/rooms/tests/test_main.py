"""The `madang-rooms` process on real servers."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from madang_rooms.settings import RoomsSettings

PASSWORD = "a-secret-password"


async def start(*arguments: str, **settings: str) -> asyncio.subprocess.Process:
    environment: Mapping[str, str] = {
        **os.environ,
        "MADANG_ENVIRONMENT": "development",
        "MADANG_PORT": "0",
        **{f"MADANG_{name.upper()}": value for name, value in settings.items()},
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "madang_rooms", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


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
    assert ready.json() == {"status": "ok", "dependencies": {"database": "ok", "log": "ok"}}


async def test_a_failed_start_is_reported_in_one_line_without_secrets(
    mariadb_database_url: str,
) -> None:
    wrong = mariadb_database_url.replace("madang:", f"madang:{PASSWORD}")
    for arguments, settings, reason in (
        (["migrate"], {}, "MADANG_DATABASE_URL must be set"),
        ([], {"database_url": mariadb_database_url}, "MADANG_AMQP_URL must be set"),
        ([], {"amqp_url": f"amqp://x:{PASSWORD}@y"}, "MADANG_DATABASE_URL must be set"),
        (
            [],
            {"amqp_url": f"x:{PASSWORD}@y", "database_url": mariadb_database_url},
            "MADANG_AMQP_URL is invalid",
        ),
        (["migrate"], {"database_url": wrong}, "Access denied"),
        (["migrate"], {"database_url": f"postgresql://x:{PASSWORD}@y/z"}, "MADANG_DATABASE_URL: "),
        (["migrate", "--revision", "9999"], {"database_url": mariadb_database_url}, "9999"),
    ):
        status, stderr = await end_of(await start(*arguments, **settings))

        assert status == 1, stderr
        assert reason in stderr.splitlines()[-1]
        assert "Traceback" not in stderr
        assert PASSWORD not in stderr


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite:///x.db", "mysql+asyncmy://user:password@host:3306"]
)
def test_an_invalid_database_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="database_url"):
        RoomsSettings(environment="development", database_url=SecretStr(url))
