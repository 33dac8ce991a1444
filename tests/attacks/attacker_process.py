"""An attacker in a process of its own, as the tests start it."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.attacks.attack_request import AttackRequest, Report

_SECONDS = 60


@dataclass(frozen=True)
class AttackerProcess:
    """An attacker whose connections are open."""

    process: Process

    def begin(self) -> None:
        """Let it attack."""
        self._stdin.write(b"go\n")

    async def report(self) -> Report:
        """Return the attacker's report when it ends."""
        return Report.read(await _line(self.process))

    @property
    def _stdin(self) -> asyncio.StreamWriter:
        assert self.process.stdin is not None
        return self.process.stdin


@asynccontextmanager
async def attacker(request: AttackRequest) -> AsyncGenerator[AttackerProcess]:
    """Yield an attacker that waits for the word; it ends with the context."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.attacks.attacker", stdin=PIPE, stdout=PIPE
    )
    started = AttackerProcess(process)
    try:
        started._stdin.write(request.line())
        assert await _line(process) == b"ready\n"
        yield started
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(_SECONDS):
        line = await process.stdout.readline()
    assert line, "the attacker failed"
    return line
