"""Which connections a gateway takes, decided when they ask for their upgrade."""

from collections import Counter
from typing import Protocol

from websockets.http11 import Request

from madang_common.http.forwarded import Proxies
from madang_common.problems import TooManyRequests, Unavailable
from madang_common.tokens.verifier import TokenVerifier
from madang_gateway.settings import GatewaySettings
from madang_gateway.upgrade import Framing, bearer_token, check_origin, framing

_COME_BACK_SECONDS = 5


class HasSessions(Protocol):
    """Who is connected, as far as this is concerned."""

    def sessions(self, user: str) -> tuple[object, ...]:
        """Return the sessions of `user`."""
        ...


class Admission:
    """Counts connections, over all and by address, and turns away those that are too many."""

    def __init__(
        self, settings: GatewaySettings, verifier: TokenVerifier, users: HasSessions
    ) -> None:
        self._settings = settings
        self._verifier = verifier
        self._users = users
        self._proxies = Proxies(settings.proxy_addresses)
        self._addresses: Counter[str] = Counter()
        self._open = 0
        self.draining = False
        """Whether this gateway is about to stop and takes nobody any more."""

    def check(self, request: Request, peer: object) -> tuple[Framing, str]:
        """Return what is to be spoken, and the client's address; raise the problem to refuse with.

        `peer` is the transport's `peername`.
        """
        spoken = framing(request.path)
        check_origin(request.headers, self._settings.allowed_origins)
        address = self._address(request, peer)
        if self.draining:
            raise Unavailable("this gateway is stopping", retry_after_seconds=1)
        if self._open >= self._settings.connections_limit:
            raise Unavailable(
                "there are too many connections here", retry_after_seconds=_COME_BACK_SECONDS
            )
        if self._addresses[address] >= self._settings.connections_per_address:
            raise TooManyRequests(
                "there are too many connections from your address",
                retry_after_seconds=_COME_BACK_SECONDS,
            )
        self._check_user(request)
        return spoken, address

    def check_sessions(self, user: str) -> None:
        """Raise TooManyRequests if `user` has as many connections as anybody may have."""
        if len(self._users.sessions(user)) >= self._settings.connections_per_user:
            raise TooManyRequests(
                "you have too many connections", retry_after_seconds=_COME_BACK_SECONDS
            )

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
        return self._proxies.client(host, request.headers.get_all("X-Forwarded-For"))

    def _check_user(self, request: Request) -> None:
        """Turn away whose token comes with the upgrade already; others tell theirs in CONNECT."""
        token = bearer_token(request.headers)
        claims = None if token is None else self._verifier.verify_now(token)
        if claims is not None:
            self.check_sessions(claims.subject)
