"""The data folder, locked by the process that uses it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from madang_common.settings import CannotStart

_LOCK = "madang.lock"


class FolderInUse(CannotStart):
    """Another process uses the folder."""


@contextmanager
def lock_folder(folder: Path) -> Iterator[Path]:
    """Create `folder` if necessary and lock it within the context; raise FolderInUse.

    The kernel releases the lock when the process ends, even if it is killed.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / _LOCK).open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise FolderInUse(
                f"{folder} is in use by process {holder}; stop it (`kill {holder}`), or set"
                " another MADANG_DATA_DIR"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield folder
