"""The threads of a process that hash passwords, and their queue."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from madang_auth.metrics import AuthMetrics, HashRefusal
from madang_auth.passwords.fair_queue import FairQueue, QueueFull, SiteFull
from madang_common.problems import TooManyRequests, Unavailable

T = TypeVar("T")
_RETRY_SECONDS = 2.0

_Waiter = asyncio.Future[None]


class HashWorkers:
    """Runs work in a few threads; callers wait for one in a queue that is fair by site."""

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
        """Use the `workers` threads of `pool`; a caller waits at most `seconds` for one."""
        self._pool = pool
        self._idle = workers
        self._queue: FairQueue[_Waiter] = FairQueue(per_site=waiting_per_site, most=waiting)
        self._seconds = seconds
        self._metrics = metrics

    async def run(self, site: str, work: Callable[[], T]) -> T:
        """Run `work` in a thread and return its result.

        Raise TooManyRequests if too many callers of `site` wait, Unavailable if too many wait in
        all or the wait was too long.
        """
        await self._acquire(site)
        try:
            working = asyncio.get_running_loop().run_in_executor(self._pool, work)
        except BaseException:
            self._release()
            raise
        working.add_done_callback(self._done)
        # Shielded, because a thread cannot be cancelled: it is busy until `work` returns.
        return await asyncio.shield(working)

    def close(self) -> None:
        """Stop the threads after their current work."""
        self._pool.shutdown(cancel_futures=True)

    async def _acquire(self, site: str) -> None:
        """Wait for a thread."""
        if self._idle:
            self._idle -= 1
            return
        waiter = self._enqueue(site)
        try:
            async with asyncio.timeout(self._seconds):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._release()
            self._queue.remove(site, waiter)
            if isinstance(error, TimeoutError):
                raise self._refusal("deadline") from None
            raise

    def _enqueue(self, site: str) -> _Waiter:
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        try:
            displaced = self._queue.push(site, waiter)
        except SiteFull:
            self._metrics.hash_refused("address")
            raise TooManyRequests(
                f"Too many logins at once from this address; retry after {_RETRY_SECONDS:.0f} s.",
                retry_after_seconds=_RETRY_SECONDS,
            ) from None
        except QueueFull:
            raise self._refusal("all") from None
        if displaced is not None and not displaced.done():
            displaced.set_exception(self._refusal("displaced"))
        return waiter

    def _refusal(self, reason: HashRefusal) -> Unavailable:
        self._metrics.hash_refused(reason)
        return Unavailable(
            f"Too many logins at once; retry after {_RETRY_SECONDS:.0f} s.",
            retry_after_seconds=_RETRY_SECONDS,
        )

    def _done(self, working: asyncio.Future[T]) -> None:
        if not working.cancelled():
            working.exception()  # retrieved, in case the caller was cancelled
        self._release()

    def _release(self) -> None:
        """Give the free thread to the next waiter."""
        while (waiter := self._queue.pop()) is not None:
            if not waiter.done():
                waiter.set_result(None)
                return
        self._idle += 1
