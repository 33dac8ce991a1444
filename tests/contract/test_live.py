"""The contract of the live-events port, for every adapter."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.live.amqp import AmqpLive
from madang_common.live.inprocess import InProcessLive
from madang_common.live.port import Live

PATIENCE_SECONDS = 20


@pytest.fixture(params=["inprocess", "amqp"])
async def live(request: pytest.FixtureRequest) -> AsyncIterator[Live]:
    live: Live
    if request.param == "inprocess":
        live = InProcessLive()
    else:
        live = await AmqpLive.open(AmqpEndpoint.at(request.getfixturevalue("rabbitmq_vhost_url")))
    yield live
    await live.close()


class Ear:
    """A listener that has begun to listen."""

    def __init__(self, live: Live) -> None:
        self.heard: list[bytes] = []
        self._more = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(live.listen()))

    async def _listen(self, notices: AsyncGenerator[tuple[bytes, ...]]) -> None:
        async with aclosing(notices):
            async for lines in notices:
                assert lines
                self.heard += lines
                self._more.set()

    async def until(self, line: bytes) -> list[bytes]:
        """Return the received lines once `line` is among them."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line not in self.heard:
                self._more.clear()
                await self._more.wait()
        return self.heard

    async def ended(self) -> None:
        """Return when the notices have ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._listening

    async def stop(self) -> None:
        """Stop listening in the middle."""
        self._listening.cancel()
        await asyncio.wait([self._listening])


async def listening(live: Live, count: int = 1) -> list[Ear]:
    """Return `count` listeners that receive everything published from now on."""
    ears = [Ear(live) for _ in range(count)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not all(ear.heard for ear in ears):
            live.publish(b"are you there?")
            await asyncio.sleep(0.001)
    live.publish(b"begin")
    for ear in ears:
        await ear.until(b"begin")
        ear.heard.clear()
    return ears


async def test_every_listener_hears_every_notice_in_order(live: Live) -> None:
    ears = await listening(live, 3)
    notices = [b"%d" % n for n in range(100)]

    for notice in notices:
        live.publish(notice)

    for ear in ears:
        assert await ear.until(notices[-1]) == notices


async def test_nobody_need_listen(live: Live) -> None:
    live.publish(b"into the air")

    await live.ping()


async def test_a_listener_hears_nothing_from_before(live: Live) -> None:
    live.publish(b"too early")

    (ear,) = await listening(live)
    live.publish(b"now")

    assert await ear.until(b"now") == [b"now"]


async def test_a_listener_that_left_costs_the_others_nothing(live: Live) -> None:
    leaving, staying = await listening(live, 2)

    await leaving.stop()
    live.publish(b"still here?")

    assert await staying.until(b"still here?") == [b"still here?"]
    assert leaving.heard == []


async def test_closing_ends_the_listeners(live: Live) -> None:
    ears = await listening(live, 2)

    await live.close()

    for ear in ears:
        await ear.ended()


async def test_closed_notices_say_so_and_publishing_never_fails(live: Live) -> None:
    await live.ping()

    await live.close()
    await live.close()
    live.publish(b"late")

    with pytest.raises(ConnectionError):
        await live.ping()
