"""Accounts: made by registering, and their passwords."""

import structlog

from madang_auth.backends.directory import Account, Directory, Person
from madang_auth.metrics import AuthMetrics
from madang_auth.passwords.passwords import Passwords
from madang_auth.problems import DisabledAccount, EndedLogin, WrongPassword
from madang_auth.sessions.logins import Logins
from madang_auth.sessions.port import Login
from madang_auth.throttle.limiter import Limiter
from madang_common.problems import Conflict

log = structlog.get_logger()


class Accounts:
    """What people do with their own account."""

    def __init__(
        self,
        directory: Directory,
        passwords: Passwords,
        logins: Logins,
        gate: Limiter,
        metrics: AuthMetrics,
    ) -> None:
        self._directory = directory
        self._passwords = passwords
        self._logins = logins
        self._gate = gate
        self._metrics = metrics

    async def register(
        self, username: str, password: str, display_name: str, address: str
    ) -> Person:
        """Make an account; raise Conflict if the username is taken, TooManyRequests if too many."""
        await self._gate.registration(address)
        hashed = await self._passwords.hash(password, address=address)
        person = await self._directory.add(username, hashed, display_name)
        self._metrics.registered()
        log.info("user_registered", user_id=person.id)
        return person

    async def change_password(self, login: Login, current: str, new: str, address: str) -> None:
        """Set another password and end the user's other logins; raise WrongPassword.

        Raise EndedLogin if `login` has ended meanwhile.
        """
        account = await self.of(login)
        if account.disabled:
            raise DisabledAccount
        async with self._gate.password_change(account.username, address):
            await self._refuse_wrong(account, current, address)
        hashed = await self._passwords.hash(new, address=address)
        # Hashing takes time: the login may have ended meanwhile, or its user been disabled.
        await self._logins.current(login.id)
        # Before the change, so that a store that is away stops it; and after it, for a login that
        # was opened with the old password meanwhile.
        await self._logins.end_others(login)
        await self._replace(account, current, hashed, address)
        await self._logins.end_others(login)
        log.info("password_changed")

    async def _replace(self, account: Account, current: str, hashed: str, address: str) -> None:
        """Store `hashed` in place of the hash that `current` fits."""
        try:
            await self._directory.set_password(account.id, hashed, instead_of=account.password_hash)
        except Conflict:
            # Changed by somebody else, or hashed anew by a login with the same password.
            now = await self._directory.by_id(account.id)
            if now is None:
                raise EndedLogin from None
            await self._refuse_wrong(now, current, address)
            await self._directory.set_password(account.id, hashed, instead_of=now.password_hash)

    async def _refuse_wrong(self, account: Account, current: str, address: str) -> None:
        if not await self._passwords.verify(account.password_hash, current, address=address):
            raise WrongPassword

    async def of(self, login: Login) -> Account:
        """Return the account of `login`; raise EndedLogin if it is gone."""
        account = await self._directory.by_id(login.user)
        if account is None:
            raise EndedLogin
        return account
