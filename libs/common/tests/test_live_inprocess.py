import asyncio
from contextlib import aclosing

from madang_common.live.inprocess import InProcessLive


async def test_a_slow_listener_loses_the_oldest_events() -> None:
    live = InProcessLive(backlog=3)
    async with aclosing(live.listen()) as notices:
        waiting = asyncio.create_task(anext(notices))
        await asyncio.sleep(0)

        for n in range(5):
            live.publish(b"%d" % n)

        assert await waiting == (b"2", b"3", b"4")


async def test_queued_events_are_yielded_together() -> None:
    live = InProcessLive()
    async with aclosing(live.listen()) as notices:
        waiting = asyncio.create_task(anext(notices))
        await asyncio.sleep(0)

        live.publish(b"a")
        live.publish(b"b")

        assert await waiting == (b"a", b"b")


async def test_a_closed_listener_is_removed() -> None:
    live = InProcessLive()
    async with aclosing(live.listen()) as notices:
        waiting = asyncio.create_task(anext(notices))
        await asyncio.sleep(0)
        live.publish(b"a")
        await waiting
        assert len(live._listeners) == 1

    assert not live._listeners


async def test_events_queued_before_closing_are_yielded() -> None:
    live = InProcessLive()
    received: list[bytes] = []

    async def listen() -> None:
        async for lines in live.listen():
            received.extend(lines)

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)

    live.publish(b"last words")
    await live.close()

    await asyncio.wait_for(listening, 5)
    assert received == [b"last words"]
