"""The limits of auth, and the refusals when one is reached."""

import hashlib
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import structlog

from madang_auth.metrics import AuthMetrics
from madang_auth.problems import WrongPassword
from madang_auth.throttle.bucket import Limit
from madang_auth.throttle.port import Charge, Refusal, Throttle
from madang_common.clock import Clock
from madang_common.http.forwarded import site
from madang_common.problems import Problem, TooManyRequests, Unauthenticated, Unavailable

log = structlog.get_logger()

Name = Literal[
    "login_username_address",
    "login_username",
    "login_address",
    "login_tries",
    "login_successes",
    "password_changes",
    "refreshes",
    "registration",
    "client",
]
_SENTENCES: dict[Name, str] = {
    "login_username_address": "Too many wrong passwords for this username.",
    "login_username": "Too many wrong passwords for this username.",
    "login_address": "Too many failed logins from this address.",
    "login_tries": "Too many logins from this address.",
    "login_successes": "Too many logins of this user.",
    "password_changes": "Too many changes of this password.",
    "refreshes": "Too many refreshes by this user.",
    "registration": "Too many registrations from this address.",
    "client": "Too many failed requests for service tokens.",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The limit of each operation, and how many sites of good logins are remembered."""

    login_username_address: Limit
    login_username: Limit
    login_address: Limit
    login_tries: Limit
    login_successes: Limit
    password_changes: Limit
    refreshes: Limit
    registration: Limit
    client: Limit
    known_sites: int
    """Most sites of one username that are remembered."""
    known_seconds: float
    """How long a site is remembered after a login."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """A charge and what it is for."""

    name: Name
    charge: Charge


class Limiter:
    """Lets a try through, or raises TooManyRequests with the time to wait."""

    def __init__(
        self, throttle: Throttle, limits: Limits, *, metrics: AuthMetrics, clock: Clock
    ) -> None:
        self._throttle = throttle
        self._limits = limits
        self._metrics = metrics
        self._clock = clock

    async def registration(self, address: str) -> None:
        """Count a registration from `address`."""
        await self._take([self._counted("registration", site(address))])

    async def refresh(self, user: str) -> None:
        """Count a refresh by `user`."""
        await self._take([self._counted("refreshes", user)])

    @asynccontextmanager
    async def login(self, username: str, address: str) -> AsyncGenerator[None]:
        """Count a good login if the block ends well, a wrong password if it raises that."""
        async with self._password(username, address, self._counted("login_successes", username)):
            yield

    @asynccontextmanager
    async def password_change(self, username: str, address: str) -> AsyncGenerator[None]:
        """Count a change of password if the block ends well, a wrong password if it raises that."""
        async with self._password(username, address, self._counted("password_changes", username)):
            yield

    @asynccontextmanager
    async def client(self, name: str, address: str) -> AsyncGenerator[None]:
        """Count a service's failed try to get a token if the block raises Unauthenticated."""
        async with self._counting_failures([self._counted("client", f"{site(address)} {name}")]):
            yield

    @asynccontextmanager
    async def _password(
        self, username: str, address: str, success: _Counted
    ) -> AsyncGenerator[None]:
        """Let a password be tried, unless too many were wrong or too many right lately.

        Wrong ones are counted for the name at this site first. The looser limits, of the name at
        all sites and of the site for all names, are not for a site where the name has logged in
        lately: its user must not be kept out by what others do elsewhere.
        """
        where = site(address)
        tries = self._counted("login_tries", where)
        here = self._counted("login_username_address", f"{where} {username}")
        around = [
            self._counted("login_address", where),
            self._counted("login_username", username),
        ]
        if await self._knows(username, where):
            around = []
        await self._refuse_if_full(success)
        async with self._counting_failures([here, *around], always=[tries]):
            yield
        # Not before: a failed try must not use up the allowance of the name's owner.
        await self._take([success])
        await self._throttle.remember(
            _hashed(username),
            _hashed(where),
            until=self._clock() + self._limits.known_seconds,
            most=self._limits.known_sites,
            now=self._clock(),
        )

    @asynccontextmanager
    async def _counting_failures(
        self, tries: Sequence[_Counted], *, always: Sequence[_Counted] = ()
    ) -> AsyncGenerator[None]:
        """Count `tries` if the block refuses the caller, `always` unless it could not be done.

        They count while it is under way: many at once get no more than the limit.
        """
        await self._take([*tries, *always])
        undone = [*tries]
        try:
            yield
        except (Unauthenticated, WrongPassword):
            undone = []
            raise
        except (Unavailable, TooManyRequests):
            undone = [*tries, *always]
            raise
        finally:
            if undone:
                charges = [counted.charge for counted in undone]
                await self._throttle.give_back(charges, now=self._clock())

    async def _knows(self, username: str, where: str) -> bool:
        return await self._throttle.knows(_hashed(username), _hashed(where), now=self._clock())

    async def _refuse_if_full(self, counted: _Counted) -> None:
        refusal = await self._throttle.check(counted.charge, now=self._clock())
        if refusal is not None:
            raise self._refused(counted, refusal)

    async def _take(self, counted: Sequence[_Counted]) -> None:
        refusal = await self._throttle.take([one.charge for one in counted], now=self._clock())
        if refusal is not None:
            raise self._refused(
                next(one for one in counted if one.charge == refusal.charge), refusal
            )

    def _refused(self, counted: _Counted, refusal: Refusal) -> Problem:
        self._metrics.throttled(counted.name)
        log.warning("throttled", what=counted.name)
        wait = math.ceil(refusal.wait_seconds)
        return TooManyRequests(
            f"{_SENTENCES[counted.name]} Try again in {wait} s.",
            retry_after_seconds=refusal.wait_seconds,
        )

    def _counted(self, name: Name, subject: str) -> _Counted:
        limit: Limit = getattr(self._limits, name)
        return _Counted(name, Charge(f"{name}:{_hashed(subject)}", limit))


def _hashed(subject: str) -> str:
    # People type passwords into the field for usernames.
    return hashlib.sha256(subject.encode()).hexdigest()[:32]
