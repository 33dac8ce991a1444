"""Start one history process on the real servers, or look after the dead lines."""

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
from madang_history.dead_letters.port import DeadLinesUnavailable
from madang_history.settings import HistorySettings

NAME = "madang-history"


def main() -> None:
    """Serve until a signal ends it; or, asked about `dead` lines, list or resend them and end."""
    asked = _parser().parse_args()
    if asked.command == "dead":
        _look_after_the_dead(asked)
    else:
        server.run(NAME, HistorySettings, wiring.serve)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description="Serve history.")
    dead = parser.add_subparsers(dest="command").add_parser(
        "dead", help="look after the lines of the log that could not be stored"
    )
    about = dead.add_subparsers(dest="about", required=True)
    listed = about.add_parser("list", help="show them, oldest first, and why they could not be")
    listed.add_argument("--whole", action="store_true", help="show long lines to their end")
    resend = about.add_parser("resend", help="append them to the log once more")
    which = resend.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="all that can be read")
    which.add_argument("names", nargs="*", default=[], help="SHARD/POSITION, as `list` shows them")
    for parser_with_limit in (listed, resend):
        parser_with_limit.add_argument(
            "--most", type=int, default=1000, help="lines to look at (%(default)s)"
        )
    return parser


def _look_after_the_dead(asked: argparse.Namespace) -> None:
    try:
        settings = HistorySettings()
        logging.configure(settings)
        failures = asyncio.run(_done(settings, asked))
    except ValidationError as error:
        sys.exit(f"{NAME}: settings: {settings_errors.describe(error)}")
    except (CannotStart, DeadLinesUnavailable, LogError) as error:
        sys.exit(f"{NAME}: {error}")
    if failures:
        sys.exit("\n".join(failures))


async def _done(settings: HistorySettings, asked: argparse.Namespace) -> list[str]:
    """Do what was asked, print it, and return what could not be done."""
    async with wiring.dead_lines(settings) as dead_lines:
        if asked.about == "list":
            _print(await command.show(dead_lines, most=asked.most, whole=asked.whole))
            return []
        async with open_log(settings, service="history") as chat_log:
            names = None if asked.all else asked.names
            done, failures = await command.resend(dead_lines, chat_log, names, most=asked.most)
            _print(done)
            return failures


def _print(lines: list[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201 - for people


if __name__ == "__main__":
    main()
