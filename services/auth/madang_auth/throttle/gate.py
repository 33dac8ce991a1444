"""What auth throttles, and how it tells those who must wait."""

import hashlib
import ipaddress
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import structlog

from madang_auth.metrics import AuthMetrics
from madang_auth.problems import WrongPassword
from madang_auth.throttle.bucket import Limit, Refused
from madang_auth.throttle.port import Throttle
from madang_common.clock import Clock
from madang_common.problems import TooManyRequests, Unauthenticated

log = structlog.get_logger()

Name = Literal["login_username", "login_address", "registration", "client"]
_IPV6_SITE_BITS = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """The limit of each thing that is throttled."""

    login_username: Limit
    login_address: Limit
    registration: Limit
    client: Limit


class Gate:
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
        await self._take("registration", site(address))

    @asynccontextmanager
    async def login(self, username: str, address: str) -> AsyncGenerator[None]:
        """Count a wrong password if the block raises Unauthenticated or WrongPassword.

        A try counts while it is under way: many at once get no more guesses than the limit.
        """
        tries: Sequence[tuple[Name, str]] = (
            ("login_address", site(address)),
            ("login_username", username),
        )
        async with self._counting_failures(tries):
            yield

    @asynccontextmanager
    async def client(self, name: str, address: str) -> AsyncGenerator[None]:
        """Count a service's failed try to get a token if the block raises Unauthenticated."""
        async with self._counting_failures([("client", f"{site(address)} {name}")]):
            yield

    @asynccontextmanager
    async def _counting_failures(self, tries: Sequence[tuple[Name, str]]) -> AsyncGenerator[None]:
        taken: list[tuple[Name, str]] = []
        failed = False
        try:
            for name, subject in tries:
                await self._take(name, subject)
                taken.append((name, subject))
            yield
        except (Unauthenticated, WrongPassword):
            failed = True
            raise
        finally:
            if not failed:
                for name, subject in taken:
                    await self._throttle.give_back(
                        _key(name, subject), self._limit(name), now=self._clock()
                    )

    async def _take(self, name: Name, subject: str) -> None:
        outcome = await self._throttle.take(
            _key(name, subject), self._limit(name), now=self._clock()
        )
        if isinstance(outcome, Refused):
            self._metrics.throttled(name)
            log.warning("throttled", what=name)
            raise TooManyRequests(
                "too many tries; wait a while", retry_after_seconds=outcome.wait_seconds
            )

    def _limit(self, name: Name) -> Limit:
        limit: Limit = getattr(self._limits, name)
        return limit


def site(address: str) -> str:
    """Return what one person has of `address`: an IPv4 address, or a whole IPv6 /64."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, _IPV6_SITE_BITS), strict=False))


def _key(name: Name, subject: str) -> str:
    # Hashed, for people type passwords into the field for usernames.
    return f"{name}:{hashlib.sha256(subject.encode()).hexdigest()[:32]}"
