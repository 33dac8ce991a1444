"""Start one auth process on the real servers, make a key to sign with, or shut somebody out."""

import argparse
import sys
import time
from pathlib import Path

from madang_auth import command, wiring
from madang_auth.settings import AuthSettings
from madang_auth.signing.keys import UnusableKeys, make_first_key, make_key
from madang_common import server

NAME = "madang-auth"


def main() -> None:
    """Serve until a signal ends it; or, asked about `keys` or `users`, do that and end."""
    asked = _parser().parse_args()
    if asked.command == "keys":
        _make_key(asked.folder, asked.which)
    elif asked.command == "users":
        command.run_users(NAME, AuthSettings, wiring.operate, asked)
    else:
        server.run(NAME, AuthSettings, wiring.serve)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description="Serve auth.")
    commands = parser.add_subparsers(dest="command")
    command.add_users(commands)
    keys = commands.add_parser("keys", help="the keys that sign")
    new = keys.add_subparsers(dest="keys", required=True).add_parser(
        "new", help="make a key that signs from now on, and end"
    )
    new.add_argument("folder", type=Path, help="what MADANG_SIGNING_KEYS_DIR names")
    which = new.add_mutually_exclusive_group()
    which.add_argument(
        "--first",
        dest="which",
        action="store_const",
        const="first",
        help="only if the folder holds none",
    )
    which.add_argument(
        "--next",
        dest="which",
        action="store_const",
        const="next",
        help="publish it, but sign with it only when its name no more ends in .next.pem",
    )
    return parser


def _make_key(folder: Path, which: str | None) -> None:
    try:
        if which == "first":
            make_first_key(folder, time.time)
        else:
            make_key(folder, time.time, coming=which == "next")
    except (UnusableKeys, OSError) as error:
        sys.exit(f"{NAME} keys new: {error}")


if __name__ == "__main__":
    main()
