import asyncio
import gc
from collections.abc import Awaitable
from dataclasses import dataclass, field

from madang_gateway.session.frame_queue import FrameQueue


@dataclass(eq=False)
class Handler:
    """A handler that awaits frames that are futures."""

    done: list[object] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    full: int = 0
    freed: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def handle(self, frame: object) -> Awaitable[None] | None:
        if isinstance(frame, asyncio.Future):
            return self._await(frame)
        self.done.append(frame)
        return None

    async def _await(self, frame: asyncio.Future[object]) -> None:
        self.done.append(await frame)

    def failed(self, error: Exception) -> None:
        self.failures.append(error)

    def queued(self, frame: object) -> tuple[object, int]:
        return frame, 100

    def queue_full(self) -> None:
        self.full += 1

    def queue_empty(self, size: int) -> None:
        self.freed = size
        self.idle.set()


async def test_frames_that_await_nothing_are_handled_at_once() -> None:
    handler, queue = Handler(), FrameQueue[object](10, 1000)

    queue.submit(handler, 1)
    queue.submit(handler, 2)

    assert handler.done == [1, 2]
    assert not queue.busy


async def test_a_handler_that_awaits_blocks_the_frames_behind_it() -> None:
    handler, queue = Handler(), FrameQueue[object](2, 1000)
    first = asyncio.get_running_loop().create_future()

    queue.submit(handler, first)
    queue.submit(handler, 2)
    queue.submit(handler, 3)
    await asyncio.sleep(0)

    assert (handler.done, queue.busy, handler.full) == ([], True, 1)

    first.set_result(1)
    await handler.idle.wait()

    assert (handler.done, queue.busy) == ([1, 2, 3], False)


async def test_the_queue_is_full_at_its_byte_limit_too() -> None:
    handler, queue = Handler(), FrameQueue[object](10, 200)
    first = asyncio.get_running_loop().create_future()

    queue.submit(handler, first)
    queue.submit(handler, 2)
    assert handler.full == 0
    queue.submit(handler, 3)
    assert handler.full == 1

    first.set_result(1)
    await handler.idle.wait()
    assert handler.freed == 200


async def test_a_long_queue_yields_to_the_event_loop() -> None:
    handler, queue = Handler(), FrameQueue[object](1000, 1_000_000)
    first = asyncio.get_running_loop().create_future()
    queue.submit(handler, first)
    for number in range(100):
        queue.submit(handler, number)
    first.set_result(None)

    longest = await longest_run(handler)

    assert len(handler.done) == 101
    assert longest <= 33


async def longest_run(handler: Handler) -> int:
    """Return the most frames handled in one turn, until the queue is empty."""
    longest, before = 0, 0
    while not handler.idle.is_set():
        await asyncio.sleep(0)
        longest, before = max(longest, len(handler.done) - before), len(handler.done)
    return longest


async def test_an_exception_is_reported_and_drops_the_queue() -> None:
    handler, queue = Handler(), FrameQueue[object](10, 1000)
    first = asyncio.get_running_loop().create_future()
    first.set_exception(error := LookupError())

    queue.submit(handler, first)
    queue.submit(handler, 2)
    await handler.idle.wait()

    assert (handler.done, handler.failures, queue.busy) == ([], [error], False)


async def test_cancelled_frames_are_not_handled() -> None:
    handler, queue = Handler(), FrameQueue[object](10, 1000)

    queue.submit(handler, asyncio.get_running_loop().create_future())
    queue.submit(handler, 2)
    await asyncio.sleep(0)
    queue.cancel()
    await handler.idle.wait()

    assert (handler.done, handler.failures) == ([], [])


async def test_the_queue_holds_no_reference_to_its_handler() -> None:
    handler, queue = Handler(), FrameQueue[object](10, 1000)

    queue.submit(handler, 1)

    assert queue not in gc.get_referrers(handler)
