from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from services.auth.tests.harness import Harness, running


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with running(tmp_path) as found:
        yield found
