import asyncio
import gc
from collections.abc import Awaitable
from dataclasses import dataclass, field

from madang_gateway.in_order import InOrder


@dataclass(eq=False)
class Hands:
    """A worker that has to wait for what it is given, if that is a future."""

    done: list[object] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    full: int = 0
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

    def backlog_full(self) -> None:
        self.full += 1

    def backlog_done(self) -> None:
        self.idle.set()


async def test_what_need_not_wait_is_done_at_once() -> None:
    hands, things = Hands(), InOrder[object](10)

    things.take(hands, 1)
    things.take(hands, 2)

    assert hands.done == [1, 2]
    assert not things.busy


async def test_what_waits_makes_the_rest_wait_behind_it() -> None:
    hands, things = Hands(), InOrder[object](2)
    first = asyncio.get_running_loop().create_future()

    things.take(hands, first)
    things.take(hands, 2)
    things.take(hands, 3)
    await asyncio.sleep(0)

    assert (hands.done, things.busy, hands.full) == ([], True, 1)

    first.set_result(1)
    await hands.idle.wait()

    assert (hands.done, things.busy) == ([1, 2, 3], False)


async def test_a_failure_is_told_and_ends_the_backlog() -> None:
    hands, things = Hands(), InOrder[object](10)
    first = asyncio.get_running_loop().create_future()
    first.set_exception(error := LookupError())

    things.take(hands, first)
    things.take(hands, 2)
    await hands.idle.wait()

    assert (hands.done, hands.failures, things.busy) == ([], [error], False)


async def test_what_is_given_up_is_not_done() -> None:
    hands, things = Hands(), InOrder[object](10)

    things.take(hands, asyncio.get_running_loop().create_future())
    things.take(hands, 2)
    await asyncio.sleep(0)
    things.cancel()
    await hands.idle.wait()

    assert (hands.done, hands.failures) == ([], [])


async def test_it_does_not_keep_its_worker() -> None:
    hands, things = Hands(), InOrder[object](10)

    things.take(hands, 1)

    assert things not in gc.get_referrers(hands)
