"""A login's tokens in a file, readable by one user and shared by several processes."""

import asyncio
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import orjson
import platformdirs

from madang_client.tokens import Tokens, stored

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_PATIENCE_SECONDS = 0.05


def state_folder(environment: str | None) -> Path:
    """Return the folder of logins: `MADANG_STATE_DIR`, or the platform's default."""
    return Path(environment) if environment else Path(platformdirs.user_state_dir("madang"))


class LoginFile:
    """A `TokenStore` for one server."""

    def __init__(self, folder: Path, server: str) -> None:
        self._path = folder / "logins" / f"{quote(server, safe='')}.json"

    def load(self) -> Tokens | None:
        """Return the tokens; None if the file is missing or malformed."""
        try:
            return stored(orjson.loads(self._path.read_bytes()))
        except (FileNotFoundError, ValueError):
            return None

    def save(self, tokens: Tokens | None) -> None:
        """Replace the file atomically."""
        if tokens is None:
            self._path.unlink(missing_ok=True)
            return
        self._make_folder()
        # mkstemp creates files that only their owner can read.
        handle, temporary = tempfile.mkstemp(dir=self._path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(tokens.document()))
        Path(temporary).replace(self._path)

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold the lock that all processes of this user share."""
        self._make_folder()
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, _PRIVATE_FILE)
        try:
            while not _locked(lock):  # noqa: ASYNC110 - another process cannot set an Event
                await asyncio.sleep(_PATIENCE_SECONDS)
            yield
        finally:
            os.close(lock)

    def _make_folder(self) -> None:
        self._path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
