"""Ended logins: what auth tells of them, and the following that makes every service heed it.

An access token holds for minutes without anyone asking auth. So each service asks auth every second
which logins have ended since it last asked, and refuses their tokens from then on. The live notice
`login.ended` is faster where it arrives; this is what makes it sure.
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
"""Most revocations in one answer."""
_ANSWER_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 5.0


class Revocation(BaseModel):
    """One login that has ended, or all of a user's."""

    model_config = ConfigDict(frozen=True)

    user: str
    login: str | None
    """None: all that were opened before `at`, but `keep`."""
    keep: str | None = None
    at: float
    """When it ended, seconds since the epoch."""


class Revocations(BaseModel):
    """A page of them, in the order in which auth wrote them down."""

    model_config = ConfigDict(frozen=True)

    items: tuple[Revocation, ...]
    cursor: str
    """`after` of the next request."""


def _nobody(_: str) -> None:
    """Hear of an ended login and do nothing more."""


class Follower:
    """Asks auth again and again, one request at a time, and tells the verifier."""

    def __init__(
        self,
        auth: httpx.AsyncClient,
        verifier: TokenVerifier,
        metrics: RevocationMetrics,
        *,
        on_ended: Callable[[str], None] = _nobody,
    ) -> None:
        """Ask through `auth`, which sends a service token.

        After the verifier, `on_ended` is told the user of each ended login, maybe more than once.
        """
        self._auth = auth
        self._verifier = verifier
        self._metrics = metrics
        self._on_ended = on_ended
        self._cursor: str | None = None
        self._failures = 0

    async def follow(self, poll_seconds: float) -> None:
        """Ask every `poll_seconds`, less often while auth does not answer."""
        while True:
            longest = max(poll_seconds, _LONGEST_PAUSE_SECONDS)
            pause = min(poll_seconds * 2**self._failures, longest)
            # Not all the replicas of all the services in the same moment.
            await asyncio.sleep(jitter(pause, least=0.8, most=1.2))
            await self.ask()

    async def ask(self) -> bool:
        """Hear of all that has ended since it was last asked; return whether auth answered."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                while await self._ask_for_page() == PAGE:
                    pass
        except Exception as error:  # noqa: BLE001 - whatever it is, to ask no more would be worse
            if not self._failures:
                log.warning("revocations_unheard", error=repr(error))
            self._failures = min(self._failures + 1, 16)
            return False
        if self._failures:
            log.info("revocations_heard_again")
        self._failures = 0
        self._metrics.heard(time.time())
        return True

    async def _ask_for_page(self) -> int:
        after = {} if self._cursor is None else {"after": self._cursor}
        answer = await call(self._auth, "GET", PATH, params=after)
        page = Revocations.model_validate_json(answer.content)
        for item in page.items:
            self._heed(item)
        self._cursor = page.cursor
        return len(page.items)

    def _heed(self, item: Revocation) -> None:
        if item.login is not None:
            self._verifier.end_login(item.login)
        else:
            self._verifier.end_logins(item.user, at=item.at, keep=item.keep)
        self._metrics.revoked()
        self._on_ended(item.user)


@asynccontextmanager
async def follow_revocations(
    service: str,
    settings: CommonSettings,
    verifier: TokenVerifier,
    *,
    auth: httpx.AsyncClient,
    registry: CollectorRegistry,
    on_ended: Callable[[str], None] = _nobody,
) -> AsyncIterator[None]:
    """Let `verifier` refuse ended logins' tokens, as auth tells the service named `service`.

    `auth` sends a service token. Auth is asked once before this begins, so that a service that
    starts knows what ended before. With auth away, what is known stays in force.
    """
    metrics = RevocationMetrics(registry, service)
    follower = Follower(auth, verifier, metrics, on_ended=on_ended)
    await follower.ask()
    following = asyncio.create_task(
        follower.follow(settings.revocations_poll_seconds), name="revocations"
    )
    try:
        yield
    finally:
        await tasks.stop(following)
