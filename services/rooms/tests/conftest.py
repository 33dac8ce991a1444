from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.rooms.tests.scene import Scene, embedded_log, running


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with embedded_log(tmp_path) as log, running(tmp_path, log) as started:
        yield started
