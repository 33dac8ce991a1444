from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from services.auth.tests.scene import Scene, running


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncGenerator[Scene]:
    async with running(tmp_path) as found:
        yield found
