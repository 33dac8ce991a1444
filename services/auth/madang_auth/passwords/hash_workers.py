"""The threads that hash passwords, and their queue; each process has its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from madang_auth.metrics import AuthMetrics, HashRefusal
from madang_auth.passwords.fair_queue import FairQueue, QueueFull, SiteFull
from madang_common.problems import TooManyRequests, Unavailable

T = TypeVar("T")
_RETRY_SECONDS = 2.0

_Turn = asyncio.Future[None]


class HashWorkers:
    """Runs work in a few threads; callers wait for a thread in turn by site."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        *,
        workers: int,
        waiting: int,
        waiting_per_site: int,
        seconds: float,
        metrics: AuthMetrics,
    ) -> None:
        """Use the `workers` threads of `pool`; nobody waits for longer than `seconds`."""
        self._pool = pool
        self._idle = workers
        self._queue: FairQueue[_Turn] = FairQueue(per_site=waiting_per_site, most=waiting)
        self._seconds = seconds
        self._metrics = metrics

    async def run(self, site: str, work: Callable[[], T]) -> T:
        """Run `work` in a thread when it is the turn of `site`, and return its result.

        Raise TooManyRequests if too many callers of the site wait, Unavailable if too many wait in
        all or the wait was too long.
        """
        await self._turn(site)
        try:
            working = asyncio.get_running_loop().run_in_executor(self._pool, work)
        except BaseException:
            self._next()
            raise
        working.add_done_callback(self._done)
        # Shielded, because a thread cannot be stopped: it is busy until `work` returns.
        return await asyncio.shield(working)

    def close(self) -> None:
        """End the threads once what they do is done."""
        self._pool.shutdown(cancel_futures=True)

    async def _turn(self, site: str) -> None:
        """Wait until this caller has a thread."""
        if self._idle:
            self._idle -= 1
            return
        turn = self._wait_at(site)
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._next()
            self._queue.remove(site, turn)
            if isinstance(error, TimeoutError):
                raise self._refusal("deadline") from None
            raise

    def _wait_at(self, site: str) -> _Turn:
        turn: _Turn = asyncio.get_running_loop().create_future()
        try:
            displaced = self._queue.push(site, turn)
        except SiteFull:
            self._metrics.hash_refused("address")
            raise TooManyRequests(
                "Too many passwords are being checked for this address. Try again in"
                f" {_RETRY_SECONDS:.0f} s.",
                retry_after_seconds=_RETRY_SECONDS,
            ) from None
        except QueueFull:
            raise self._refusal("all") from None
        if displaced is not None and not displaced.done():
            displaced.set_exception(self._refusal("displaced"))
        return turn

    def _refusal(self, reason: HashRefusal) -> Unavailable:
        self._metrics.hash_refused(reason)
        return Unavailable(
            f"Too many people are logging in at once. Try again in {_RETRY_SECONDS:.0f} s.",
            retry_after_seconds=_RETRY_SECONDS,
        )

    def _done(self, working: asyncio.Future[T]) -> None:
        if not working.cancelled():
            working.exception()  # retrieved, in case the caller is gone
        self._next()

    def _next(self) -> None:
        """Give the free thread to the next caller in the queue."""
        while (turn := self._queue.pop()) is not None:
            if not turn.done():
                turn.set_result(None)
                return
        self._idle += 1
