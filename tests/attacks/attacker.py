"""The attacker's process: `python -m tests.attacks.attacker`, a request on stdin.

It says `ready` when its connections are open, begins when told `go`, and reports at the end.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.attacks.attack_request import GONE, OPEN, AttackRequest, Report
from tests.attacks.floods import FLOODS, Flood
from tests.attacks.hostile_socket import HostileSocket, hostile_socket
from tests.support.waiting import until

_NICENESS = 5
"""The victim is to wait for the product, not for a processor that the attacker has."""
_COME_BACK_SECONDS = 0.25
_MOMENT_SECONDS = 0.4
_REFUSED = (ConnectionError, TimeoutError, asyncio.IncompleteReadError)


@dataclass
class Attacker:
    """All connections of one attack."""

    request: AttackRequest
    floods: Sequence[Flood]
    """The flood of each connection, in rotation."""
    report: Report = field(default_factory=Report)
    begin: asyncio.Event = field(default_factory=asyncio.Event)
    _sockets: list[HostileSocket] = field(default_factory=list)

    async def run(self) -> None:
        """Open the connections, wait for the word, attack, and report."""
        request = self.request
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(self._attack(self.floods[number % len(self.floods)]))
            for number in range(request.connections)
        ]
        await until(lambda: len(self._sockets) >= request.connections)
        _say(b"ready\n")
        await loop.run_in_executor(None, sys.stdin.readline)
        self.begin.set()
        await asyncio.sleep(request.seconds / 2)
        early = self._accepted()
        await asyncio.sleep(request.seconds / 2)
        self.report.accepted = self._accepted()
        self.report.late_per_second = (self.report.accepted - early) / (request.seconds / 2)
        self.report.received = sum(socket.received for socket in self._sockets)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        _say(self.report.line())

    def _accepted(self) -> int:
        return sum(socket.accepted for socket in self._sockets)

    async def _attack(self, flood: Flood) -> None:
        """Attack over one connection after the other."""
        while True:
            try:
                async with hostile_socket(
                    self.request.url, flood.path, receive_buffer_bytes=flood.silent
                ) as socket:
                    self._sockets.append(socket)
                    await self._flood(socket, flood)
            except _REFUSED as error:
                self.report.ends[f"refused {error}"] += 1
            await asyncio.sleep(_COME_BACK_SECONDS)

    async def _flood(self, socket: HostileSocket, flood: Flood) -> None:
        loop = asyncio.get_running_loop()
        await self.begin.wait()
        await socket.send(flood.hello)
        if flood.then:
            await asyncio.sleep(_MOMENT_SECONDS)
            await socket.send(flood.then)
        reading = loop.create_task(socket.read() if flood.reads else asyncio.sleep(1000))
        writing = loop.create_task(self._write(socket, flood))
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            # What came before the end may still have to be read.
            await asyncio.wait({reading}, timeout=_MOMENT_SECONDS)
        finally:
            reading.cancel()
            writing.cancel()
            if not flood.reads and socket.end is None:
                await _look(socket)
            self.report.ends[socket.end or (GONE if socket.lost else OPEN)] += 1

    async def _write(self, socket: HostileSocket, flood: Flood) -> None:
        block, size = flood.block, flood.write_bytes
        if not block:
            await asyncio.Event().wait()
        loop = asyncio.get_running_loop()
        pause = len(block) * self.request.connections / self.request.bytes_per_second
        due = loop.time()
        while socket.end is None and not socket.lost:
            if size == 1:
                for at in range(len(block)):
                    await socket.send(block[at : at + 1])
            else:
                await socket.send(block)
            due = max(due + pause, loop.time() - pause)
            await asyncio.sleep(max(due - loop.time(), 0))


async def _look(socket: HostileSocket) -> None:
    """Read the unread data, up to the close code."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_MOMENT_SECONDS):
            await socket.read()


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def main() -> None:
    """Carry out the request."""
    os.nice(_NICENESS)
    request = AttackRequest.read(sys.stdin.readline().encode())
    floods = [FLOODS[name](request) for name in request.attack.split(",")]
    asyncio.run(Attacker(request, floods).run())


if __name__ == "__main__":
    main()
