from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.auth.tests.harness import Harness, running


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with running(tmp_path) as found:
        yield found


@pytest.fixture
async def redis_client(redis_database_url: str) -> AsyncIterator[Redis]:
    opened = Redis.from_url(redis_database_url)
    yield opened
    await opened.aclose()
