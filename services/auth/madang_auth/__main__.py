"""Runs auth on the real servers, makes signing keys, or disables and enables users."""

import argparse
import sys
import time
from pathlib import Path

from madang_auth import wiring
from madang_auth.accounts import users_command
from madang_auth.settings import AuthSettings
from madang_auth.signing.keys import UnusableKeys, make_first_key, make_key
from madang_common import server

NAME = "madang-auth"


def main() -> None:
    """Serve until a signal; with the command `keys` or `users`, run it and exit."""
    arguments = _parser().parse_args()
    if arguments.command == "keys":
        _make_key(arguments.folder, arguments.which)
    elif arguments.command == "users":
        users_command.run(NAME, AuthSettings, wiring.open_user_admin, arguments)
    else:
        server.run(NAME, AuthSettings, wiring.serve)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description="Serve auth.")
    commands = parser.add_subparsers(dest="command")
    users_command.add_parser(commands)
    keys = commands.add_parser("keys", help="manage the signing keys")
    new = keys.add_subparsers(dest="keys", required=True).add_parser(
        "new", help="make a key that signs from now on"
    )
    new.add_argument("folder", type=Path, help="the folder MADANG_SIGNING_KEYS_DIR")
    which = new.add_mutually_exclusive_group()
    which.add_argument(
        "--first",
        dest="which",
        action="store_const",
        const="first",
        help="only if the folder has no key",
    )
    which.add_argument(
        "--next",
        dest="which",
        action="store_const",
        const="next",
        help="publish it, but sign with it only after .next.pem is renamed to .pem",
    )
    return parser


def _make_key(folder: Path, which: str | None) -> None:
    try:
        if which == "first":
            make_first_key(folder, time.time)
        else:
            make_key(folder, time.time, is_next=which == "next")
    except (UnusableKeys, OSError) as error:
        sys.exit(f"{NAME} keys new: {error}")


if __name__ == "__main__":
    main()
