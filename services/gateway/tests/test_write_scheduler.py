import asyncio

from madang_gateway.node.write_scheduler import WriteScheduler


class Connection:
    """Counts how often its output is handed on."""

    def __init__(self, flusher: WriteScheduler, answers: int = 0) -> None:
        self.flusher = flusher
        self.answers = answers
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1
        if self.answers:
            self.answers -= 1
            self.flusher.add(self)


async def test_all_that_one_turn_has_is_flushed_at_its_end() -> None:
    flusher = WriteScheduler(asyncio.get_running_loop())
    first, second = Connection(flusher), Connection(flusher)

    flusher.add(first)
    flusher.add(second)
    assert (first.flushed, second.flushed) == (0, 0)
    await asyncio.sleep(0)

    assert (first.flushed, second.flushed) == (1, 1)


async def test_what_is_added_while_flushing_waits_for_the_next_turn() -> None:
    flusher = WriteScheduler(asyncio.get_running_loop())
    connection = Connection(flusher, answers=1)

    flusher.add(connection)
    await asyncio.sleep(0)
    assert connection.flushed == 1
    await asyncio.sleep(0)

    assert connection.flushed == 2
