"""Waits for the end of a test run and stops the servers it left running: `keeper OWNER FOLDER`."""

import os
import select
import sys
from pathlib import Path

from stack.run import ServerRun


def keep(owner: int, folder: Path) -> None:
    """Return when `owner` has ended and so have the servers in `folder`."""
    try:
        handle = os.pidfd_open(owner)
    except ProcessLookupError:
        pass
    else:
        select.select([handle], [], [])
        os.close(handle)
    if folder.exists():
        ServerRun(folder, owner).end()


if __name__ == "__main__":
    keep(int(sys.argv[1]), Path(sys.argv[2]))
