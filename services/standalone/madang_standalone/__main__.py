"""Runs all of Madang in one process, or an operator's command on its data folder."""

import argparse

from madang_auth.accounts import users_command
from madang_common import server
from madang_history.verify import command as verify_command
from madang_rooms.recovery import command as recovery_command
from madang_standalone import backup, wiring
from madang_standalone.settings import StandaloneSettings

NAME = "madang-standalone"


def main() -> None:
    """Serve until a signal; with a command, run it and exit."""
    arguments = _parser().parse_args()
    if arguments.command == "users":
        users_command.run(NAME, StandaloneSettings, wiring.open_user_admin, arguments)
    elif arguments.command == "backup":
        backup.run(NAME, arguments)
    elif arguments.command == "compare":
        recovery_command.run(NAME, StandaloneSettings, wiring.open_recovery, arguments)
    elif arguments.command == "verify":
        verify_command.run(NAME, StandaloneSettings, wiring.open_to_verify, arguments)
    else:
        server.run("Madang", StandaloneSettings, wiring.build)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description="Serve all of Madang.")
    commands = parser.add_subparsers(dest="command")
    users_command.add_parser(commands)
    backup.add_parser(commands)
    recovery_command.add_parser(commands)
    verify_command.add_parser(commands)
    return parser


if __name__ == "__main__":
    main()
