"""Password hashes: argon2id in a few threads, so that a flood of logins has a bounded cost."""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from madang_auth.metrics import AuthMetrics
from madang_common.problems import Unavailable

log = structlog.get_logger()

T = TypeVar("T")
_RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class HashCost:
    """argon2id's parameters."""

    passes: int
    memory_kib: int
    lanes: int


class Passwords:
    """Hashes and verifies. Make one with `await Passwords.start(...)`."""

    def __init__(
        self,
        hasher: PasswordHasher,
        pool: ThreadPoolExecutor,
        *,
        nobodys: str,
        most: int,
        metrics: AuthMetrics,
    ) -> None:
        """Work in `pool`, for at most `most` callers at once; `nobodys` is a hash nobody fits."""
        self._hasher = hasher
        self._pool = pool
        self._most = most
        self._metrics = metrics
        self._nobodys = nobodys
        self._under_way = 0

    @classmethod
    async def start(
        cls, cost: HashCost, *, workers: int, waiting: int, metrics: AuthMetrics
    ) -> "Passwords":
        """Start `workers` threads, for which at most `waiting` more callers may wait."""
        hasher = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes
        )
        pool = ThreadPoolExecutor(workers, "password-hash")
        secret = secrets.token_urlsafe()
        nobodys = await asyncio.get_running_loop().run_in_executor(pool, hasher.hash, secret)
        return cls(hasher, pool, nobodys=nobodys, most=workers + waiting, metrics=metrics)

    async def hash(self, password: str) -> str:
        """Return the hash to store for `password`."""
        return await self._run("hash", lambda: self._hasher.hash(_canonical(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Return whether `password` is the one behind `stored`.

        None stands for the hash of nobody: no password fits it, which takes the same time.
        """
        return await self._run("verify", lambda: self._fits(stored, password))

    def is_outdated(self, stored: str) -> bool:
        """Return whether `stored` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """End the threads once what they do is done."""
        self._pool.shutdown(cancel_futures=True)

    def _fits(self, stored: str | None, password: str) -> bool:
        try:
            self._hasher.verify(stored or self._nobodys, _canonical(password))
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as error:
            log.error("password_hash_unusable", error=type(error).__name__)  # noqa: TRY400 - no trace
            return False
        return stored is not None

    async def _run(self, operation: Literal["hash", "verify"], work: Callable[[], T]) -> T:
        if self._under_way >= self._most:
            raise Unavailable("too many logins at once", retry_after_seconds=_RETRY_SECONDS)
        self._under_way += 1
        try:
            with self._metrics.hashing(operation):
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._under_way -= 1


def _canonical(password: str) -> bytes:
    # Some keyboards compose Hangul, others send its parts: the same password either way.
    return unicodedata.normalize("NFC", password).encode()
