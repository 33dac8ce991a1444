"""Password hashes: argon2id in a few threads, so that a flood of logins has a bounded cost."""

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
_NICER = 5
"""Added to the niceness of the threads, which get a third of a busy processor then."""


@dataclass(frozen=True, slots=True)
class HashCost:
    """argon2id's parameters."""

    passes: int
    memory_kib: int
    lanes: int


@dataclass(frozen=True, slots=True)
class HashQueue:
    """How many hashes are computed at once, and how many may wait."""

    workers: int
    waiting: int
    waiting_per_site: int
    seconds: float
    """Longest wait for a worker."""


class Passwords:
    """Hashes and verifies, in turn by site. Make one with `await Passwords.start(...)`."""

    def __init__(
        self, hasher: PasswordHasher, workers: HashWorkers, *, nobodys: str, metrics: AuthMetrics
    ) -> None:
        """Work through `workers`; `nobodys` is a hash nobody fits."""
        self._hasher = hasher
        self._workers = workers
        self._metrics = metrics
        self._nobodys = nobodys

    @classmethod
    async def start(cls, cost: HashCost, queue: HashQueue, *, metrics: AuthMetrics) -> "Passwords":
        """Start the threads of `queue`."""
        hasher = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes
        )
        pool = ThreadPoolExecutor(queue.workers, "password-hash", initializer=_give_way)
        secret = secrets.token_urlsafe()
        nobodys = await asyncio.get_running_loop().run_in_executor(pool, hasher.hash, secret)
        workers = HashWorkers(
            pool,
            workers=queue.workers,
            waiting=queue.waiting,
            waiting_per_site=queue.waiting_per_site,
            seconds=queue.seconds,
            metrics=metrics,
        )
        return cls(hasher, workers, nobodys=nobodys, metrics=metrics)

    async def hash(self, password: str, *, address: str) -> str:
        """Return the hash to store for `password`, in the turn of `address`.

        Raise TooManyRequests or Unavailable if it cannot wait, or has waited too long.
        """
        return await self._run("hash", address, lambda: self._hasher.hash(_canonical(password)))

    async def verify(self, stored: str | None, password: str, *, address: str) -> bool:
        """Return whether `password` is the one behind `stored`, in the turn of `address`.

        None stands for the hash of nobody: no password fits it, which takes the same time.
        Raise as `hash` does.
        """
        return await self._run("verify", address, lambda: self._fits(stored, password))

    def is_outdated(self, stored: str) -> bool:
        """Return whether `stored` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """End the threads once what they do is done."""
        self._workers.close()

    def _fits(self, stored: str | None, password: str) -> bool:
        try:
            self._hasher.verify(stored or self._nobodys, _canonical(password))
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as error:
            log.error("password_hash_unusable", error=type(error).__name__)  # noqa: TRY400 - no trace
            return False
        return stored is not None

    async def _run(
        self, operation: Literal["hash", "verify"], address: str, work: Callable[[], T]
    ) -> T:
        with self._metrics.hashing(operation):
            return await self._workers.run(site(address), work)


def _give_way() -> None:
    """Lower the priority of this thread, and of those that argon2 starts in it."""
    if sys.platform == "linux":
        # Each thread has a priority of its own there; the event loop keeps the higher one.
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICER)


def _canonical(password: str) -> bytes:
    # Some keyboards compose Hangul, others send its parts: the same password either way.
    return unicodedata.normalize("NFC", password).encode()
