"""RabbitMQ's definitions for Madang: its virtual host, and one user per service.

`python -m madang_common.log.definitions --passwords DIR` prints them; RabbitMQ imports them at each
boot (`load_definitions`), which also changes the passwords. Each file in DIR contains the password
of one user: `gateway`, `auth`, `rooms`, `history`, `setup` and, optionally, `operator`. No user is
an administrator, and only `setup` may declare the log (`python -m madang_common.log.setup`): an
import would add streams to a log that was made with fewer shards.
"""

import argparse
import base64
import hashlib
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from madang_common.arguments import add_user_options
from madang_common.log.topology import (
    NOTHING,
    OPERATOR,
    PERMISSIONS,
    SETUP,
    VHOST,
    Permissions,
)
from madang_common.password_files import read_password
from madang_common.settings import CannotStart

USERS: Mapping[str, Permissions] = {**PERMISSIONS, "setup": SETUP, "operator": OPERATOR}
"""Permissions by the name of a password file."""
_OPTIONAL = "operator"
_SALT_BYTES = 4


def user_name(name: str) -> str:
    """Return the RabbitMQ user whose password is in the file `name`."""
    return f"madang-{name}"


def definitions(
    passwords: Mapping[str, str], *, vhost: str = VHOST, former: Sequence[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """Return the definitions of the virtual host and the users with these passwords.

    `former` are existing users that lose their passwords, tags and permissions.
    """
    disabled = Permissions(NOTHING, NOTHING, NOTHING)
    users = [(user_name(name), password_hash(passwords[name]), USERS[name]) for name in passwords]
    users += [(name, "", disabled) for name in former]
    return {
        "vhosts": [{"name": vhost}],
        "users": [
            {
                "name": user,
                "password_hash": hashed,
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "",
            }
            for user, hashed, _ in users
        ],
        "permissions": [
            {
                "user": user,
                "vhost": vhost,
                "configure": permissions.configure,
                "write": permissions.write,
                "read": permissions.read,
            }
            for user, _, permissions in users
        ],
    }


def password_hash(password: str) -> str:
    """Return RabbitMQ's salted SHA-256 of `password`."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def read_passwords(folder: Path) -> dict[str, str]:
    """Return the passwords in `folder` by name; raise CannotStart if one is missing."""
    wanted = [name for name in USERS if name != _OPTIONAL or (folder / name).exists()]
    return {name: read_password(folder, name) for name in wanted}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the definitions; exit with one line if a password is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m madang_common.log.definitions",
        description="Print RabbitMQ's definitions: the virtual host and the services' users.",
    )
    add_user_options(
        parser,
        passwords="one file per user",
        former="existing users that lose their password, tags and permissions",
    )
    parser.add_argument("--vhost", default=VHOST, help="the virtual host (default: %(default)s)")
    given = parser.parse_args(arguments)
    try:
        passwords = read_passwords(given.passwords)
    except CannotStart as error:
        sys.exit(str(error))
    described = definitions(passwords, vhost=given.vhost, former=given.former)
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    sys.stdout.write(orjson.dumps(described, option=options).decode())


if __name__ == "__main__":
    main()
