"""REST requests that go on while the cluster changes, each counted."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import httpx

from tests.support.load_clients import PASSWORD, LoadClient

_PAUSE_SECONDS = 0.2
_LOGIN_SECONDS = 1.0
_ANSWER_SECONDS = 15
_UNRECEIVED_SECONDS = 5
"""Below `web.drainSeconds`: nginx completes for as long what it has received before it stops."""
_CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


@dataclass
class Requests:
    """Requests to rooms, history and gateway by one user and logins of all, and the outcomes."""

    url: str
    users: Sequence[LoadClient]
    sent: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    async def repeat(self) -> None:
        """Send requests until cancelled."""
        user, users = self.users[0], itertools.cycle(self.users)
        room = user.rooms[0]
        paths = (
            "/api/rooms/v1/rooms",
            f"/api/history/v1/rooms/{room}/messages?limit=1",
            f"/api/gateway/v1/rooms/{room}/presence",
        )
        transport = httpx.AsyncHTTPTransport(retries=1)
        async with (
            httpx.AsyncClient(
                base_url=self.url, timeout=_ANSWER_SECONDS, transport=transport
            ) as client,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._every(_LOGIN_SECONDS, partial(self._log_in, client, users)))
            for path in paths:
                group.create_task(
                    self._every(_PAUSE_SECONDS, partial(self._get, client, user, path))
                )

    async def _every(self, seconds: float, send: Callable[[], Awaitable[httpx.Response]]) -> None:
        while True:
            self.sent += 1
            try:
                response = await _resend_unreceived(send)
            except httpx.HTTPError as error:
                path = error.request.url.path.split("/")[2]
                self.failures[f"{path} {type(error).__name__}"] += 1
            else:
                if not response.is_success:
                    path = response.request.url.path.split("/")[2]
                    self.failures[f"{path} {response.status_code}"] += 1
            await asyncio.sleep(seconds)

    async def _get(self, client: httpx.AsyncClient, user: LoadClient, path: str) -> httpx.Response:
        token = user.login.tokens.access
        return await client.get(path, headers={"Authorization": f"Bearer {token}"})

    async def _log_in(
        self, client: httpx.AsyncClient, users: Iterator[LoadClient]
    ) -> httpx.Response:
        # In turn, because the logins of one user are limited.
        body = {"username": next(users).name, "password": PASSWORD}
        return await client.post("/api/auth/v1/login", json=body)


async def _resend_unreceived(send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Send a request, once more if nginx closed the kept connection before it had received it.

    Browsers do the same: over HTTP/1.1 a server cannot announce that it closes an idle connection.
    """
    begun = time.monotonic()
    try:
        return await send()
    except _CLOSED:
        if time.monotonic() - begun > _UNRECEIVED_SECONDS:
            raise
    return await send()


@asynccontextmanager
async def requesting(requests: Requests) -> AsyncIterator[None]:
    """Send the requests meanwhile."""
    task = asyncio.create_task(requests.repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
