"""The SQL that creates the database and its users in MySQL or MariaDB.

`python -m madang_rooms.storage.grants --passwords DIR` prints it, for a server's `--init-file` or a
client of the administrator. DIR contains the passwords of `madang_migrate` (file `migrate`), which
changes the schema, and `madang_rooms` (file `rooms`), which only reads and writes rows. A repeated
run only sets the passwords.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence

from madang_common.arguments import add_user_options
from madang_common.password_files import read_password
from madang_common.settings import CannotStart

DATABASE = "madang"
_ROWS = ("SELECT", "INSERT", "UPDATE", "DELETE")
_SCHEMA = ("CREATE", "ALTER", "DROP", "INDEX", "REFERENCES")
RIGHTS: Mapping[str, Sequence[str]] = {"migrate": (*_ROWS, *_SCHEMA), "rooms": _ROWS}
"""Privileges on the database by the name of a password file."""

# An --init-file is read line by line, so no line of it may be in the middle of a statement.
_ESCAPES = str.maketrans(
    {"\\": r"\\", "'": "''", "\n": r"\n", "\r": r"\r", "\0": r"\0", "\x1a": r"\Z"}
)


def user_name(name: str) -> str:
    """Return the user whose password is in the file `name`."""
    return f"madang_{name}"


def statements(
    passwords: Mapping[str, str], *, database: str = DATABASE, former: Sequence[str] = ()
) -> Iterator[str]:
    """Yield one statement per line; the users named in `former` are dropped."""
    # The default mode of no server, but an administrator may have set it: `\` would be no escape.
    yield "SET SESSION sql_mode = REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '');"
    yield f"CREATE DATABASE IF NOT EXISTS {_name(database)} CHARACTER SET utf8mb4;"
    for user in former:
        yield f"DROP USER IF EXISTS {_account(user)};"
    for name, rights in RIGHTS.items():
        account = _account(user_name(name))
        password = _string(passwords[name])
        yield f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY {password};"
        yield f"ALTER USER {account} IDENTIFIED BY {password};"
        yield f"GRANT {', '.join(rights)} ON {_pattern(database)}.* TO {account};"


def _account(user: str) -> str:
    return f"{_string(user)}@'%'"


def _string(value: str) -> str:
    return f"'{value.translate(_ESCAPES)}'"


def _name(value: str) -> str:
    return f"`{value.replace('`', '``')}`"


def _pattern(database: str) -> str:
    """Return the database in a GRANT, where `_` and `%` would match other names too."""
    return _name(database.replace("\\", r"\\").replace("_", r"\_").replace("%", r"\%"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the statements; exit with one line if a password is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m madang_rooms.storage.grants",
        description="Print the SQL that creates the database of rooms and its users.",
    )
    add_user_options(parser, passwords="one file per user", former="existing users to drop")
    parser.add_argument("--database", default=DATABASE, help="default: %(default)s")
    given = parser.parse_args(arguments)
    try:
        passwords = {name: read_password(given.passwords, name) for name in RIGHTS}
    except CannotStart as error:
        sys.exit(str(error))
    for line in statements(passwords, database=given.database, former=given.former):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
