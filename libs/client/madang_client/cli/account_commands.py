"""Commands for accounts: `register`, `login` and `logout`."""

import os
import sys
from typing import Annotated

import typer

from madang_client.account import Account
from madang_client.cli import outcome
from madang_client.cli.app import DEFAULT_SERVER, Server, login_file, run_with_login, screen
from madang_client.cli.plain import plain

commands = typer.Typer()

Username = Annotated[str | None, typer.Argument(help="Prompted if missing.")]


@commands.command()
def register(
    username: Username = None,
    display_name: Annotated[str | None, typer.Option(help="What others see.")] = None,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Create an account."""
    name = _username(username)
    password = _password(confirm=True)

    async def work() -> None:
        async with Account(server) as account:
            user = await account.register(name, password, display_name=display_name)
            screen.say(f"registered {plain(user.username)}")
            screen.remark(f"log in with: madang login {plain(user.username)}")

    outcome.run(work())


@commands.command()
def login(username: Username = None, server: Server = DEFAULT_SERVER) -> None:
    """Log in; the session is stored on this machine until `logout`."""
    name = _username(username)
    password = _password()

    async def work() -> None:
        async with Account(server) as account:
            made = await account.login(name, password, store=login_file(server))
            screen.say(f"logged in as {plain(made.username or name)} at {server}")

    outcome.run(work())


@commands.command()
def logout(server: Server = DEFAULT_SERVER) -> None:
    """End the session that is stored on this machine."""
    run_with_login(server, lambda login: login.logout())


def _username(given: str | None) -> str:
    if given is None and not sys.stdin.isatty():
        raise typer.BadParameter("give a username")
    return given if given is not None else str(typer.prompt("Username"))


def _password(*, confirm: bool = False) -> str:
    """Return the password; not an argument, because every user of the machine could read it."""
    given = os.environ.get("MADANG_PASSWORD")
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise typer.BadParameter("set MADANG_PASSWORD: there is no terminal to prompt for it")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=confirm))
