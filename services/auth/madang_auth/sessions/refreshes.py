"""Refreshes: a refresh token is used, and its login goes on with a new pair."""

import structlog

from madang_auth.backends.directory import Directory
from madang_auth.metrics import AuthMetrics, RefreshResult
from madang_auth.problems import EndedLogin
from madang_auth.sessions.issuer import Grant, Issuer
from madang_auth.sessions.notices import Notices
from madang_auth.sessions.port import (
    Login,
    Repeated,
    Reused,
    Rotated,
    Sessions,
    Successor,
    Unknown,
)
from madang_auth.sessions.refresh_tokens import RefreshToken, new_nonce
from madang_auth.throttle.limiter import Limiter
from madang_common.clock import Clock
from madang_common.problems import TooManyRequests, Unavailable

log = structlog.get_logger()


class Refreshes:
    """What becomes of refresh tokens that clients show."""

    def __init__(
        self,
        sessions: Sessions,
        directory: Directory,
        gate: Limiter,
        issuer: Issuer,
        notices: Notices,
        metrics: AuthMetrics,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._directory = directory
        self._gate = gate
        self._issuer = issuer
        self._notices = notices
        self._metrics = metrics
        self._clock = clock

    async def use(self, text: str) -> Grant:
        """Return a new pair for a refresh token; raise EndedLogin if it does not hold.

        Raise TooManyRequests if its user has refreshed too often.
        """
        try:
            result, grant = await self._use(text)
        except Unavailable:
            self._metrics.refresh("failed")
            raise
        except TooManyRequests:
            self._metrics.refresh("throttled")
            raise
        self._metrics.refresh(result)
        if grant is None:
            raise EndedLogin
        return grant

    async def _use(self, text: str) -> tuple[RefreshResult, Grant | None]:
        token = RefreshToken.read(text)
        if token is None:
            return "unknown", None
        login = await self._sessions.get(token.login, now=self._clock())
        if login is None:
            return "unknown", None
        structlog.contextvars.bind_contextvars(user_id=login.user)
        await self._gate.refresh(login.user)
        enabled, name = await self._ask_about(login)
        if not enabled:
            await self._end_all(login.user)
            return "disabled", None
        return await self._rotate(token, name)

    async def _rotate(
        self, token: RefreshToken, name: str | None
    ) -> tuple[RefreshResult, Grant | None]:
        nonce = new_nonce()
        next_token = token.successor(nonce)
        successor = Successor(next_token.hashed().secret, nonce, name)
        match await self._sessions.rotate(token.hashed(), successor, now=self._clock()):
            case Rotated(login):
                return "rotated", self._issuer.grant(login, next_token)
            case Repeated(login, first_nonce):
                log.info("refresh_token_repeated", login=login.id)
                return "repeated", self._issuer.grant(login, token.successor(first_nonce))
            case Reused(login):
                log.warning("refresh_token_reused", login=login.id)
                self._notices.ended([login], "reuse")
                return "reused", None
            case Unknown():
                return "unknown", None

    async def _ask_about(self, login: Login) -> tuple[bool, str | None]:
        """Return whether the user may go on, and the display name if rooms tells.

        They may while rooms is away: that must not throw everybody out.
        """
        try:
            account = await self._directory.by_id(login.user)
        except Unavailable:
            self._metrics.unchecked()
            return True, None
        if account is None or account.disabled:
            return False, None
        return True, account.display_name

    async def _end_all(self, user: str) -> None:
        ended = await self._sessions.end_others(user, keep=None, now=self._clock())
        self._notices.ended(ended, "disabled")
