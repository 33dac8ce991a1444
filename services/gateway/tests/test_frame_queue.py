import asyncio
import gc
from collections.abc import Awaitable
from dataclasses import dataclass, field

from madang_gateway.session.frame_queue import FrameQueue


@dataclass(eq=False)
class Hands:
    """A worker that has to wait for what it is given, if that is a future."""

    done: list[object] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    full: int = 0
    freed: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def handle(self, thing: object) -> Awaitable[None] | None:
        if isinstance(thing, asyncio.Future):
            return self._await(thing)
        self.done.append(thing)
        return None

    async def _await(self, thing: asyncio.Future[object]) -> None:
        self.done.append(await thing)

    def failed(self, error: Exception) -> None:
        self.failures.append(error)

    def queued(self, thing: object) -> tuple[object, int]:
        return thing, 100

    def backlog_full(self) -> None:
        self.full += 1

    def backlog_done(self, size: int) -> None:
        self.freed = size
        self.idle.set()


async def test_what_need_not_wait_is_done_at_once() -> None:
    hands, things = Hands(), FrameQueue[object](10, 1000)

    things.take(hands, 1)
    things.take(hands, 2)

    assert hands.done == [1, 2]
    assert not things.busy


async def test_what_waits_makes_the_rest_wait_behind_it() -> None:
    hands, things = Hands(), FrameQueue[object](2, 1000)
    first = asyncio.get_running_loop().create_future()

    things.take(hands, first)
    things.take(hands, 2)
    things.take(hands, 3)
    await asyncio.sleep(0)

    assert (hands.done, things.busy, hands.full) == ([], True, 1)

    first.set_result(1)
    await hands.idle.wait()

    assert (hands.done, things.busy) == ([1, 2, 3], False)


async def test_what_waits_is_bounded_in_bytes_too() -> None:
    hands, things = Hands(), FrameQueue[object](10, 200)
    first = asyncio.get_running_loop().create_future()

    things.take(hands, first)
    things.take(hands, 2)
    assert hands.full == 0
    things.take(hands, 3)
    assert hands.full == 1

    first.set_result(1)
    await hands.idle.wait()
    assert hands.freed == 200


async def test_a_long_backlog_lets_others_have_their_turn() -> None:
    hands, things = Hands(), FrameQueue[object](1000, 1_000_000)
    first = asyncio.get_running_loop().create_future()
    things.take(hands, first)
    for number in range(100):
        things.take(hands, number)
    first.set_result(None)

    longest = await longest_run(hands)

    assert len(hands.done) == 101
    assert longest <= 33


async def longest_run(hands: Hands) -> int:
    """Return how many things were done in one turn at most, until the backlog is empty."""
    longest, before = 0, 0
    while not hands.idle.is_set():
        await asyncio.sleep(0)
        longest, before = max(longest, len(hands.done) - before), len(hands.done)
    return longest


async def test_a_failure_is_told_and_ends_the_backlog() -> None:
    hands, things = Hands(), FrameQueue[object](10, 1000)
    first = asyncio.get_running_loop().create_future()
    first.set_exception(error := LookupError())

    things.take(hands, first)
    things.take(hands, 2)
    await hands.idle.wait()

    assert (hands.done, hands.failures, things.busy) == ([], [error], False)


async def test_what_is_given_up_is_not_done() -> None:
    hands, things = Hands(), FrameQueue[object](10, 1000)

    things.take(hands, asyncio.get_running_loop().create_future())
    things.take(hands, 2)
    await asyncio.sleep(0)
    things.cancel()
    await hands.idle.wait()

    assert (hands.done, hands.failures) == ([], [])


async def test_it_does_not_keep_its_worker() -> None:
    hands, things = Hands(), FrameQueue[object](10, 1000)

    things.take(hands, 1)

    assert things not in gc.get_referrers(hands)
