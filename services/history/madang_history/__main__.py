"""Runs history on the real servers, or lists and resends dead letters."""

import argparse
import asyncio
import sys

from pydantic import ValidationError

from madang_common import logging, server, settings_errors
from madang_common.log.opening import open_log
from madang_common.log.port import LogError
from madang_common.settings import CannotStart
from madang_history import wiring
from madang_history.dead_letters import command
from madang_history.dead_letters.port import DeadLettersUnavailable
from madang_history.settings import HistorySettings

NAME = "madang-history"


def main() -> None:
    """Serve until a signal; with the command `dead`, list or resend dead letters and exit."""
    arguments = _parser().parse_args()
    if arguments.command == "dead":
        _run_dead_command(arguments)
    else:
        server.run(NAME, HistorySettings, wiring.serve)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description="Serve history.")
    dead = parser.add_subparsers(dest="command").add_parser(
        "dead", help="list or resend lines of the log that could not be stored"
    )
    about = dead.add_subparsers(dest="about", required=True)
    listed = about.add_parser("list", help="show them, oldest first, with the reason")
    listed.add_argument("--whole", action="store_true", help="show long lines completely")
    resend = about.add_parser("resend", help="append them to the log again")
    which = resend.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="all that can be decoded")
    which.add_argument("names", nargs="*", default=[], help="SHARD/POSITION, as `list` shows them")
    for parser_with_limit in (listed, resend):
        parser_with_limit.add_argument(
            "--most", type=int, default=1000, help="most lines to visit (%(default)s)"
        )
    return parser


def _run_dead_command(arguments: argparse.Namespace) -> None:
    try:
        settings = HistorySettings()
        logging.configure(settings)
        failures = asyncio.run(_dead_command(settings, arguments))
    except ValidationError as error:
        sys.exit(f"{NAME}: settings: {settings_errors.describe(error)}")
    except (CannotStart, DeadLettersUnavailable, LogError) as error:
        sys.exit(f"{NAME}: {error}")
    if failures:
        sys.exit("\n".join(failures))


async def _dead_command(settings: HistorySettings, arguments: argparse.Namespace) -> list[str]:
    """Run the command, print its output, and return the failures."""
    async with wiring.open_dead_letters(settings) as dead_letters:
        if arguments.about == "list":
            _print(await command.show(dead_letters, most=arguments.most, whole=arguments.whole))
            return []
        async with open_log(settings, service="history") as chat_log:
            names = None if arguments.all else arguments.names
            done, failures = await command.resend(
                dead_letters, chat_log, names, most=arguments.most
            )
            _print(done)
            return failures


def _print(lines: list[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
