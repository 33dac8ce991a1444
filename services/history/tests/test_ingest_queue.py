import asyncio

from madang_common.log.port import Batch
from madang_history.ingest.ingest_queue import IngestQueue


def batch(offset: int, lines: int = 1) -> Batch:
    return Batch(offset, (b"x" * 10,) * lines)


async def test_queued_batches_are_taken_together_in_order() -> None:
    backlog = IngestQueue(max_bytes=1000, batch_events=100)
    for offset in range(5):
        await backlog.put(batch(offset))

    assert [taken.offset for taken in await backlog.take()] == [0, 1, 2, 3, 4]
    assert backlog.oldest is None


async def test_a_write_has_a_limit_of_events() -> None:
    backlog = IngestQueue(max_bytes=1000, batch_events=4)
    for offset in range(4):
        await backlog.put(batch(offset, lines=3))

    assert [taken.offset for taken in await backlog.take()] == [0, 1]
    assert backlog.oldest == batch(2, lines=3)
    assert [taken.offset for taken in await backlog.take()] == [2, 3]


async def test_a_full_queue_blocks_the_reader() -> None:
    backlog = IngestQueue(max_bytes=20, batch_events=1)
    await backlog.put(batch(0))
    await backlog.put(batch(1))
    putting = asyncio.create_task(backlog.put(batch(2)))
    await asyncio.sleep(0)
    assert not putting.done()

    await backlog.take()

    await asyncio.wait_for(putting, 5)


async def test_a_batch_larger_than_the_queue_is_accepted() -> None:
    backlog = IngestQueue(max_bytes=5, batch_events=1)

    await asyncio.wait_for(backlog.put(batch(0, lines=100)), 5)

    assert await backlog.take() == [batch(0, lines=100)]


async def test_the_writer_waits_for_the_reader() -> None:
    backlog = IngestQueue(max_bytes=20, batch_events=1)
    taking = asyncio.create_task(backlog.take())
    await asyncio.sleep(0)

    await backlog.put(batch(0))

    assert await asyncio.wait_for(taking, 5) == [batch(0)]


async def test_a_cancelled_wait_loses_nothing() -> None:
    backlog = IngestQueue(max_bytes=20, batch_events=1)
    taking = asyncio.create_task(backlog.take())
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait([taking])

    await backlog.put(batch(0))

    assert await backlog.take() == [batch(0)]
