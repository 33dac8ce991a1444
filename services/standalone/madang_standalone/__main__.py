"""Runs all of Madang in one process, or disables and enables users."""

import argparse

from madang_auth.accounts import users_command
from madang_common import server
from madang_standalone import wiring
from madang_standalone.settings import StandaloneSettings

NAME = "madang-standalone"


def main() -> None:
    """Serve until a signal; with the command `users`, run it and exit."""
    arguments = _parser().parse_args()
    if arguments.command == "users":
        users_command.run(NAME, StandaloneSettings, wiring.open_user_admin, arguments)
    else:
        server.run("Madang", StandaloneSettings, wiring.build)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description="Serve all of Madang.")
    users_command.add_parser(parser.add_subparsers(dest="command"))
    return parser


if __name__ == "__main__":
    main()
