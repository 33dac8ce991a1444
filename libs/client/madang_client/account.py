"""Registration and login at one server."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx

from madang_client.login import Login
from madang_client.rest import AUTH, Rest
from madang_client.room import User, read_user
from madang_client.token_refresher import TokenRefresher
from madang_client.token_store import MemoryStore, TokenStore
from madang_client.tokens import granted


class Account:
    """Registers and logs in at one server; use it in `async with`."""

    def __init__(
        self,
        server: str,
        *,
        timeout_seconds: float = 15.0,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Use `server`, such as `https://chat.example.org`; `transport` replaces the network."""
        self._rest = Rest(server, timeout_seconds=timeout_seconds, transport=transport)
        self._clock = clock
        self._refreshers: list[TokenRefresher] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for refresher in self._refreshers:
            await refresher.settle()
        await self._rest.__aexit__(kind, error, trace)

    async def register(
        self, username: str, password: str, *, display_name: str | None = None
    ) -> User:
        """Create an account; raise Conflict if the username is taken."""
        body: dict[str, Any] = {"username": username, "password": password}
        if display_name is not None:
            body["display_name"] = display_name
        return read_user(await self._rest.call("POST", f"{AUTH}/register", json=body))

    async def login(
        self, username: str, password: str, *, store: TokenStore | None = None
    ) -> Login:
        """Log in and store the tokens in `store`; raise Unauthenticated on a wrong password."""
        body = {"username": username, "password": password}
        response = await self._rest.call("POST", f"{AUTH}/login", json=body)
        tokens = granted(response, self._clock())
        store = store or MemoryStore()
        async with store.exclusive():
            store.save(tokens)
        return self.resume(store)

    def resume(self, store: TokenStore) -> Login:
        """Return the login whose tokens are in `store`; raise LoggedOut if there are none."""
        refresher = TokenRefresher(self._rest, store, clock=self._clock)
        self._refreshers.append(refresher)
        return Login(self._rest, refresher, store)
