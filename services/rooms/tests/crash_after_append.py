"""A process that creates a room and kills itself after the append, before the outbox delete.

Run as a process of its own: `python -m services.rooms.tests.crash_after_append FOLDER`.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from typing_extensions import override

from services.rooms.tests.flaky_log import FlakyLog
from services.rooms.tests.harness import embedded_log, running


class CrashingLog(FlakyLog):
    """Kills the process after the first append."""

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        await super().append(shard, lines)
        os.kill(os.getpid(), signal.SIGKILL)


async def run(folder: Path) -> None:
    """Create a room; never return."""
    async with embedded_log(folder) as log, running(folder, CrashingLog(log)) as harness:
        nari = await harness.person("nari")
        await nari.make_room("public")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
