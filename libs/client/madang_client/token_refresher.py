"""Renews a login's access token before it expires."""

import asyncio
import time
from collections.abc import Callable

from madang_client.errors import Forbidden, Invalid, LoggedOut, NotFound, Unauthenticated
from madang_client.rest import AUTH, Rest
from madang_client.token_store import TokenStore
from madang_client.tokens import Tokens, granted

_MAX_SLEEP_SECONDS = 30.0
"""Bounded, because the machine may be suspended and its clock may be changed."""
_REFUSALS = (Invalid, Unauthenticated, Forbidden, NotFound)


class TokenRefresher:
    """Returns the access token, and renews it before it expires; one renewal at a time."""

    def __init__(
        self, rest: Rest, store: TokenStore, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._rest = rest
        self._store = store
        self._clock = clock
        self._renewal: asyncio.Task[Tokens] | None = None

    @property
    def tokens(self) -> Tokens:
        """Return the current tokens; raise LoggedOut if there are none."""
        tokens = self._store.load()
        if tokens is None:
            raise LoggedOut("not logged in")
        return tokens

    async def token(self, *, unlike: str | None = None) -> str:
        """Return an access token that is not about to expire; never `unlike`, which was refused."""
        tokens = self.tokens
        if tokens.access == unlike or tokens.renew_at <= self._clock():
            tokens = await self.renew(tokens.access)
        return tokens.access

    async def replacement(self, token: str) -> str:
        """Wait until `token` is to be replaced, and return its successor."""
        while True:
            tokens = self.tokens
            if tokens.access != token:
                return tokens.access
            remaining = tokens.renew_at - self._clock()
            if remaining > 0:
                await asyncio.sleep(min(remaining, _MAX_SLEEP_SECONDS))
            else:
                await self.renew(token)

    async def renew(self, stale: str) -> Tokens:
        """Return the tokens that replace those with the access token `stale`.

        Concurrent calls share one request. Raise LoggedOut if the session has ended, NotReachable
        or Refused if the renewal failed.
        """
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(stale))
            self._renewal.add_done_callback(self._renewed)
        # A cancelled caller must not cancel the renewal: its tokens must be stored.
        return await asyncio.shield(self._renewal)

    async def settle(self) -> None:
        """Wait for a running renewal."""
        if self._renewal is not None:
            await asyncio.gather(self._renewal, return_exceptions=True)

    def _renewed(self, renewal: asyncio.Task[Tokens]) -> None:
        self._renewal = None
        if not renewal.cancelled():
            renewal.exception()  # retrieved: all callers may have been cancelled

    async def _renew(self, stale: str) -> Tokens:
        async with self._store.exclusive():
            tokens = self.tokens
            if tokens.access != stale:
                return tokens  # another process has renewed them
            body = {"refresh_token": tokens.refresh}
            try:
                response = await self._rest.call("POST", f"{AUTH}/refresh", json=body)
            except _REFUSALS as error:
                self._store.save(None)
                raise LoggedOut("this session has ended; log in again") from error
            renewed = granted(response, self._clock())
            self._store.save(renewed)
            return renewed
