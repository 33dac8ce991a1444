"""The `madang` application: its options, and the login that commands use."""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from madang_client.account import Account
from madang_client.cli import outcome
from madang_client.cli.login_file import LoginFile, state_folder
from madang_client.cli.screen import Screen, replace_unencodable
from madang_client.login import Login
from madang_client.rest import checked_server

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Chat with a Madang server.",
)
screen = Screen()


@app.callback()
def begin() -> None:
    """Chat with a Madang server."""
    replace_unencodable()
    texts = [*sys.argv, os.environ.get("MADANG_PASSWORD", "")]
    # Bytes that the locale cannot decode arrive as lone surrogates, which cannot be sent.
    if any("\ud800" <= character <= "\udfff" for text in texts for character in text):
        outcome.fail(f"an argument or MADANG_PASSWORD is not text in {sys.getfilesystemencoding()}")


def _server(text: str) -> str:
    try:
        return checked_server(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Server = Annotated[
    str,
    typer.Option("--server", envvar="MADANG_SERVER", callback=_server, help="URL of the server."),
]
Room = Annotated[str, typer.Argument(metavar="ROOM", help="A room's id or name.")]
DEFAULT_SERVER = "http://127.0.0.1:8000"


def login_file(server: str) -> LoginFile:
    """Return the file with the login at `server`."""
    return LoginFile(state_folder(os.environ.get("MADANG_STATE_DIR")), server)


def run_with_login(server: str, work: Callable[[Login], Awaitable[Any]]) -> None:
    """Run `work` with the login that `madang login` made."""

    async def logged_in() -> None:
        async with Account(server) as account:
            await work(account.resume(login_file(server)))

    outcome.run(logged_in())
