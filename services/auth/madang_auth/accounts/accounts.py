"""Accounts: registration and changes of password."""

import structlog

from madang_auth.backends.directory import Account, Directory, UserProfile
from madang_auth.metrics import AuthMetrics
from madang_auth.passwords.passwords import Passwords
from madang_auth.problems import DisabledAccount, SessionEnded, WrongPassword
from madang_auth.sessions.port import Session
from madang_auth.sessions.sessions import Sessions
from madang_auth.throttle.limiter import Limiter
from madang_common.problems import Conflict

log = structlog.get_logger()


class Accounts:
    """Registers users and changes their passwords."""

    def __init__(
        self,
        directory: Directory,
        passwords: Passwords,
        sessions: Sessions,
        limiter: Limiter,
        metrics: AuthMetrics,
    ) -> None:
        self._directory = directory
        self._passwords = passwords
        self._sessions = sessions
        self._limiter = limiter
        self._metrics = metrics

    async def register(
        self, username: str, password: str, display_name: str, address: str
    ) -> UserProfile:
        """Add a user; raise Conflict if the username is taken, TooManyRequests above the limit."""
        await self._limiter.registration(address)
        hashed = await self._passwords.hash(password, address=address)
        user = await self._directory.add(username, hashed, display_name)
        self._metrics.registered()
        log.info("user_registered", user_id=user.id)
        return user

    async def change_password(self, session: Session, current: str, new: str, address: str) -> None:
        """Change the password and end the user's other sessions; raise WrongPassword.

        Raise SessionEnded if `session` ended in the meantime.
        """
        account = await self.get(session)
        if account.disabled:
            raise DisabledAccount
        async with self._limiter.password_change(account.username, address):
            await self._check_password(account, current, address)
        hashed = await self._passwords.hash(new, address=address)
        # Hashing takes time: the session may have ended, or the user been disabled.
        await self._sessions.current(session.id)
        # Before the change, so that an unavailable store prevents it; and after it, for sessions
        # opened with the old password in between.
        await self._sessions.end_others(session)
        await self._replace(account, current, hashed, address)
        await self._sessions.end_others(session)
        log.info("password_changed")

    async def _replace(self, account: Account, current: str, hashed: str, address: str) -> None:
        """Replace the hash of the password `current` by `hashed`."""
        try:
            await self._directory.set_password(account.id, hashed, instead_of=account.password_hash)
        except Conflict:
            # Changed concurrently, or a login renewed the hash of the same password.
            now = await self._directory.by_id(account.id)
            if now is None:
                raise SessionEnded from None
            await self._check_password(now, current, address)
            await self._directory.set_password(account.id, hashed, instead_of=now.password_hash)

    async def _check_password(self, account: Account, current: str, address: str) -> None:
        if not await self._passwords.verify(account.password_hash, current, address=address):
            raise WrongPassword

    async def get(self, session: Session) -> Account:
        """Return the account of `session`; raise SessionEnded if it was deleted."""
        account = await self._directory.by_id(session.user)
        if account is None:
            raise SessionEnded
        return account
