"""Sessions: opened by a login, listed and ended."""

import structlog

from madang_auth.backends.directory import Account, Directory
from madang_auth.metrics import AuthMetrics, LoginResult
from madang_auth.passwords.passwords import Passwords
from madang_auth.problems import DisabledAccount, SessionEnded, WrongCredentials
from madang_auth.sessions.issuer import TokenIssuer, TokenPair
from madang_auth.sessions.notices import SessionNotices
from madang_auth.sessions.port import EndedPage, Session, SessionStore
from madang_auth.sessions.refresh_tokens import RefreshToken
from madang_auth.settings import AuthSettings
from madang_auth.throttle.limiter import Limiter
from madang_common.clock import Clock
from madang_common.ids import new_id
from madang_common.names import read_username
from madang_common.problems import NotFound, Problem, TooManyRequests

log = structlog.get_logger()

_RESULTS: dict[type[Problem], LoginResult] = {
    WrongCredentials: "wrong",
    DisabledAccount: "disabled",
    TooManyRequests: "throttled",
}


class Sessions:
    """Logs users in, and lists and ends their sessions."""

    def __init__(
        self,
        store: SessionStore,
        directory: Directory,
        passwords: Passwords,
        limiter: Limiter,
        issuer: TokenIssuer,
        notices: SessionNotices,
        metrics: AuthMetrics,
        settings: AuthSettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._directory = directory
        self._passwords = passwords
        self._limiter = limiter
        self._issuer = issuer
        self._notices = notices
        self._metrics = metrics
        self._clock = clock
        self._most_per_user = settings.logins_per_user

    async def log_in(
        self, username: str, password: str, device: str | None, address: str
    ) -> TokenPair:
        """Open a session.

        Raise WrongCredentials, DisabledAccount, TooManyRequests or Unavailable.
        """
        try:
            pair = await self._log_in(username, password, device, address)
        except Problem as problem:
            self._metrics.login(_RESULTS.get(type(problem), "failed"))
            raise
        self._metrics.login("ok")
        return pair

    async def current(self, session: str) -> Session:
        """Return the session of an access token; raise SessionEnded if it is not open."""
        found = await self._store.get(session, now=self._clock())
        if found is None:
            raise SessionEnded
        return found

    async def list_of_user(self, user: str) -> list[Session]:
        """Return the user's sessions, the last used first."""
        return await self._store.list_of_user(user, now=self._clock())

    async def ended_after(self, cursor: str | None, *, limit: int) -> EndedPage:
        """Return the sessions that ended after `cursor`."""
        return await self._store.ended_after(cursor, limit=limit)

    async def end(self, session: str, *, user: str) -> None:
        """End one of the user's sessions; raise NotFound."""
        ended = await self._store.end(session, user=user, now=self._clock())
        if ended is None:
            raise NotFound("You have no such session; it may have ended.")
        self._notices.publish_ended([ended], "ended")

    async def log_out(self, session: str, *, user: str) -> None:
        """End the session of an access token, if it is open."""
        self._logged_out(await self._store.end(session, user=user, now=self._clock()))

    async def log_out_by_token(self, text: str) -> None:
        """End the session of a refresh token, if it is open."""
        token = RefreshToken.read(text)
        if token is not None:
            self._logged_out(await self._store.end_by_token(token.hashes(), now=self._clock()))

    async def end_others(self, session: Session) -> None:
        """End all sessions of the user but `session`, after a change of password."""
        ended = await self._store.end_others(session.user, keep=session.id, now=self._clock())
        self._notices.publish_ended(ended, "password")

    async def _log_in(
        self, given: str, password: str, device: str | None, address: str
    ) -> TokenPair:
        began_at = self._clock()
        username = _canonical(given)
        async with self._limiter.login(username or given, address):
            account = await self._authenticate(username, password, address)
        structlog.contextvars.bind_contextvars(user_id=account.id)
        if account.disabled:
            raise DisabledAccount
        session = Session(
            id=new_id(),
            user=account.id,
            username=account.username,
            name=account.display_name,
            device=device,
            created_at=self._clock(),
            last_used_at=self._clock(),
        )
        token = RefreshToken.first(session.id)
        opened = await self._store.open(
            session, token.hashes(), began_at=began_at, most=self._most_per_user
        )
        if opened is None:
            raise WrongCredentials
        self._notices.publish_ended(opened.ended, "surplus")
        await self._confirm(session, account, password, address)
        log.info("login_opened", login=session.id)
        return self._issuer.token_pair(session, token)

    async def _authenticate(self, username: str | None, password: str, address: str) -> Account:
        account = None if username is None else await self._directory.by_username(username)
        stored = None if account is None else account.password_hash
        # Verified for an unknown user too, so that the time does not reveal who exists.
        matches = await self._passwords.verify(stored, password, address=address)
        if account is None or not matches:
            raise WrongCredentials
        return account

    async def _confirm(
        self, session: Session, before: Account, password: str, address: str
    ) -> None:
        """End `session` if the user was disabled or the password changed since `before`.

        A later change ends the session itself, because it is stored by now.
        """
        try:
            account = await self._unchanged(before, password, address)
        except BaseException:
            await self._store.end(session.id, user=session.user, now=self._clock())
            raise
        await self._renew_hash(account, password, address)

    async def _unchanged(self, before: Account, password: str, address: str) -> Account:
        account = await self._directory.by_id(before.id)
        if account is None:
            raise WrongCredentials
        if account.disabled:
            raise DisabledAccount
        # Another hash may be of the same password.
        if account.password_hash != before.password_hash and not await self._passwords.verify(
            account.password_hash, password, address=address
        ):
            raise WrongCredentials
        return account

    async def _renew_hash(self, account: Account, password: str, address: str) -> None:
        """Hash the password again if the parameters have changed since it was stored."""
        if not self._passwords.is_outdated(account.password_hash):
            return
        try:
            renewed = await self._passwords.hash(password, address=address)
            await self._directory.set_password(
                account.id, renewed, instead_of=account.password_hash
            )
        except Problem as problem:
            log.warning("password_rehash_failed", type=problem.type)

    def _logged_out(self, session: Session | None) -> None:
        if session is not None:
            self._notices.publish_ended([session], "logout")
            log.info("login_ended", login=session.id)


def _canonical(username: str) -> str | None:
    try:
        return read_username(username)
    except ValueError:
        return None
