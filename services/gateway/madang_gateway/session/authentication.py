"""Authentication of a session: the tokens of CONNECT and of renewals, and their deadlines."""

import time
from typing import NamedTuple

from madang_common.problems import InvalidRequest, Unauthenticated
from madang_common.tokens.claims import Claims
from madang_common.tokens.verifier import TokenVerifier, token_expired
from madang_gateway.protocol.stomp.events import Connect, Send
from madang_gateway.publish.command import own_token
from madang_gateway.publish.interceptors import check_same_user
from madang_gateway.session import disconnects
from madang_gateway.session.disconnects import Disconnect


class Overdue(NamedTuple):
    """How to end a session that has not authenticated in time."""

    why: Disconnect
    error: Unauthenticated


class Authentication:
    """Returns the claims of the tokens that frames carry; raises the Problem of a bad token."""

    def __init__(self, verifier: TokenVerifier, *, connect_seconds: float) -> None:
        """Give a client `connect_seconds` for its CONNECT."""
        self._verifier = verifier
        self._connect_seconds = connect_seconds

    def connect_now(self, frame: Connect) -> Claims | None:
        """Return the claims of a CONNECT, or None if `connect` must be awaited instead."""
        return self._verifier.verify_now(_connect_token(frame))

    async def connect(self, frame: Connect) -> Claims:
        """Return the claims of a CONNECT; fetches the signing keys if they are unknown."""
        return await self._verifier.verify(_connect_token(frame))

    async def renew(self, frame: Send, current: Claims) -> Claims:
        """Return the claims of the new token; it must belong to the user of `current`."""
        try:
            token = own_token(frame.headers) or frame.body.decode().strip()
        except UnicodeDecodeError as error:
            raise InvalidRequest("The body must be a token.") from error
        claims = await self._verifier.verify(token)
        check_same_user(current, claims)
        return claims

    def overdue(self, claims: Claims | None, began_at: float) -> Overdue | None:
        """Return how to end a session whose CONNECT is overdue or whose token has expired.

        `began_at` is its start on the monotonic clock.
        """
        if claims is None:
            if time.monotonic() - began_at <= self._connect_seconds:
                return None
            error = Unauthenticated("No CONNECT received in time; connect again.")
            return Overdue(disconnects.CONNECT_TIMEOUT, error)
        if claims.expires_at > time.time():
            return None
        return Overdue(disconnects.TOKEN_EXPIRED, token_expired())


def _connect_token(frame: Connect) -> str:
    token = own_token(frame.headers) or frame.headers.get("token") or frame.passcode
    if not token:
        raise Unauthenticated("CONNECT needs an Authorization header with an access token.")
    return token
