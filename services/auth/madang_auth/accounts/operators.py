"""What an operator does with other people's accounts."""

import structlog

from madang_auth.backends.directory import Account, Directory
from madang_auth.names import username as one_form
from madang_auth.sessions.notices import Notices
from madang_auth.sessions.port import Sessions
from madang_common.clock import Clock
from madang_common.problems import NotFound

log = structlog.get_logger()


class Operator:
    """Shuts people out, and lets them in again.

    Each of its steps may be taken again, which mends what a crash between two of them left undone.
    """

    def __init__(
        self, directory: Directory, sessions: Sessions, notices: Notices, clock: Clock
    ) -> None:
        self._directory = directory
        self._sessions = sessions
        self._notices = notices
        self._clock = clock

    async def disable(self, username: str) -> int:
        """Let nobody log in as `username` and end all their logins; return how many those were.

        Raise NotFound if there is no such user.
        """
        account = await self._find(username)
        # First, so that no login opens behind the end of all.
        await self._directory.set_disabled(account.id, disabled=True)
        ended = await self._sessions.end_others(account.id, keep=None, now=self._clock())
        self._notices.ended(ended, "disabled")
        log.info("user_disabled", user_id=account.id, logins=len(ended))
        return len(ended)

    async def enable(self, username: str) -> None:
        """Let `username` log in again; what has ended stays so. Raise NotFound."""
        account = await self._find(username)
        await self._directory.set_disabled(account.id, disabled=False)
        log.info("user_enabled", user_id=account.id)

    async def _find(self, username: str) -> Account:
        try:
            account = await self._directory.by_username(one_form(username))
        except ValueError:
            account = None
        if account is None:
            raise NotFound(f"there is no user {username!r}")
        return account
