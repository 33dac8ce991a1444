"""Reads the files of a folder of signing keys as one consistent set.

A mounted Secret is a folder of links through `..data`, itself a link to the folder of the present
version. The kubelet replaces `..data` atomically, then deletes the old version:

```
current.pem -> ..data/current.pem
..data -> ..2027_01_15_08_00_00.1234
```
"""

import os
import stat
from pathlib import Path
from typing import NamedTuple

import structlog

from madang_common.settings import CannotStart

log = structlog.get_logger()

SUFFIX = ".pem"
_VERSION = "..data"
_ATTEMPTS = 10
_TOO_OPEN = stat.S_IRWXO | stat.S_IWGRP
"""A mounted Secret may be readable by the group of its pod."""


class UnusableKeys(CannotStart):
    """A key is missing or cannot be read; the message names the file."""


class KeyFile(NamedTuple):
    """Content and permissions of a key file."""

    content: bytes
    mode: int


def read_files(folder: Path) -> dict[str, KeyFile]:
    """Return the key files of `folder` by name, in order; raise UnusableKeys.

    The files of a mounted Secret are all of one version.
    """
    for _ in range(_ATTEMPTS):
        version = _version(folder)
        try:
            files = {path.name: _read(path) for path in sorted(version.glob(f"*{SUFFIX}"))}
        except OSError as error:
            if _version(folder) == version:
                reason = error.strerror or type(error).__name__
                raise UnusableKeys(f"{error.filename or folder}: {reason}") from error
        else:
            # A version is deleted after its replacement: what was read before that is complete.
            if _version(folder) == version:
                return files
    raise UnusableKeys(f"{folder} was replaced during each of {_ATTEMPTS} reads")


def warn_about_modes(folder: Path, files: dict[str, KeyFile]) -> None:
    """Log a warning for each key that others may read."""
    for name, file in files.items():
        if file.mode & _TOO_OPEN:
            log.warning("signing_key_readable_by_others", path=str(folder / name))


def _version(folder: Path) -> Path:
    """Return the folder of the present version of a mounted Secret; else `folder`."""
    link = folder / _VERSION
    try:
        return folder / link.readlink()
    except OSError:
        return folder


def _read(path: Path) -> KeyFile:
    with path.open("rb") as file:
        return KeyFile(file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode))
