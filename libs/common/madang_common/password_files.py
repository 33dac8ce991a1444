"""Passwords in files: a folder with one file per user, such as a mounted Secret."""

from pathlib import Path

from madang_common.setting_files import UnusableFile, read_value
from madang_common.settings import CannotStart


def read_password(folder: Path, name: str) -> str:
    """Return the password in the file `name`, without one trailing newline.

    Raise CannotStart if the file cannot be read, or contains what no server accepts.
    """
    path = folder / name
    try:
        password = read_value(path)
    except UnusableFile as error:
        raise CannotStart(f"{path} {error}; it must contain a password") from None
    if not password or "\0" in password:
        raise CannotStart(f"{path} is empty or has a null character; it must contain a password")
    return password
