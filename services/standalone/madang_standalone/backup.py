"""`madang-standalone backup`: copies the data folder, also while a process serves from it.

Each file is copied in one transaction of SQLite, so a copy contains no half of a change. The order
matters: the log comes last, so it has everything that the other copies have. History stores what
its copy lacks from the log, and `compare --repair` brings the database of rooms up to the log.
"""

import argparse
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import mkdtemp

from pydantic import ValidationError

from madang_common import settings_errors
from madang_common.settings import CannotStart
from madang_standalone.settings import StandaloneSettings

_KEYS = Path("auth") / "keys"
_FILES = (
    Path("auth") / "sessions.db",
    Path("auth") / "throttle.db",
    Path("history") / "messages.db",
    Path("rooms") / "rooms.db",
)
_LOGS = "log*.db"
_HELP = "copy the data folder, also while it is in use"
_BUSY_SECONDS = 30


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `backup` to `commands`."""
    parser = commands.add_parser("backup", help=_HELP, description=f"{_HELP}.".capitalize())
    parser.add_argument("folder", type=Path, help="a new folder for the copy")


def run(name: str, arguments: argparse.Namespace) -> None:
    """Run the parsed command for the program `name`; print the copied files or exit with 1."""
    # Password hashes, messages and keys: private to their owner.
    os.umask(0o077)
    try:
        copied = back_up(StandaloneSettings().data_dir, arguments.folder)
    except ValidationError as error:
        sys.exit(f"{name}: settings: {settings_errors.describe(error)}")
    except CannotStart as error:
        sys.exit(f"{name} backup: {error}")
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"{name} backup: the copy failed, and {arguments.folder} was not made: {error}")
    sys.stdout.writelines(f"{file}\n" for file in copied)


def back_up(data: Path, folder: Path) -> list[Path]:
    """Copy `data` into the new `folder`, all or nothing; return the copies once they are on disk.

    Raise CannotStart if `data` is no data folder or `folder` cannot be used, OSError or
    sqlite3.Error if a copy fails.
    """
    logs = _logs_of(data)
    target = _new_folder(data, folder)
    with _renamed_when_complete(target) as partial:
        (partial / _KEYS).mkdir(parents=True)
        copied = [_copy_key(key, partial) for key in sorted((data / _KEYS).glob("*"))]
        copied += [_copy_database(data, file, partial) for file in (*_FILES, *logs)]
        _sync_folders(partial, [_KEYS, *(file.parent for file in copied), Path()])
    return [folder / file for file in copied]


def _logs_of(data: Path) -> list[Path]:
    """Return the files of the log, relative to `data`; raise CannotStart if a file is missing."""
    logs = sorted(path.relative_to(data) for path in data.glob(_LOGS))
    missing = [str(file) for file in _FILES if not (data / file).exists()]
    if not logs:
        missing.append(_LOGS)
    if missing:
        raise CannotStart(
            f"{data} is not a data folder of Madang (there is no {missing[0]}); set MADANG_DATA_DIR"
        )
    return logs


def _new_folder(data: Path, folder: Path) -> Path:
    """Return the absolute path of `folder`; raise CannotStart if it exists or is inside `data`."""
    target = folder.resolve()
    if target.is_relative_to(data.resolve()):
        raise CannotStart(f"{folder} is inside MADANG_DATA_DIR; give a folder elsewhere")
    if target.exists():
        raise CannotStart(f"{folder} exists; give the name of a new folder")
    return target


@contextmanager
def _renamed_when_complete(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target`, renamed to it at the end and removed on an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(prefix=f"{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield partial
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _sync(target.parent)


def _copy_key(key: Path, folder: Path) -> Path:
    """Copy `key` into its place in `folder`; return that place."""
    _sync(Path(shutil.copy2(key, folder / _KEYS)))
    return _KEYS / key.name


def _copy_database(data: Path, file: Path, folder: Path) -> Path:
    """Copy `file` of `data` into its place in `folder`; return that place."""
    to = folder / file
    to.parent.mkdir(parents=True, exist_ok=True)
    source = f"{(data / file).resolve().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(source, uri=True, timeout=_BUSY_SECONDS)) as original,
        closing(sqlite3.connect(to)) as copy,
    ):
        original.backup(copy)
    _sync(to)
    return file


def _sync_folders(folder: Path, inside: Sequence[Path]) -> None:
    for part in dict.fromkeys(inside):
        _sync(folder / part)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
