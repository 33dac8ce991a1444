"""History as in production: several processes on RabbitMQ and MongoDB."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.log.amqp import AmqpLog
from madang_common.log.position import shard_of
from madang_history.endpoint import MongoEndpoint
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import connected

from .conftest import SHARDS, an_event

SHARD = shard_of("rooms.yard", SHARDS)
PATIENCE_SECONDS = 90


class Process:
    """A running history process and a client of it."""

    def __init__(self, process: asyncio.subprocess.Process, client: httpx.AsyncClient) -> None:
        self.process = process
        self._client = client

    async def held(self) -> set[int]:
        """Return the held shards by its metrics; none if it does not answer."""
        try:
            page = (await self._client.get("/metrics")).text
        except httpx.HTTPError:
            return set()
        return {int(shard) for shard in re.findall(r'_shard_held\{shard="(\d+)"\} 1\.0', page)}

    async def dependencies(self) -> dict[str, str]:
        found: dict[str, str] = (await self._client.get("/health/ready")).json()["dependencies"]
        return found


@asynccontextmanager
async def started(**settings: str) -> AsyncIterator[Process]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {"environment": "development", "port": str(port)} | settings
    environment = {f"MADANG_{name.upper()}": value for name, value in given.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "madang_history",
        env=os.environ | environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield Process(process, client)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def until_held(processes: list[Process], holds: Callable[[list[set[int]]], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds([await process.held() for process in processes]):  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.05)


async def test_two_processes_share_the_log_and_one_takes_over(
    rabbitmq_vhost_url: str, mongo_url: str, mongo_database: str
) -> None:
    settings = {
        "amqp_url": rabbitmq_vhost_url,
        "mongo_url": mongo_url,
        "mongo_database": mongo_database,
        "log_shards": str(SHARDS),
        "history_lease_seconds": "3",
    }
    async with AsyncExitStack() as stack:
        log = await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS)
        stack.push_async_callback(log.close)
        first = await stack.enter_async_context(started(**settings))
        second = await stack.enter_async_context(started(**settings))
        await until_held([first, second], lambda held: sorted(map(len, held)) == [1, 1])
        for n in range(50):
            await log.append(SHARD, (an_event(str(n)).line(), b"poison" if n == 7 else b"{}"))

        first.process.kill()
        for n in range(50, 100):
            await log.append(SHARD, (an_event(str(n)).line(),))
        await until_held([second], lambda held: held == [{0, 1}])

        database = await stack.enter_async_context(
            connected(
                MongoEndpoint.at(mongo_url), mongo_database, timeout_seconds=10, connections=2
            )
        )
        store = await MongoMessageStore.open(database, SHARDS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await store.progress(SHARD) < 100:  # noqa: ASYNC110 - another process stores it
                await asyncio.sleep(0.05)
        stored = await store.after("rooms.yard", -1, 1000)
        assert [found.event.line() for found in stored] == [
            an_event(str(n)).line() for n in range(100)
        ]

        dependencies = await second.dependencies()
        assert {name for name, state in dependencies.items() if state == "ok"} >= {
            "store",
            "log",
            "ingest",
        }
        second.process.terminate()
        assert await asyncio.wait_for(second.process.wait(), PATIENCE_SECONDS) == 0
        assert await database["leases"].count_documents({"_id": {"$type": "int"}}) == 0
