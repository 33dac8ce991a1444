"""Runs history on the real servers, or one of its commands for operators."""

import argparse
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from madang_common import server
from madang_common.arguments import positive_seconds, whole_number
from madang_common.commands import result_of
from madang_common.log.opening import open_existing_log
from madang_common.log.port import LogError
from madang_common.settings import Environment
from madang_history import wiring
from madang_history.dead_letters import command
from madang_history.dead_letters.port import DeadLettersUnavailable
from madang_history.gaps import command as gaps
from madang_history.settings import HistorySettings
from madang_history.store.command import migrate
from madang_history.store.port import StoreError
from madang_history.verify import command as verify
from madang_history.verify.caught_up import wait_until_stored

NAME = "madang-history"

_MOST_LINES = 1_000_000


def main() -> None:
    """Serve until a signal, or run a command and exit."""
    arguments = _parser().parse_args()
    if arguments.command == "dead":
        _run_command(_dead_command, arguments)
    elif arguments.command == "gaps":
        _run_command(_gaps_command, arguments)
    elif arguments.command == "migrate":
        _run_command(_migrate_command, arguments)
    elif arguments.command == "wait":
        _run_command(_wait_command, arguments)
    elif arguments.command == "verify":
        verify.run(NAME, _settings, wiring.open_to_verify_on_servers, arguments)
    else:
        server.run(NAME, HistorySettings, wiring.serve)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description="Serve history.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("gaps", help="show which positions of the log were never stored")
    commands.add_parser(
        "migrate", help="move what the version before stored in MongoDB, while history runs"
    )
    verify.add_parser(commands)
    wait = commands.add_parser(
        "wait", help="wait until all that is in the log now is stored, and exit"
    )
    wait.add_argument(
        "--seconds", type=positive_seconds, default=60, help="longest wait (default: %(default)s)"
    )
    dead = commands.add_parser(
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
            "--most",
            type=whole_number(1, _MOST_LINES),
            default=1000,
            help="most lines to visit (%(default)s)",
        )
    return parser


def _settings() -> HistorySettings:
    # A command needs no secret of the service.
    return HistorySettings(environment=Environment.DEVELOPMENT)


def _run_command(
    command: Callable[[HistorySettings, argparse.Namespace], Coroutine[Any, Any, Sequence[str]]],
    arguments: argparse.Namespace,
) -> None:
    """Run `command` and exit, with the failures that it returns or the error that it raises."""
    failures = result_of(
        f"{NAME} {arguments.command}",
        _settings,
        lambda settings: command(settings, arguments),
        (DeadLettersUnavailable, LogError, StoreError),
        log_level=None,
    )
    if failures:
        sys.exit("\n".join(failures))


async def _dead_command(settings: HistorySettings, arguments: argparse.Namespace) -> list[str]:
    """Run the command, print its output, and return the failures."""
    async with wiring.open_dead_letters(settings) as dead_letters:
        if arguments.about == "list":
            _print(await command.show(dead_letters, most=arguments.most, whole=arguments.whole))
            return []
        async with open_existing_log(settings, service="history dead") as chat_log:
            names = None if arguments.all else arguments.names
            done, failures = await command.resend(
                dead_letters, chat_log, names, most=arguments.most
            )
            _print(done)
            return failures


async def _gaps_command(settings: HistorySettings, _: argparse.Namespace) -> list[str]:
    """Print what is missing; it is no failure of the command."""
    async with wiring.open_progress(settings) as store:
        _print(await gaps.show(store))
    return []


async def _wait_command(settings: HistorySettings, arguments: argparse.Namespace) -> list[str]:
    """Return when everything is stored; print nothing."""
    async with (
        open_existing_log(settings, service="history wait") as chat_log,
        wiring.open_progress(settings) as store,
    ):
        await wait_until_stored(chat_log, store, seconds=arguments.seconds)
    return []


async def _migrate_command(settings: HistorySettings, _: argparse.Namespace) -> Sequence[str]:
    """Run the migration, print its progress, and return what it could not do."""
    async with wiring.open_migration(settings) as migration:
        return await migrate(migration, lambda line: _print([line]))


def _print(lines: list[str]) -> None:
    for line in lines:
        print(line, flush=True)  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
