"""Logins: opened by password, shown to their user, ended."""

import structlog

from madang_auth.backends.directory import Account, Directory
from madang_auth.metrics import AuthMetrics, LoginResult
from madang_auth.names import username as one_form
from madang_auth.passwords.passwords import Passwords
from madang_auth.problems import DisabledAccount, EndedLogin, WrongCredentials
from madang_auth.sessions.issuer import Grant, Issuer
from madang_auth.sessions.notices import Notices
from madang_auth.sessions.port import EndedPage, Login, Sessions
from madang_auth.sessions.refresh_tokens import RefreshToken
from madang_auth.throttle.limiter import Limiter
from madang_common.clock import Clock
from madang_common.ids import new_id
from madang_common.problems import NotFound, Problem, TooManyRequests

log = structlog.get_logger()

_RESULTS: dict[type[Problem], LoginResult] = {
    WrongCredentials: "wrong",
    DisabledAccount: "disabled",
    TooManyRequests: "throttled",
}


class Logins:
    """The life of logins."""

    def __init__(
        self,
        sessions: Sessions,
        directory: Directory,
        passwords: Passwords,
        gate: Limiter,
        issuer: Issuer,
        notices: Notices,
        metrics: AuthMetrics,
        clock: Clock,
        *,
        most_per_user: int,
    ) -> None:
        self._sessions = sessions
        self._directory = directory
        self._passwords = passwords
        self._gate = gate
        self._issuer = issuer
        self._notices = notices
        self._metrics = metrics
        self._clock = clock
        self._most = most_per_user

    async def open(self, username: str, password: str, device: str | None, address: str) -> Grant:
        """Log in; raise WrongCredentials, DisabledAccount, TooManyRequests or Unavailable."""
        try:
            grant = await self._open(username, password, device, address)
        except Problem as problem:
            self._metrics.login(_RESULTS.get(type(problem), "failed"))
            raise
        self._metrics.login("ok")
        return grant

    async def current(self, login: str) -> Login:
        """Return the login an access token belongs to; raise EndedLogin if it is over."""
        found = await self._sessions.get(login, now=self._clock())
        if found is None:
            raise EndedLogin
        return found

    async def owned_by(self, user: str) -> list[Login]:
        """Return the user's logins, the one used last first."""
        return await self._sessions.owned_by(user, now=self._clock())

    async def ended_after(self, cursor: str | None, *, limit: int) -> EndedPage:
        """Return logins that ended lately, those that were not read at `cursor` yet."""
        return await self._sessions.ended_after(cursor, limit=limit)

    async def end(self, login: str, *, user: str) -> None:
        """End one of the user's logins; raise NotFound if there is no such login."""
        ended = await self._sessions.end(login, user=user, now=self._clock())
        if ended is None:
            raise NotFound("You have no such login. It may have ended.")
        self._notices.ended([ended], "ended")

    async def log_out(self, login: str, *, user: str) -> None:
        """End the login that an access token belongs to, if it has not ended."""
        self._logged_out(await self._sessions.end(login, user=user, now=self._clock()))

    async def log_out_by_token(self, text: str) -> None:
        """End the login that a refresh token belongs to, if there is one."""
        token = RefreshToken.read(text)
        if token is not None:
            ended = await self._sessions.end_presented(token.hashed(), now=self._clock())
            self._logged_out(ended)

    async def end_others(self, login: Login) -> None:
        """End all logins of the user but `login`, after a change of the password."""
        ended = await self._sessions.end_others(login.user, keep=login.id, now=self._clock())
        self._notices.ended(ended, "password")

    async def _open(self, given: str, password: str, device: str | None, address: str) -> Grant:
        began_at = self._clock()
        username = _one_form(given)
        async with self._gate.login(username or given, address):
            account = await self._authenticate(username, password, address)
        structlog.contextvars.bind_contextvars(user_id=account.id)
        if account.disabled:
            raise DisabledAccount
        login = Login(
            id=new_id(),
            user=account.id,
            username=account.username,
            name=account.display_name,
            device=device,
            created_at=self._clock(),
            last_used_at=self._clock(),
        )
        token = RefreshToken.first(login.id)
        opened = await self._sessions.open(
            login, token.hashed(), began_at=began_at, most=self._most
        )
        if opened is None:
            raise WrongCredentials
        self._notices.ended(opened.ended, "surplus")
        await self._confirm(login, account, password, address)
        log.info("login_opened", login=login.id)
        return self._issuer.grant(login, token)

    async def _authenticate(self, username: str | None, password: str, address: str) -> Account:
        account = None if username is None else await self._directory.by_username(username)
        stored = None if account is None else account.password_hash
        # Verified for nobody too, so that the time does not tell who exists.
        fits = await self._passwords.verify(stored, password, address=address)
        if account is None or not fits:
            raise WrongCredentials
        return account

    async def _confirm(self, login: Login, before: Account, password: str, address: str) -> None:
        """End `login` again if its user was disabled, or the password changed, since `before`.

        A later change ends the login by itself, because it is stored by now.
        """
        try:
            account = await self._unchanged(before, password, address)
        except BaseException:
            await self._sessions.end(login.id, user=login.user, now=self._clock())
            raise
        await self._renew_hash(account, password, address)

    async def _unchanged(self, before: Account, password: str, address: str) -> Account:
        account = await self._directory.by_id(before.id)
        if account is None:
            raise WrongCredentials
        if account.disabled:
            raise DisabledAccount
        # The hash may also be another one of the same password.
        if account.password_hash != before.password_hash and not await self._passwords.verify(
            account.password_hash, password, address=address
        ):
            raise WrongCredentials
        return account

    async def _renew_hash(self, account: Account, password: str, address: str) -> None:
        """Hash the password with today's parameters, if the stored hash has others."""
        if not self._passwords.is_outdated(account.password_hash):
            return
        try:
            renewed = await self._passwords.hash(password, address=address)
            await self._directory.set_password(
                account.id, renewed, instead_of=account.password_hash
            )
        except Problem as problem:
            log.warning("password_rehash_failed", type=problem.type)

    def _logged_out(self, login: Login | None) -> None:
        if login is not None:
            self._notices.ended([login], "logout")
            log.info("login_ended", login=login.id)


def _one_form(given: str) -> str | None:
    try:
        return one_form(given)
    except ValueError:
        return None
