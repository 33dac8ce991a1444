"""The commands `users disable` and `users enable`, shared by auth and the standalone form."""

import argparse
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from madang_auth.accounts.user_admin import UserAdmin
from madang_common.commands import result_of
from madang_common.problems import Problem
from madang_common.settings import CommonSettings

S = TypeVar("S", bound=CommonSettings)
Open = Callable[[S], AbstractAsyncContextManager[UserAdmin]]

_HELP = {
    "disable": "disable a user: end their sessions and connections, and refuse logins",
    "enable": "enable a user: allow logins again",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `users` to `commands`."""
    users = commands.add_parser("users", help="disable and enable users")
    actions = users.add_subparsers(dest="action", required=True)
    for name, text in _HELP.items():
        actions.add_parser(name, help=text, description=f"{text}.".capitalize()).add_argument(
            "username"
        )


def run(
    name: str, settings_class: type[S], open_user_admin: Open[S], arguments: argparse.Namespace
) -> None:
    """Run the parsed command for the program `name`, and print the result or exit with an error."""
    result = result_of(
        f"{name} users {arguments.action}",
        settings_class,
        lambda settings: _run(open_user_admin(settings), arguments),
        (Problem,),
    )
    print(result)  # noqa: T201 - the command's output


async def _run(
    opened: AbstractAsyncContextManager[UserAdmin], arguments: argparse.Namespace
) -> str:
    async with opened as users:
        if arguments.action == "enable":
            await users.enable(arguments.username)
            return f"{arguments.username} may log in again"
        ended = await users.disable(arguments.username)
        return f"{arguments.username} is disabled; sessions ended: {ended}"
