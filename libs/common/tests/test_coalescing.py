import asyncio
from collections.abc import Sequence

import pytest

from madang_common.coalescing import Coalescer
from madang_common.problems import Unavailable


class Source:
    """Answers with its current value, which it reads when a request arrives."""

    def __init__(self) -> None:
        self.value = 0
        self.requests: list[list[str]] = []
        self.error: Exception | None = None
        self._may_answer = asyncio.Event()
        self._may_answer.set()
        self.second_request = asyncio.Event()

    def hold(self) -> None:
        """Keep back answers from now on."""
        self._may_answer.clear()

    def release(self) -> None:
        self._may_answer.set()

    async def fetch(self, queries: Sequence[str]) -> list[tuple[str, int]]:
        self.requests.append(list(queries))
        if len(self.requests) > 1:
            self.second_request.set()
        value, error = self.value, self.error
        await self._may_answer.wait()
        if error is not None:
            raise error
        return [(query, value) for query in queries]


async def _turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_queries_of_one_turn_are_one_request() -> None:
    source = Source()
    coalescer = Coalescer(source.fetch, most=10)

    answers = await asyncio.gather(*map(coalescer.get, ("a", "b", "a")))

    assert source.requests == [["a", "b"]]
    assert answers == [("a", 0), ("b", 0), ("a", 0)]


async def test_queries_during_a_request_are_sent_together_when_it_ends() -> None:
    source = Source()
    coalescer = Coalescer(source.fetch, most=10)
    source.hold()
    first = asyncio.create_task(coalescer.get("a"))
    await _turns()
    later = [asyncio.create_task(coalescer.get(query)) for query in ("b", "c")]
    await _turns()
    assert source.requests == [["a"]]

    source.release()
    await asyncio.gather(first, *later)

    assert source.requests == [["a"], ["b", "c"]]


async def test_a_query_never_gets_the_answer_to_an_earlier_one() -> None:
    source = Source()
    coalescer = Coalescer(source.fetch, most=10)
    source.hold()
    early = asyncio.create_task(coalescer.get("a"))
    await _turns()
    assert source.requests == [["a"]]  # sent, and answered with the value of this moment

    source.value = 1
    late = asyncio.create_task(coalescer.get("a"))
    await _turns()
    source.release()

    assert await early == ("a", 0)
    assert await late == ("a", 1)


async def test_a_slow_request_delays_the_next_batch_only_for_a_moment() -> None:
    source = Source()
    coalescer = Coalescer(source.fetch, most=10)
    source.hold()
    slow = asyncio.create_task(coalescer.get("a"))
    await _turns()
    next_one = asyncio.create_task(coalescer.get("b"))

    async with asyncio.timeout(5):
        await source.second_request.wait()

    assert not slow.done()
    source.release()
    await asyncio.gather(slow, next_one)


async def test_large_batches_are_split() -> None:
    source = Source()
    coalescer = Coalescer(source.fetch, most=2)

    await asyncio.gather(*map(coalescer.get, ("a", "b", "c")))

    assert source.requests == [["a", "b"], ["c"]]


async def test_a_failed_request_fails_all_of_its_queries_and_no_later_one() -> None:
    source = Source()
    coalescer = Coalescer(source.fetch, most=10)
    source.error = Unavailable("no answer")
    answers = await asyncio.gather(*map(coalescer.get, ("a", "b")), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]

    source.error = None
    assert await coalescer.get("a") == ("a", 0)


async def test_a_cancelled_caller_leaves_the_answer_to_the_others() -> None:
    source = Source()
    coalescer = Coalescer(source.fetch, most=10)
    source.hold()
    gone = asyncio.create_task(coalescer.get("a"))
    other = asyncio.create_task(coalescer.get("a"))
    await _turns()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone

    source.release()

    assert await other == ("a", 0)


@pytest.mark.parametrize("count", [1, 3])
async def test_a_wrong_number_of_answers_is_an_error_for_every_caller(count: int) -> None:
    async def fetch(_: Sequence[str]) -> list[int]:
        return [0] * count

    coalescer = Coalescer(fetch, most=10)

    results = await asyncio.gather(*map(coalescer.get, ("a", "b")), return_exceptions=True)

    assert [str(result) for result in results] == [f"{count} answers to 2 queries"] * 2
