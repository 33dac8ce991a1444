"""Revoked sessions: every service polls auth for them and refuses their tokens.

An access token is valid for minutes, and services do not check each one with auth. So each service
requests the latest revocations every second. The live event of a revoked session usually arrives
earlier, but may be lost; polling guarantees the revocation.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import structlog
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ConfigDict

from madang_common import tasks
from madang_common.http.client import call
from madang_common.jitter import jitter
from madang_common.metrics import RevocationMetrics
from madang_common.settings import CommonSettings
from madang_common.tokens.verifier import TokenVerifier

log = structlog.get_logger()

PATH = "/internal/revocations"
PAGE = 1000
"""Most revocations in one response."""
_RESPONSE_SECONDS = 5.0
_MAX_PAUSE_SECONDS = 5.0


class Revocation(BaseModel):
    """One revoked session, or all sessions of a user."""

    model_config = ConfigDict(frozen=True)

    user: str
    login: str | None
    """None: all that were opened before `at`, except `keep`."""
    keep: str | None = None
    at: float
    """When it was revoked, seconds since the epoch."""


class Revocations(BaseModel):
    """A page of revocations, in the order in which auth stored them."""

    model_config = ConfigDict(frozen=True)

    items: tuple[Revocation, ...]
    cursor: str
    """The parameter `after` of the next request."""


def _ignore(_: str) -> None:
    """Do nothing with the user of a revoked session."""


class RevocationPoller:
    """Polls auth for revocations, one request at a time, and passes them to the verifier."""

    def __init__(
        self,
        auth: httpx.AsyncClient,
        verifier: TokenVerifier,
        metrics: RevocationMetrics,
        *,
        on_revoked: Callable[[str], None] = _ignore,
    ) -> None:
        """Send requests through `auth`, which adds a service token.

        `on_revoked` is called with the user of each revoked session, after the verifier has it, and
        possibly more than once.
        """
        self._auth = auth
        self._verifier = verifier
        self._metrics = metrics
        self._on_revoked = on_revoked
        self._cursor: str | None = None
        self._failures = 0

    async def run(self, poll_seconds: float) -> None:
        """Poll every `poll_seconds`, with exponential backoff while auth does not respond."""
        while True:
            longest = max(poll_seconds, _MAX_PAUSE_SECONDS)
            pause = min(poll_seconds * 2**self._failures, longest)
            # Jitter, so that the replicas of all services do not poll at the same moment.
            await asyncio.sleep(jitter(pause, least=0.8, most=1.2))
            await self.poll()

    async def poll(self) -> None:
        """Fetch all revocations since the last poll; a failure is logged."""
        try:
            async with asyncio.timeout(_RESPONSE_SECONDS):
                while await self._fetch_page() == PAGE:
                    pass
        except Exception as error:  # noqa: BLE001 - polling must go on after any failure
            if not self._failures:
                log.warning("revocations_unheard", error=repr(error))
            self._failures = min(self._failures + 1, 16)
            return
        if self._failures:
            log.info("revocations_heard_again")
        self._failures = 0
        self._metrics.polled(time.time())

    async def _fetch_page(self) -> int:
        after = {} if self._cursor is None else {"after": self._cursor}
        response = await call(self._auth, "GET", PATH, params=after)
        page = Revocations.model_validate_json(response.content)
        for item in page.items:
            self._apply(item)
        self._cursor = page.cursor
        return len(page.items)

    def _apply(self, item: Revocation) -> None:
        if item.login is not None:
            self._verifier.revoke_session(item.login)
        else:
            self._verifier.revoke_sessions(item.user, at=item.at, keep=item.keep)
        self._metrics.revoked()
        self._on_revoked(item.user)


@asynccontextmanager
async def follow_revocations(
    service: str,
    settings: CommonSettings,
    verifier: TokenVerifier,
    *,
    auth: httpx.AsyncClient,
    registry: CollectorRegistry,
    on_revoked: Callable[[str], None] = _ignore,
) -> AsyncIterator[None]:
    """Apply revocations to `verifier` while the context is open; `service` labels the metrics.

    `auth` adds a service token. Polls once before it yields, so that a service applies earlier
    revocations from its start. While auth is unavailable, known revocations stay in force.
    """
    metrics = RevocationMetrics(registry, service)
    poller = RevocationPoller(auth, verifier, metrics, on_revoked=on_revoked)
    await poller.poll()
    polling = asyncio.create_task(poller.run(settings.revocations_poll_seconds), name="revocations")
    try:
        yield
    finally:
        await tasks.stop(polling)
