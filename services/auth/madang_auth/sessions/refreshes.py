"""Refreshes: a refresh token is exchanged for a new pair of tokens."""

import structlog

from madang_auth.backends.directory import Directory
from madang_auth.metrics import AuthMetrics, RefreshResult
from madang_auth.problems import SessionEnded
from madang_auth.sessions.issuer import TokenIssuer, TokenPair
from madang_auth.sessions.notices import SessionNotices
from madang_auth.sessions.port import (
    Repeated,
    Reused,
    Rotated,
    Session,
    SessionStore,
    Successor,
    Unknown,
)
from madang_auth.sessions.refresh_tokens import RefreshToken, new_nonce
from madang_auth.throttle.limiter import Limiter
from madang_common.clock import Clock
from madang_common.problems import TooManyRequests, Unavailable

log = structlog.get_logger()


class Refreshes:
    """Exchanges refresh tokens, and ends a session whose token is reused."""

    def __init__(
        self,
        store: SessionStore,
        directory: Directory,
        limiter: Limiter,
        issuer: TokenIssuer,
        notices: SessionNotices,
        metrics: AuthMetrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._directory = directory
        self._limiter = limiter
        self._issuer = issuer
        self._notices = notices
        self._metrics = metrics
        self._clock = clock

    async def refresh(self, text: str) -> TokenPair:
        """Return a new pair for the refresh token `text`; raise SessionEnded if it is not valid.

        Raise TooManyRequests if its user refreshed too often.
        """
        try:
            result, pair = await self._refresh(text)
        except Unavailable:
            self._metrics.refresh("failed")
            raise
        except TooManyRequests:
            self._metrics.refresh("throttled")
            raise
        self._metrics.refresh(result)
        if pair is None:
            raise SessionEnded
        return pair

    async def _refresh(self, text: str) -> tuple[RefreshResult, TokenPair | None]:
        token = RefreshToken.read(text)
        if token is None:
            return "unknown", None
        session = await self._store.get(token.session, now=self._clock())
        if session is None:
            return "unknown", None
        structlog.contextvars.bind_contextvars(user_id=session.user)
        await self._limiter.refresh(session.user)
        enabled, name = await self._look_up(session)
        if not enabled:
            await self._end_all(session.user)
            return "disabled", None
        return await self._rotate(token, name)

    async def _rotate(
        self, token: RefreshToken, name: str | None
    ) -> tuple[RefreshResult, TokenPair | None]:
        nonce = new_nonce()
        next_token = token.successor(nonce)
        successor = Successor(next_token.hashes().secret, nonce, name)
        match await self._store.rotate(token.hashes(), successor, now=self._clock()):
            case Rotated(session):
                return "rotated", self._issuer.token_pair(session, next_token)
            case Repeated(session, first_nonce):
                log.info("refresh_token_repeated", login=session.id)
                return "repeated", self._issuer.token_pair(session, token.successor(first_nonce))
            case Reused(session):
                log.warning("refresh_token_reused", login=session.id)
                self._notices.publish_ended([session], "reuse")
                return "reused", None
            case Unknown():
                return "unknown", None

    async def _look_up(self, session: Session) -> tuple[bool, str | None]:
        """Return whether the user is enabled, and the display name if rooms answers.

        If rooms is unavailable, the user counts as enabled, so that an outage logs no user out.
        """
        try:
            account = await self._directory.by_id(session.user)
        except Unavailable:
            self._metrics.unchecked()
            return True, None
        if account is None or account.disabled:
            return False, None
        return True, account.display_name

    async def _end_all(self, user: str) -> None:
        ended = await self._store.end_others(user, keep=None, now=self._clock())
        self._notices.publish_ended(ended, "disabled")
