"""Admission control of upgrade requests."""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from websockets.http11 import Request

from madang_common.clock import MonotonicClock
from madang_common.http.forwarded import Proxies, site
from madang_common.http.hosts import UnknownHost
from madang_common.problems import (
    Forbidden,
    NotFound,
    Problem,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from madang_common.tokens.verifier import TokenVerifier
from madang_gateway.limits import budget
from madang_gateway.limits.budget import Budget
from madang_gateway.settings import GatewaySettings
from madang_gateway.upgrade.connection_rate import ConnectionRate
from madang_gateway.upgrade.policy import Framing, check_host, check_origin, framing, upgrade_token

_RETRY_SECONDS = 5
_DRAINING_RETRY_SECONDS = 3


class Draining(Unavailable):
    """This gateway is shutting down; other replicas may be available."""


class GatewayFull(Unavailable):
    """This gateway has reached its connection limit."""


class ConnectionRateExceeded(Unavailable):
    """Clients connect faster than this gateway accepts connections."""


class AddressConnectionsExceeded(TooManyRequests):
    """The address has reached its connection limit."""


class AddressRateExceeded(TooManyRequests):
    """The address has used up its rate limit."""


class UserConnectionsExceeded(TooManyRequests):
    """The user has reached their connection limit."""


BAD_HANDSHAKE = "handshake"
"""Reason of a refused upgrade that violates RFC 6455."""
_REASONS: Mapping[type[Problem], str] = {
    NotFound: "path",
    UnknownHost: "host",
    Forbidden: "origin",
    Unauthenticated: "token",
    Draining: "draining",
    GatewayFull: "full",
    ConnectionRateExceeded: "rate",
    AddressConnectionsExceeded: "address",
    AddressRateExceeded: "address_rate",
    UserConnectionsExceeded: "user",
}


def reason_of(problem: Problem) -> str:
    """Return the metric label for a refused upgrade."""
    return _REASONS.get(type(problem), "other")


class UserSessions(Protocol):
    """The open sessions of this gateway."""

    def sessions(self, user: str) -> tuple[object, ...]:
        """Return the sessions of `user`."""
        ...


class Admission:
    """Counts connections in total and by address, and refuses upgrades over a limit."""

    def __init__(
        self,
        settings: GatewaySettings,
        verifier: TokenVerifier,
        registry: UserSessions,
        rate_limits: Budget,
        *,
        clock: MonotonicClock = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Spread the retries of refused clients by `chance`, a random number in [0, 1)."""
        self._settings = settings
        self._verifier = verifier
        self._registry = registry
        self._rate_limits = rate_limits
        self._hosts = settings.hosts
        self._proxies = Proxies(settings.proxy_addresses)
        self._connections_by_address: Counter[str] = Counter()
        self._connections = 0
        self._clock = clock
        self._chance = chance
        self._connection_rate = ConnectionRate(settings.connections_per_second, chance)
        self.draining = False
        """Whether this gateway is shutting down and refuses new connections."""

    def check(self, request: Request, peer: object) -> tuple[Framing, str]:
        """Return the framing and the client's address; raise the Problem of a refusal.

        `peer` is the transport's `peername`.
        """
        address = self._address(request, peer)
        token = upgrade_token(request.headers)
        self._charge(address, token)
        path_framing = framing(request.path)
        check_host(request.headers, self._hosts)
        check_origin(request.headers, self._settings.allowed_origins)
        if self.draining:
            seconds = _DRAINING_RETRY_SECONDS * (1 - self._chance())
            raise Draining("This gateway is shutting down; reconnect.", retry_after_seconds=seconds)
        if self._connections >= self._settings.connections_limit:
            raise GatewayFull(
                "This gateway has reached its connection limit; try again later.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        if self._connections_by_address[address] >= self._settings.connections_per_address:
            raise AddressConnectionsExceeded(
                "Too many connections from your address; close one.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        self._check_rate()
        self._check_user(token)
        return path_framing, address

    def check_sessions(self, user: str) -> None:
        """Raise UserConnectionsExceeded if `user` has reached the connection limit."""
        if len(self._registry.sessions(user)) >= self._settings.connections_per_user:
            raise UserConnectionsExceeded(
                "You have too many connections; close one.", retry_after_seconds=_RETRY_SECONDS
            )

    async def ping(self) -> None:
        """Raise Draining if this gateway refuses new connections; for the readiness check."""
        if self.draining:
            raise Draining

    def enter(self, address: str) -> None:
        """Count a new connection."""
        self._connections += 1
        self._connections_by_address[address] += 1

    def leave(self, address: str) -> None:
        """Count the end of a connection."""
        self._connections -= 1
        self._connections_by_address[address] -= 1
        if not self._connections_by_address[address]:
            del self._connections_by_address[address]

    def _address(self, request: Request, peer: object) -> str:
        host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        return site(self._proxies.client(host, request.headers.get_all("X-Forwarded-For")))

    def _charge(self, address: str, token: str | None) -> None:
        """Charge `address`, accepted or not; raise AddressRateExceeded if it cannot pay."""
        cost = budget.UPGRADE if token is None else budget.UPGRADE + budget.TOKEN
        seconds = self._rate_limits.charge_address(address, cost)
        if seconds:
            raise AddressRateExceeded(
                "Too many requests from your address; try again later.", retry_after_seconds=seconds
            )

    def _check_rate(self) -> None:
        seconds = self._connection_rate.take(self._clock())
        if seconds:
            raise ConnectionRateExceeded(
                "Too many clients are connecting; try again.", retry_after_seconds=seconds
            )

    def _check_user(self, token: str | None) -> None:
        """Check the user of a token in the upgrade request; most clients send it in CONNECT."""
        claims = None if token is None else self._verifier.verify_now(token)
        if claims is not None:
            self.check_sessions(claims.subject)
