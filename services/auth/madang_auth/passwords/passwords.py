"""Password hashing: argon2id in a few threads, which bounds the cost of a flood of logins."""

import asyncio
import os
import secrets
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from madang_auth.metrics import AuthMetrics
from madang_auth.passwords.hash_workers import HashWorkers
from madang_common.http.forwarded import site

log = structlog.get_logger()

T = TypeVar("T")
_NICENESS = 5
"""Added to the niceness of the threads, which then get a third of a busy processor."""


@dataclass(frozen=True, slots=True)
class HashCost:
    """argon2id's parameters."""

    passes: int
    memory_kib: int
    lanes: int


@dataclass(frozen=True, slots=True)
class HashQueue:
    """Number of workers, and bounds of the queue."""

    workers: int
    waiting: int
    waiting_per_site: int
    seconds: float
    """Longest wait for a worker."""


class Passwords:
    """Hashes and verifies passwords. Make one with `await Passwords.start(...)`."""

    def __init__(
        self, hasher: PasswordHasher, workers: HashWorkers, *, dummy_hash: str, metrics: AuthMetrics
    ) -> None:
        """Hash in `workers`; `dummy_hash` is of a random password."""
        self._hasher = hasher
        self._workers = workers
        self._metrics = metrics
        self._dummy_hash = dummy_hash

    @classmethod
    async def start(cls, cost: HashCost, queue: HashQueue, *, metrics: AuthMetrics) -> "Passwords":
        """Start the threads of `queue`."""
        hasher = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes
        )
        pool = ThreadPoolExecutor(queue.workers, "password-hash", initializer=_lower_priority)
        secret = secrets.token_urlsafe()
        dummy_hash = await asyncio.get_running_loop().run_in_executor(pool, hasher.hash, secret)
        workers = HashWorkers(
            pool,
            workers=queue.workers,
            waiting=queue.waiting,
            waiting_per_site=queue.waiting_per_site,
            seconds=queue.seconds,
            metrics=metrics,
        )
        return cls(hasher, workers, dummy_hash=dummy_hash, metrics=metrics)

    async def hash(self, password: str, *, address: str) -> str:
        """Return the hash to store for `password`.

        Raise TooManyRequests or Unavailable if the queue is full for `address` or in all, or the
        wait was too long.
        """
        return await self._run("hash", address, lambda: self._hasher.hash(_canonical(password)))

    async def verify(self, stored: str | None, password: str, *, address: str) -> bool:
        """Return whether `password` matches the hash `stored`.

        With None, for an unknown user, return False after the same time. Raise as `hash` does.
        """
        return await self._run("verify", address, lambda: self._matches(stored, password))

    def is_outdated(self, stored: str) -> bool:
        """Return whether `stored` was made with other parameters than the current ones."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Stop the threads after their current work."""
        self._workers.close()

    def _matches(self, stored: str | None, password: str) -> bool:
        try:
            self._hasher.verify(stored or self._dummy_hash, _canonical(password))
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as error:
            log.error("password_hash_unusable", error=type(error).__name__)  # noqa: TRY400 - a traceback could show the hash
            return False
        return stored is not None

    async def _run(
        self, operation: Literal["hash", "verify"], address: str, work: Callable[[], T]
    ) -> T:
        with self._metrics.hashing(operation):
            return await self._workers.run(site(address), work)


def _lower_priority() -> None:
    """Lower the priority of this thread and of the threads that argon2 starts from it."""
    if sys.platform == "linux":
        # On Linux each thread has its own priority; the event loop keeps the higher one.
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS)


def _canonical(password: str) -> bytes:
    # Some keyboards send composed Hangul, others its parts; both are the same password.
    return unicodedata.normalize("NFC", password).encode()
