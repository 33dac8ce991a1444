"""Coalesced writes."""

import asyncio

from madang_gateway.node.write_scheduler import WriteScheduler


class Connection:
    """Counts its flushes."""

    def __init__(self, scheduler: WriteScheduler, writes: int = 0) -> None:
        self.scheduler = scheduler
        self.writes = writes
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1
        if self.writes:
            self.writes -= 1
            self.scheduler.add(self)


async def test_connections_are_flushed_once_at_the_end_of_the_turn() -> None:
    scheduler = WriteScheduler(asyncio.get_running_loop())
    first, second = Connection(scheduler), Connection(scheduler)

    scheduler.add(first)
    scheduler.add(second)
    assert (first.flushed, second.flushed) == (0, 0)
    await asyncio.sleep(0)

    assert (first.flushed, second.flushed) == (1, 1)


async def test_a_connection_added_during_the_flush_is_flushed_in_the_next_turn() -> None:
    scheduler = WriteScheduler(asyncio.get_running_loop())
    connection = Connection(scheduler, writes=1)

    scheduler.add(connection)
    await asyncio.sleep(0)
    assert connection.flushed == 1
    await asyncio.sleep(0)

    assert connection.flushed == 2
