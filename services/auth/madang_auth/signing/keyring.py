"""The signing keys of a folder, reloaded when the folder changes."""

import asyncio
from pathlib import Path

import structlog

from madang_auth.signing.keys import SigningKeys, UnusableKeys, read_keys

log = structlog.get_logger()

_Files = frozenset[tuple[str, int, int, int]]
"""Name, inode, size and time of each key file."""


class Keyring:
    """The keys of a folder that all replicas of auth share."""

    def __init__(self, folder: Path) -> None:
        """Read the keys; raise UnusableKeys if one cannot be read or none can sign."""
        self._folder = folder
        self._files = _files(folder)
        self.keys: SigningKeys = read_keys(folder)

    def refresh(self) -> None:
        """Reload the keys if a file has changed; keep the current ones if that fails."""
        try:
            files = _files(self._folder)
            if files == self._files:
                return
            self._files = files
            self.keys = read_keys(self._folder)
        except (UnusableKeys, OSError) as error:
            log.error("signing_keys_unusable", error=str(error))  # noqa: TRY400 - no traceback for an operator's mistake
        else:
            log.info("signing_keys_read", kid=self.keys.kid, published=len(self.keys.published))

    async def follow(self, pause_seconds: float) -> None:
        """Pause, refresh, and repeat until cancelled."""
        while True:
            await asyncio.sleep(pause_seconds)
            await asyncio.to_thread(self.refresh)


def _files(folder: Path) -> _Files:
    found = ((path.name, path.stat()) for path in folder.glob("*.pem"))
    return frozenset(
        (name, state.st_ino, state.st_size, state.st_mtime_ns) for name, state in found
    )
