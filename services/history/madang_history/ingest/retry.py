"""Retries of everything that ingest does."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from madang_history.metrics import HistoryMetrics

log = structlog.get_logger()

T = TypeVar("T")


class Retry:
    """Retries after any exception, so that nothing is skipped; logs and counts each failure."""

    def __init__(
        self, metrics: HistoryMetrics, *, max_seconds: float, shard: int | None = None
    ) -> None:
        """Pause for up to `max_seconds` between attempts; name `shard` in the log."""
        self._metrics = metrics
        self._backoff = wait_random_exponential(multiplier=0.05, max=max_seconds)
        self._log = log if shard is None else log.bind(shard=shard)

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of the first attempt that succeeds."""
        async for attempt in AsyncRetrying(wait=self._backoff, before_sleep=self._report):
            with attempt:
                return await work()
        raise AssertionError("unreachable")

    def _report(self, state: RetryCallState) -> None:
        self._metrics.failures.inc()
        error = state.outcome.exception() if state.outcome else None
        self._log.warning(
            "ingest_failed",
            attempt=state.attempt_number,
            error=repr(error),
            cause=repr(error.__cause__) if error else None,
        )
