import asyncio
from contextlib import aclosing

from madang_common.live.inprocess import InProcessLive


async def test_a_listener_too_far_behind_loses_the_oldest() -> None:
    live = InProcessLive(backlog=3)
    async with aclosing(live.listen()) as notices:
        waiting = asyncio.create_task(anext(notices))
        await asyncio.sleep(0)

        for n in range(5):
            live.publish(b"%d" % n)

        assert await waiting == (b"2", b"3", b"4")


async def test_notices_that_come_together_are_heard_together() -> None:
    live = InProcessLive()
    async with aclosing(live.listen()) as notices:
        waiting = asyncio.create_task(anext(notices))
        await asyncio.sleep(0)

        live.publish(b"a")
        live.publish(b"b")

        assert await waiting == (b"a", b"b")


async def test_a_listener_that_left_is_forgotten() -> None:
    live = InProcessLive()
    async with aclosing(live.listen()) as notices:
        waiting = asyncio.create_task(anext(notices))
        await asyncio.sleep(0)
        live.publish(b"a")
        await waiting
        assert len(live._listeners) == 1

    assert not live._listeners


async def test_what_came_before_closing_is_still_heard() -> None:
    live = InProcessLive()
    heard: list[bytes] = []

    async def listen() -> None:
        async for lines in live.listen():
            heard.extend(lines)

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)

    live.publish(b"last words")
    await live.close()

    await asyncio.wait_for(listening, 5)
    assert heard == [b"last words"]
