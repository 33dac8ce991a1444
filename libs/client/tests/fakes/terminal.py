"""Runs the `madang` command in a process, through pipes or a terminal."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from madang_client.cli.login_file import LoginFile
from madang_client.tokens import granted
from stack import launching

COMMAND = (sys.executable, "-c", "from madang_client.cli import app; app()")


@dataclass(frozen=True)
class Done:
    """Result of a command."""

    code: int
    out: str
    err: str


class Terminal:
    """A user's environment: server, state folder and password."""

    def __init__(self, server: str, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.environment = os.environ | {
            "MADANG_SERVER": server,
            "MADANG_STATE_DIR": str(folder),
            "MADANG_PASSWORD": "correct horse",
            "TZ": "UTC",
            "NO_COLOR": "1",
        }

    async def start(self, *arguments: str) -> Process:
        """Start a command."""
        return await asyncio.create_subprocess_exec(
            *COMMAND, *arguments, env=self.environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )

    async def start_at_a_screen(self, *arguments: str) -> "Typist":
        """Start a command at a pseudo-terminal."""
        ours, theirs = os.openpty()
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *arguments, env=self.environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        return Typist(process, ours)

    async def run(self, *arguments: str, given: str = "") -> Done:
        """Run a command and return its result."""
        madang = partial(launching.run, "madang_client", *arguments, given=given)
        ended = await asyncio.to_thread(madang, env=self.environment, seconds=30)
        return Done(ended.status, ended.out, ended.errors)

    def has_login(self, tokens: dict[str, Any]) -> None:
        """Store a login as `madang login` does."""
        LoginFile(self.folder, self.server).save(granted(tokens, time.time()))

    async def id_from(self, *arguments: str) -> str:
        """Return the one line that a command prints."""
        done = await self.run(*arguments)
        assert done.code == 0, done
        return done.out.strip()


class Typist:
    """A process at a pseudo-terminal: types keys, reads the screen."""

    def __init__(self, process: Process, terminal: int) -> None:
        self.process = process
        self.screen = ""
        self._terminal = terminal
        asyncio.get_running_loop().add_reader(terminal, self._read)

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    async def leave(self) -> int:
        """Return the exit code."""
        async with asyncio.timeout(30):
            code = await self.process.wait()
        asyncio.get_running_loop().remove_reader(self._terminal)
        os.close(self._terminal)
        return code

    def _read(self) -> None:
        try:
            self.screen += os.read(self._terminal, 65_536).decode(errors="replace")
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self._terminal)


async def read_until(process: Process, text: str) -> list[str]:
    """Return the lines that a command prints, up to one that contains `text`."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(30):
        while not lines or text not in lines[-1]:
            line = (await process.stdout.readline()).decode()
            assert line, f"{text!r} did not come: {lines}"
            lines.append(line.rstrip("\n"))
    return lines


async def type_line(process: Process, line: str) -> None:
    """Write a line to the stdin of a command."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())
    await process.stdin.drain()
