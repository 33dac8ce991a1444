"""`users disable` and `users enable`, for every program that can reach the users."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from pydantic import ValidationError

from madang_auth.accounts.operators import Operator
from madang_common import logging, settings_errors
from madang_common.problems import Problem
from madang_common.settings import CannotStart, CommonSettings

S = TypeVar("S", bound=CommonSettings)
Open = Callable[[S], AbstractAsyncContextManager[Operator]]

_HELP = {
    "disable": "end all their logins and connections within seconds, and let them log in no more",
    "enable": "let them log in again",
}


def add_users(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `users` to `commands`, which take their name as `command`."""
    users = commands.add_parser("users", help="shut somebody out, or let them in again")
    about = users.add_subparsers(dest="about", required=True)
    for name, told in _HELP.items():
        about.add_parser(name, help=told, description=f"{told}.".capitalize()).add_argument(
            "username"
        )


def run_users(
    name: str, settings_class: type[S], open_operator: Open[S], asked: argparse.Namespace
) -> None:
    """Do what was asked of the program `name`, print it, and end; say in one line what is wrong."""
    # As the process that serves: what is made here must be as private as what that makes.
    os.umask(0o077)
    try:
        settings = settings_class()
        logging.configure(settings.model_copy(update={"log_level": "WARNING"}))
        told = asyncio.run(_done(open_operator(settings), asked))
    except ValidationError as error:
        sys.exit(f"{name}: settings: {settings_errors.describe(error)}")
    except (CannotStart, Problem, OSError) as error:
        sys.exit(f"{name} users {asked.about}: {error}")
    print(told)  # noqa: T201 - for people


async def _done(opened: AbstractAsyncContextManager[Operator], asked: argparse.Namespace) -> str:
    async with opened as operator:
        if asked.about == "enable":
            await operator.enable(asked.username)
            return f"{asked.username} may log in again"
        ended = await operator.disable(asked.username)
        return f"{asked.username} is disabled; logins ended: {ended}"
