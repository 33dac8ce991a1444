"""Coalescing of queries: those that meet are sent in one request."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q", bound=Hashable)
A = TypeVar("A")

_MAX_WAIT_SECONDS = 0.1
"""Longest time that queries wait for a request in flight."""


class Coalescer(Generic[Q, A]):
    """Sends queries of one turn of the event loop in one request, and those during a request next.

    The slower the responses, the larger the batches. An answer is never older than its query: a
    query joins only a batch that has not been sent, even if the same query is in flight.
    """

    def __init__(
        self, fetch: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], *, most: int
    ) -> None:
        """Send at most `most` queries in a request; `fetch` returns their answers in order."""
        self._fetch = fetch
        self._most = most
        self._batch: dict[Q, asyncio.Future[A]] = {}
        """The queries that will be sent next."""
        self._scheduled: asyncio.Handle | None = None
        """The call that will send them."""
        self._requests: set[asyncio.Task[None]] = set()

    async def get(self, query: Q) -> A:
        """Return the answer to `query`; raise what the request raised."""
        answer = self._batch.get(query)
        if answer is None:
            loop = asyncio.get_running_loop()
            if not self._batch:
                self._scheduled = (
                    loop.call_later(_MAX_WAIT_SECONDS, self._send)
                    if self._requests
                    else loop.call_soon(self._send)
                )
            answer = self._batch[query] = loop.create_future()
        # Shielded, because a caller that is cancelled must not take the answer from the others.
        return await asyncio.shield(answer)

    def _send(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
        batch, self._batch = list(self._batch.items()), {}
        for start in range(0, len(batch), self._most):
            request = asyncio.create_task(self._request(batch[start : start + self._most]))
            self._requests.add(request)
            request.add_done_callback(self._ended)

    def _ended(self, request: asyncio.Task[None]) -> None:
        self._requests.discard(request)
        if self._batch and not self._requests:
            self._send()

    async def _request(self, batch: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._fetch_all([query for query, _ in batch])
            for (_, pending), answer in zip(batch, answers, strict=True):
                pending.set_result(answer)
        except Exception as error:  # noqa: BLE001 - every caller raises it
            for _, pending in batch:
                pending.set_exception(error)
                pending.exception()  # mark it as retrieved: every caller may be gone
        finally:
            for _, pending in batch:
                pending.cancel()  # does nothing unless the request was cancelled

    async def _fetch_all(self, queries: Sequence[Q]) -> Sequence[A]:
        """Return an answer to each query; raise ValueError if their number is wrong."""
        answers = await self._fetch(queries)
        if len(answers) != len(queries):
            raise ValueError(f"{len(answers)} answers to {len(queries)} queries")
        return answers
