"""The rate limits of auth, and the refusals above them."""

import hashlib
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import structlog

from madang_auth.metrics import AuthMetrics
from madang_auth.problems import WrongPassword
from madang_auth.settings import AuthSettings
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
_REFUSALS: dict[Name, str] = {
    "login_username_address": "Too many wrong passwords for this username",
    "login_username": "Too many wrong passwords for this username",
    "login_address": "Too many failed logins from this address",
    "login_tries": "Too many logins from this address",
    "login_successes": "Too many logins of this user",
    "password_changes": "Too many changes of this password",
    "refreshes": "Too many refreshes by this user",
    "registration": "Too many registrations from this address",
    "client": "Too many failed requests for service tokens",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The limit of each operation, and of the known sites."""

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
    """Most known sites of one username."""
    known_seconds: float
    """How long a site is known after a login."""


def limits_of(settings: AuthSettings) -> Limits:
    """Return the limits of `settings`."""
    failures = settings.login_failures_window_seconds
    tries = settings.login_tries_window_seconds
    return Limits(
        login_username_address=Limit(settings.login_failures_per_username_and_address, failures),
        login_username=Limit(settings.login_failures_per_username, failures),
        login_address=Limit(settings.login_failures_per_address, failures),
        login_tries=Limit(settings.login_tries_per_address, tries),
        login_successes=Limit(settings.login_successes_per_user, tries),
        password_changes=Limit(
            settings.password_changes_per_user, settings.password_changes_window_seconds
        ),
        refreshes=Limit(settings.refreshes_per_user, settings.refreshes_window_seconds),
        registration=Limit(
            settings.registrations_per_address, settings.registrations_window_seconds
        ),
        client=Limit(settings.client_failures_per_address, settings.client_failures_window_seconds),
        known_sites=settings.login_known_addresses,
        known_seconds=settings.login_known_address_seconds,
    )


@dataclass(frozen=True, slots=True)
class _NamedCharge:
    """A charge with the name of its limit."""

    name: Name
    charge: Charge


class Limiter:
    """Counts attempts; raises TooManyRequests above a limit, with the time to wait."""

    def __init__(
        self, throttle: Throttle, limits: Limits, *, metrics: AuthMetrics, clock: Clock
    ) -> None:
        self._throttle = throttle
        self._limits = limits
        self._metrics = metrics
        self._clock = clock

    async def registration(self, address: str) -> None:
        """Count a registration from `address`."""
        await self._take([self._charge("registration", site(address))])

    async def refresh(self, user: str) -> None:
        """Count a refresh by `user`."""
        await self._take([self._charge("refreshes", user)])

    @asynccontextmanager
    async def login(self, username: str, address: str) -> AsyncIterator[None]:
        """Count a login if the block succeeds, a failure if it raises WrongCredentials."""
        async with self._password(username, address, self._charge("login_successes", username)):
            yield

    @asynccontextmanager
    async def password_change(self, username: str, address: str) -> AsyncIterator[None]:
        """Count a password change if the block succeeds, a failure if it raises WrongPassword."""
        async with self._password(username, address, self._charge("password_changes", username)):
            yield

    @asynccontextmanager
    async def client(self, name: str, address: str) -> AsyncIterator[None]:
        """Count a failed request for a service token if the block raises Unauthenticated."""
        async with self._counting_failures([self._charge("client", f"{site(address)} {name}")]):
            yield

    @asynccontextmanager
    async def _password(
        self, username: str, address: str, success: _NamedCharge
    ) -> AsyncIterator[None]:
        """Allow a password attempt, unless too many failed or succeeded recently.

        Failures count for the name at this site. The limits of the name at all sites, and of the
        site for all names, do not apply to a known site of the name: failures of others elsewhere
        must not lock its user out.
        """
        where = site(address)
        attempts = self._charge("login_tries", where)
        here = self._charge("login_username_address", f"{where} {username}")
        wider = [
            self._charge("login_address", where),
            self._charge("login_username", username),
        ]
        if await self._knows(username, where):
            wider = []
        await self._check(success)
        async with self._counting_failures([here, *wider], always=[attempts]):
            yield
        # Not earlier: a failed attempt must not count against the user's limit of logins.
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
        self, failures: Sequence[_NamedCharge], *, always: Sequence[_NamedCharge] = ()
    ) -> AsyncIterator[None]:
        """Count `failures` if the block refuses the caller, `always` unless it is unavailable.

        All count while the block runs, so that concurrent attempts cannot exceed the limit.
        """
        await self._take([*failures, *always])
        not_counted = [*failures]
        try:
            yield
        except (Unauthenticated, WrongPassword):
            not_counted = []
            raise
        except (Unavailable, TooManyRequests):
            not_counted = [*failures, *always]
            raise
        finally:
            if not_counted:
                charges = [counted.charge for counted in not_counted]
                await self._throttle.give_back(charges, now=self._clock())

    async def _knows(self, username: str, where: str) -> bool:
        return await self._throttle.knows(_hashed(username), _hashed(where), now=self._clock())

    async def _check(self, counted: _NamedCharge) -> None:
        refusal = await self._throttle.check(counted.charge, now=self._clock())
        if refusal is not None:
            raise self._refused(counted, refusal)

    async def _take(self, counted: Sequence[_NamedCharge]) -> None:
        refusal = await self._throttle.take([one.charge for one in counted], now=self._clock())
        if refusal is not None:
            raise self._refused(
                next(one for one in counted if one.charge == refusal.charge), refusal
            )

    def _refused(self, counted: _NamedCharge, refusal: Refusal) -> Problem:
        self._metrics.throttled(counted.name)
        log.warning("throttled", what=counted.name)
        wait = math.ceil(refusal.wait_seconds)
        return TooManyRequests(
            f"{_REFUSALS[counted.name]}; retry after {wait} s.",
            retry_after_seconds=refusal.wait_seconds,
        )

    def _charge(self, name: Name, subject: str) -> _NamedCharge:
        limit: Limit = getattr(self._limits, name)
        return _NamedCharge(name, Charge(f"{name}:{_hashed(subject)}", limit))


def _hashed(subject: str) -> str:
    # The subject may be a password that was typed into the field for the username.
    return hashlib.sha256(subject.encode()).hexdigest()[:32]
