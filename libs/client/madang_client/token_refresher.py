"""Keeps a login's access token fresh, one renewal at a time."""

import asyncio
import time
from collections.abc import Callable

from madang_client.errors import Forbidden, Invalid, LoggedOut, NotFound, Unauthenticated
from madang_client.rest import AUTH, Rest
from madang_client.token_store import TokenStore
from madang_client.tokens import Tokens, granted

_LONGEST_SLEEP_SECONDS = 30.0
"""A machine may sleep meanwhile, and its clock may be set."""
_REFUSALS = (Invalid, Unauthenticated, Forbidden, NotFound)


class TokenRefresher:
    """Hands out the access token, and gets the next one before it expires."""

    def __init__(
        self, rest: Rest, store: TokenStore, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._rest = rest
        self._store = store
        self._clock = clock
        self._renewal: asyncio.Task[Tokens] | None = None

    @property
    def tokens(self) -> Tokens:
        """Return the pair as it is; raise LoggedOut if there is none."""
        tokens = self._store.load()
        if tokens is None:
            raise LoggedOut("not logged in")
        return tokens

    async def token(self, *, unlike: str | None = None) -> str:
        """Return an access token that will hold for a while; never `unlike`, which did not."""
        tokens = self.tokens
        if tokens.access == unlike or tokens.renew_at <= self._clock():
            tokens = await self.renew(tokens.access)
        return tokens.access

    async def replacement(self, token: str) -> str:
        """Wait until `token` is to be replaced, and return what replaces it."""
        while True:
            tokens = self.tokens
            if tokens.access != token:
                return tokens.access
            rest = tokens.renew_at - self._clock()
            if rest > 0:
                await asyncio.sleep(min(rest, _LONGEST_SLEEP_SECONDS))
            else:
                await self.renew(token)

    async def renew(self, stale: str) -> Tokens:
        """Return the pair that follows the one with the access token `stale`.

        All who ask at the same time get the same answer. Raise LoggedOut if the server gives no
        more, NotReachable or Refused if it cannot now.
        """
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(stale))
            self._renewal.add_done_callback(self._renewed)
        # Whoever gives up waiting must not take the new pair from the others, nor from the store.
        return await asyncio.shield(self._renewal)

    async def settle(self) -> None:
        """Return when no renewal is under way."""
        if self._renewal is not None:
            await asyncio.gather(self._renewal, return_exceptions=True)

    def _renewed(self, renewal: asyncio.Task[Tokens]) -> None:
        self._renewal = None
        if not renewal.cancelled():
            renewal.exception()  # seen: those who waited may all have left

    async def _renew(self, stale: str) -> Tokens:
        async with self._store.exclusive():
            tokens = self.tokens
            if tokens.access != stale:
                return tokens  # another process was faster
            body = {"refresh_token": tokens.refresh}
            try:
                answer = await self._rest.call("POST", f"{AUTH}/refresh", json=body)
            except _REFUSALS as error:
                self._store.save(None)
                raise LoggedOut("the login has ended: log in again") from error
            renewed = granted(answer, self._clock())
            self._store.save(renewed)
            return renewed
