"""Input lines, from a terminal or a pipe."""

import asyncio
import codecs
import os
import sys
import threading
from collections.abc import AsyncIterator

_READ_BYTES = 65_536


def typed_lines() -> AsyncIterator[str]:
    """Return the lines of stdin, with a prompt at a terminal."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _prompted()
    return _piped()


async def _prompted() -> AsyncIterator[str]:
    # Takes a third of a second to import; the other commands do without it.
    from prompt_toolkit import PromptSession  # noqa: PLC0415 - see above
    from prompt_toolkit.patch_stdout import patch_stdout  # noqa: PLC0415 - see above

    session: PromptSession[str] = PromptSession("> ", erase_when_done=True)
    # Raw, to keep the colours of lines printed above the prompt.
    with patch_stdout(raw=True):
        while True:
            try:
                yield await session.prompt_async()
            except (EOFError, KeyboardInterrupt):
                return


async def _piped() -> AsyncIterator[str]:
    lines: asyncio.Queue[str | None] = asyncio.Queue(maxsize=1)
    loop = asyncio.get_running_loop()

    def put(line: str | None) -> None:
        asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()

    def read() -> None:
        # os.read, because a daemon thread in sys.stdin would hold its lock at exit.
        decoder = codecs.getincrementaldecoder(sys.stdin.encoding or "utf-8")(errors="replace")
        rest = ""
        while data := os.read(0, _READ_BYTES):
            *whole, rest = (rest + decoder.decode(data)).split("\n")
            for line in whole:
                put(line)
        if rest:
            put(rest)
        put(None)

    def read_until_the_loop_ends() -> None:
        try:
            read()
        except (RuntimeError, OSError):
            return

    threading.Thread(target=read_until_the_loop_ends, daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line
