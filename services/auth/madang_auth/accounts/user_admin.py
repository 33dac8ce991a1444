"""Disabling and enabling of users by an operator."""

import structlog

from madang_auth.backends.directory import Account, Directory
from madang_auth.sessions.notices import SessionNotices
from madang_auth.sessions.port import SessionStore
from madang_common.clock import Clock
from madang_common.names import read_username
from madang_common.problems import NotFound

log = structlog.get_logger()


class UserAdmin:
    """Disables and enables users.

    Both are idempotent: a repeated call completes one that was interrupted.
    """

    def __init__(
        self, directory: Directory, sessions: SessionStore, notices: SessionNotices, clock: Clock
    ) -> None:
        self._directory = directory
        self._sessions = sessions
        self._notices = notices
        self._clock = clock

    async def disable(self, username: str) -> int:
        """Disable `username` and end their sessions; return how many those were.

        Raise NotFound if there is no such user.
        """
        account = await self._find(username)
        # First, so that no session opens after all have ended.
        await self._directory.set_disabled(account.id, disabled=True)
        ended = await self._sessions.end_others(account.id, keep=None, now=self._clock())
        self._notices.publish_ended(ended, "disabled")
        log.info("user_disabled", user_id=account.id, logins=len(ended))
        return len(ended)

    async def enable(self, username: str) -> None:
        """Allow `username` to log in again; ended sessions stay ended. Raise NotFound."""
        account = await self._find(username)
        await self._directory.set_disabled(account.id, disabled=False)
        log.info("user_enabled", user_id=account.id)

    async def _find(self, username: str) -> Account:
        try:
            account = await self._directory.by_username(read_username(username))
        except ValueError:
            account = None
        if account is None:
            raise NotFound(f"there is no user {username!r}")
        return account
