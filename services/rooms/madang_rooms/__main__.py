"""Runs rooms on the real servers, or migrates its database."""

import argparse
import asyncio
import sys

from pydantic import ValidationError

from madang_common import logging, server, settings_errors
from madang_common.settings import CannotStart
from madang_rooms import wiring
from madang_rooms.settings import RoomsSettings

NAME = "madang-rooms"


def main() -> None:
    """Serve until a signal; with the command `migrate`, migrate the database and exit."""
    arguments = _parser().parse_args()
    if arguments.command == "migrate":
        _migrate(arguments.revision)
    else:
        server.run(NAME, RoomsSettings, wiring.serve)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description="Serve rooms.")
    migrate = parser.add_subparsers(dest="command").add_parser(
        "migrate", help="migrate the schema of MADANG_DATABASE_URL, and exit"
    )
    migrate.add_argument(
        "--revision", default="head", help="the revision to migrate to (default: the latest)"
    )
    return parser


def _migrate(revision: str) -> None:
    try:
        settings = RoomsSettings()
        logging.configure(settings)
        asyncio.run(wiring.migrate(settings, revision))
    except ValidationError as error:
        sys.exit(f"{NAME} migrate: settings: {settings_errors.describe(error)}")
    except CannotStart as error:
        sys.exit(f"{NAME} migrate: {error}")


if __name__ == "__main__":
    main()
