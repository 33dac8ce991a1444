"""The signing keys of a folder, reloaded when the folder changes."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import structlog

from madang_auth.signing.key_files import UnusableKeys, read_files
from madang_auth.signing.keys import parse_keys

log = structlog.get_logger()

Use = Literal["signs", "published"]


class Keyring:
    """The keys of a folder that all replicas of auth share."""

    def __init__(self, folder: Path) -> None:
        """Read the keys; raise UnusableKeys if one cannot be read or none can sign."""
        self._folder = folder
        self._files = read_files(folder)
        """What was read last, usable or not; empty if the folder could not be read."""
        self.keys = parse_keys(folder, self._files)
        self.error: str | None = None
        """Why the keys that are in the folder now are not used; None if they are."""
        self._log()

    @property
    def uses(self) -> Mapping[str, Use]:
        """The use of each key, by its `kid`."""
        kid = self.keys.kid
        return {
            jwk["kid"]: "signs" if jwk["kid"] == kid else "published" for jwk in self.keys.published
        }

    def refresh(self) -> None:
        """Reload the keys if a file has changed; keep the current ones if that fails."""
        known, self._files = self._files, {}
        try:
            self._files = read_files(self._folder)
            if self._files == known:
                return
            self.keys = parse_keys(self._folder, self._files)
        except UnusableKeys as error:
            if str(error) != self.error:
                log.error("signing_keys_unusable", error=str(error), kid=self.keys.kid)  # noqa: TRY400 - no traceback for an operator's mistake
            self.error = str(error)
        else:
            self.error = None
            self._log()

    async def follow(self, pause_seconds: float) -> None:
        """Pause, refresh, and repeat until cancelled."""
        while True:
            await asyncio.sleep(pause_seconds)
            await asyncio.to_thread(self.refresh)

    def _log(self) -> None:
        kids = [jwk["kid"] for jwk in self.keys.published]
        log.info("signing_keys_read", kid=self.keys.kid, published=kids)
