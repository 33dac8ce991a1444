"""Runs rooms on the real servers, or a command on its database: migrate, wait, compare."""

import argparse
from collections.abc import Callable, Coroutine

from madang_common import server
from madang_common.arguments import positive_seconds
from madang_common.commands import result_of
from madang_common.settings import Environment
from madang_rooms import wiring
from madang_rooms.recovery import command
from madang_rooms.settings import RoomsSettings

NAME = "madang-rooms"


def main() -> None:
    """Serve until a signal; with a command, run it and exit."""
    arguments = _parser().parse_args()
    if arguments.command == "migrate":
        _run("migrate", lambda settings: wiring.migrate(settings, arguments.revision))
    elif arguments.command == "wait":
        _run("wait", lambda settings: wiring.wait_for_schema(settings, arguments.seconds))
    elif arguments.command == "compare":
        command.run(NAME, _settings, wiring.open_recovery_on_servers, arguments)
    else:
        server.run(NAME, RoomsSettings, wiring.serve)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description="Serve rooms.")
    commands = parser.add_subparsers(dest="command")
    migrate = commands.add_parser("migrate", help="migrate the schema in MySQL, and exit")
    migrate.add_argument(
        "--revision", default="head", help="the revision to migrate to (default: the latest)"
    )
    wait = commands.add_parser(
        "wait", help="wait until the schema in MySQL is this version's, and exit"
    )
    wait.add_argument(
        "--seconds", type=positive_seconds, default=600, help="longest wait (default: %(default)s)"
    )
    command.add_parser(commands)
    return parser


def _settings() -> RoomsSettings:
    # The commands need no secret of the service.
    return RoomsSettings(environment=Environment.DEVELOPMENT)


def _run(command: str, run: Callable[[RoomsSettings], Coroutine[None, None, None]]) -> None:
    result_of(f"{NAME} {command}", _settings, run, (), log_level=None)


if __name__ == "__main__":
    main()
