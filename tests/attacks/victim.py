"""A user unrelated to the attack, who measures how long each SEND waits for its RECEIPT."""

import asyncio
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from typing_extensions import override
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.attacks.stomp_client import say
from tests.support.waiting import until

PER_SECOND = 18
"""A little less than one user may send in the long run."""
_RECEIPT = re.compile(r"\nreceipt-id:(\d+)\n")


@dataclass(frozen=True)
class Waits:
    """Seconds from SEND to RECEIPT, sorted."""

    seconds: Sequence[float]
    unanswered: int = 0

    def at(self, share: float) -> float:
        """Return how long that share of the sends waited at most."""
        if self.unanswered:
            return math.inf
        return self.seconds[math.ceil(share * len(self.seconds)) - 1]

    @property
    def p99(self) -> float:
        """The 99th percentile of the waits."""
        return self.at(0.99)

    @override
    def __str__(self) -> str:
        p50, p99, most = (f"{self.at(share) * 1000:.0f}" for share in (0.5, 0.99, 1))
        return f"p50 {p50} ms, p99 {p99} ms, max {most} ms"


@dataclass
class Victim:
    """A connection in a room of its own."""

    socket: ClientConnection
    room: str
    _sent_at: dict[str, float] = field(default_factory=dict)
    _waits: list[float] = field(default_factory=list)
    _count: int = 0

    async def measure(self, seconds: float) -> Waits:
        """Send for `seconds`, and return how long each send waited for its receipt.

        A send that is late because the product stalls counts from when it was due.
        """
        loop = asyncio.get_running_loop()
        self._waits, self._sent_at = [], {}
        due, end = loop.time(), loop.time() + seconds
        reading = loop.create_task(self._read())
        while due < end and not reading.done():
            await asyncio.sleep(max(due - loop.time(), 0))
            self._count += 1
            receipt = str(self._count)
            self._sent_at[receipt] = due
            try:
                await self.socket.send(say(self.room, "hello", receipt=receipt))
            except ConnectionClosed:
                break
            due += 1 / PER_SECOND
        with suppress(TimeoutError):
            await until(lambda: not self._sent_at or reading.done())
        reading.cancel()
        return Waits(sorted(self._waits), len(self._sent_at))

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                said = await self.socket.recv()
            except ConnectionClosed:
                return
            found = _RECEIPT.search(str(said))
            if found is not None and found[1] in self._sent_at:
                self._waits.append(loop.time() - self._sent_at.pop(found[1]))


async def measure(victims: Sequence[Victim], seconds: float) -> Waits:
    """Let all victims measure at the same time; return all their waits."""
    found = await asyncio.gather(*(victim.measure(seconds) for victim in victims))
    return Waits(
        sorted(wait for waits in found for wait in waits.seconds),
        sum(waits.unanswered for waits in found),
    )
