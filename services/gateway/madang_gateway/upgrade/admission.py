"""Which connections a gateway takes, decided when they ask for their upgrade."""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from websockets.http11 import Request

from madang_common.clock import Clock
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

_COME_BACK_SECONDS = 5
_ELSEWHERE_SECONDS = 3


class Draining(Unavailable):
    """This gateway is about to stop; there may be others."""


class Full(Unavailable):
    """There are as many connections as this gateway takes."""


class Rush(Unavailable):
    """Connections come faster than this gateway takes them."""


class AddressFull(TooManyRequests):
    """There are as many connections as one address may have."""


class AddressRush(TooManyRequests):
    """One address asks for more than this gateway does for one."""


class UserFull(TooManyRequests):
    """There are as many connections as one user may have."""


BAD_HANDSHAKE = "handshake"
"""Why an upgrade was refused that is not made as RFC 6455 says."""
_REASONS: Mapping[type[Problem], str] = {
    NotFound: "path",
    UnknownHost: "host",
    Forbidden: "origin",
    Unauthenticated: "token",
    Draining: "draining",
    Full: "full",
    Rush: "rate",
    AddressFull: "address",
    AddressRush: "address_rate",
    UserFull: "user",
}


def reason_of(problem: Problem) -> str:
    """Return why an upgrade was refused, in one of a few words."""
    return _REASONS.get(type(problem), "other")


class HasSessions(Protocol):
    """Who is connected, as far as this is concerned."""

    def sessions(self, user: str) -> tuple[object, ...]:
        """Return the sessions of `user`."""
        ...


class Admission:
    """Counts connections, over all and by address, and turns away those that are too many."""

    def __init__(
        self,
        settings: GatewaySettings,
        verifier: TokenVerifier,
        users: HasSessions,
        spending: Budget,
        *,
        clock: Clock = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Take `chance` from [0, 1), so that not all who are turned away come back together."""
        self._settings = settings
        self._verifier = verifier
        self._users = users
        self._budget = spending
        self._hosts = settings.hosts
        self._proxies = Proxies(settings.proxy_addresses)
        self._addresses: Counter[str] = Counter()
        self._open = 0
        self._clock = clock
        self._chance = chance
        self._arrivals = ConnectionRate(settings.connections_per_second, chance)
        self.draining = False
        """Whether this gateway is about to stop and takes nobody any more."""

    def check(self, request: Request, peer: object) -> tuple[Framing, str]:
        """Return what is to be spoken, and the client's address; raise the problem to refuse with.

        `peer` is the transport's `peername`.
        """
        address = self._address(request, peer)
        token = upgrade_token(request.headers)
        self._charge(address, token)
        spoken = framing(request.path)
        check_host(request.headers, self._hosts)
        check_origin(request.headers, self._settings.allowed_origins)
        if self.draining:
            seconds = _ELSEWHERE_SECONDS * (1 - self._chance())
            raise Draining("This gateway is stopping; try again.", retry_after_seconds=seconds)
        if self._open >= self._settings.connections_limit:
            raise Full(
                "There are too many connections here; try again later.",
                retry_after_seconds=_COME_BACK_SECONDS,
            )
        if self._addresses[address] >= self._settings.connections_per_address:
            raise AddressFull(
                "There are too many connections from your address; close one.",
                retry_after_seconds=_COME_BACK_SECONDS,
            )
        self._check_rate()
        self._check_user(token)
        return spoken, address

    def check_sessions(self, user: str) -> None:
        """Raise TooManyRequests if `user` has as many connections as anybody may have."""
        if len(self._users.sessions(user)) >= self._settings.connections_per_user:
            raise UserFull(
                "You have too many connections; close one.", retry_after_seconds=_COME_BACK_SECONDS
            )

    async def ping(self) -> None:
        """Return if anybody is taken; raise Draining if this gateway is about to stop."""
        if self.draining:
            raise Draining

    def enter(self, address: str) -> None:
        """Count a connection in."""
        self._open += 1
        self._addresses[address] += 1

    def leave(self, address: str) -> None:
        """Count a connection out."""
        self._open -= 1
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    def _address(self, request: Request, peer: object) -> str:
        host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        return site(self._proxies.client(host, request.headers.get_all("X-Forwarded-For")))

    def _charge(self, address: str, token: str | None) -> None:
        """Charge `address`, whatever comes of the request; raise AddressRush if it cannot pay."""
        cost = budget.UPGRADE if token is None else budget.UPGRADE + budget.TOKEN
        seconds = self._budget.charge_address(address, cost)
        if seconds:
            raise AddressRush(
                "Too much comes from your address; try again later.", retry_after_seconds=seconds
            )

    def _check_rate(self) -> None:
        seconds = self._arrivals.take(self._clock())
        if seconds:
            raise Rush("Too many clients connect at once; try again.", retry_after_seconds=seconds)

    def _check_user(self, token: str | None) -> None:
        """Check the user of a token that comes with the upgrade; most come with the CONNECT."""
        claims = None if token is None else self._verifier.verify_now(token)
        if claims is not None:
            self.check_sessions(claims.subject)
