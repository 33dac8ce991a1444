"""The commands of `madang`."""

import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from madang_client.account import Account
from madang_client.cli import outcome
from madang_client.cli.interactive_chat import InteractiveChat
from madang_client.cli.keyboard import typed_lines
from madang_client.cli.lines import event_line
from madang_client.cli.login_file import LoginFile, state_folder
from madang_client.cli.plain import plain
from madang_client.cli.room_names import enter, find_mine, find_user
from madang_client.cli.screen import Screen, replace_unencodable
from madang_client.event import Event
from madang_client.login import Login
from madang_client.rest import checked_server

PAGE = 100
"""Most events that are asked for at once."""

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
    given = [*sys.argv, os.environ.get("MADANG_PASSWORD", "")]
    # Bytes that the locale cannot decode arrive as lone surrogates, which cannot be sent.
    if any("\ud800" <= character <= "\udfff" for text in given for character in text):
        outcome.fail(f"an argument or MADANG_PASSWORD is not text in {sys.getfilesystemencoding()}")


@dataclass(frozen=True, slots=True)
class Place:
    """The server that a command talks to, and where its login is kept."""

    server: str

    @property
    def file(self) -> LoginFile:
        """Return the file with the login."""
        return LoginFile(state_folder(os.environ.get("MADANG_STATE_DIR")), self.server)

    @asynccontextmanager
    async def login(self) -> AsyncIterator[Login]:
        """Yield the login that was made with `madang login`; raise LoggedOut if there is none."""
        async with Account(self.server) as account:
            yield account.resume(self.file)


def _server(text: str) -> str:
    try:
        return checked_server(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Server = Annotated[
    str,
    typer.Option("--server", envvar="MADANG_SERVER", callback=_server, help="Where the server is."),
]
Room = Annotated[str, typer.Argument(metavar="ROOM", help="A room's id, or its name.")]
Code = Annotated[str, typer.Argument(metavar="CODE", help="An invite's code.")]
Other = Annotated[str, typer.Argument(metavar="USERNAME", help="Somebody's username.")]
Username = Annotated[str | None, typer.Argument(help="Asked for if it is not given.")]
HERE = "http://127.0.0.1:8000"


@app.command()
def register(
    username: Username = None,
    display_name: Annotated[str | None, typer.Option(help="What others see.")] = None,
    server: Server = HERE,
) -> None:
    """Make an account."""
    name = _username(username)
    password = _password(confirm=True)

    async def work() -> None:
        async with Account(server) as account:
            user = await account.register(name, password, display_name=display_name)
            screen.say(f"registered {plain(user.username)}")
            screen.remark(f"log in with: madang login {plain(user.username)}")

    outcome.run(work())


@app.command()
def login(username: Username = None, server: Server = HERE) -> None:
    """Log in, and stay so on this machine until `logout`."""
    name = _username(username)
    password = _password()

    async def work() -> None:
        async with Account(server) as account:
            made = await account.login(name, password, store=Place(server).file)
            screen.say(f"logged in as {plain(made.username or name)} at {server}")

    outcome.run(work())


@app.command()
def logout(server: Server = HERE) -> None:
    """End the login on this machine."""
    _with_login(server, lambda login: login.logout())


@app.command()
def rooms(
    hidden: Annotated[bool, typer.Option("--hidden", help="Also those you hid.")] = False,  # noqa: FBT002 - a flag
    server: Server = HERE,
) -> None:
    """List the rooms you are in."""

    async def work(login: Login) -> None:
        found = [room async for room in login.rooms(hidden=hidden)]
        rows = [(room.id, room.name, room.visibility, room.role or "") for room in found]
        screen.table(("id", "name", "visibility", "role"), rows)

    _with_login(server, work)


@app.command()
def create(
    name: str,
    public: Annotated[bool, typer.Option("--public", help="Anyone may join.")] = False,  # noqa: FBT002 - a flag
    server: Server = HERE,
) -> None:
    """Make a room; prints its id."""

    async def work(login: Login) -> None:
        room = await login.create_room(name, public=public)
        screen.remark(f"created {plain(room.name)}")
        screen.say(room.id)

    _with_login(server, work)


@app.command()
def invite(
    room: Room,
    username: Annotated[
        str | None, typer.Argument(help="Whom to invite; without it, anybody who has the code.")
    ] = None,
    server: Server = HERE,
) -> None:
    """Make an invite; prints the code that `join` takes."""

    async def work(login: Login) -> None:
        found = await find_mine(login, room)
        invited = None if username is None else await find_user(login, username)
        made = await login.invite(found.id, None if invited is None else invited.id)
        whom = "others" if invited is None else plain(invited.username)
        screen.remark(f"lets {whom} into {plain(found.name)} until {plain(made.expires_at)}")
        screen.say(made.code)

    _with_login(server, work)


@app.command()
def invites(server: Server = HERE) -> None:
    """List the invites for you, newest first; `join` accepts one by its code."""

    async def work(login: Login) -> None:
        found = [invite async for invite in login.invites()]
        rows = [(one.code, one.room_name, one.by.username, one.expires_at) for one in found]
        screen.table(("code", "room", "from", "until"), rows)

    _with_login(server, work)


@app.command()
def decline(code: Code, server: Server = HERE) -> None:
    """Take an invite off your list; its maker does not learn that."""

    async def work(login: Login) -> None:
        await login.decline(code.strip())
        screen.remark("declined")

    _with_login(server, work)


@app.command()
def block(username: Other, server: Server = HERE) -> None:
    """Be shown no invites and no direct room of somebody, who is not told."""

    async def work(login: Login) -> None:
        blocked = await login.block((await find_user(login, username)).id)
        screen.remark(f"blocked {plain(blocked.user.username)}")

    _with_login(server, work)


@app.command()
def unblock(username: Other, server: Server = HERE) -> None:
    """Be shown somebody's invites again."""

    async def work(login: Login) -> None:
        user = await find_user(login, username)
        await login.unblock(user.id)
        screen.remark(f"unblocked {plain(user.username)}")

    _with_login(server, work)


@app.command()
def blocks(server: Server = HERE) -> None:
    """List whom you block."""

    async def work(login: Login) -> None:
        rows = [(one.user.username, one.user.display_name) async for one in login.blocks()]
        screen.table(("username", "name"), rows)

    _with_login(server, work)


@app.command()
def direct(username: Other, server: Server = HERE) -> None:
    """Open the room that you share with one other; prints its id."""

    async def work(login: Login) -> None:
        room = await login.direct((await find_user(login, username)).id)
        screen.say(room.id)

    _with_login(server, work)


@app.command()
def hide(room: Room, server: Server = HERE) -> None:
    """Take a direct room off your list until you open it again."""

    async def work(login: Login) -> None:
        await login.hide((await find_mine(login, room)).id)

    _with_login(server, work)


@app.command()
def unhide(room: Room, server: Server = HERE) -> None:
    """Put a direct room back on your list."""

    async def work(login: Login) -> None:
        await login.unhide((await find_mine(login, room)).id)

    _with_login(server, work)


@app.command()
def join(
    code_or_room: Annotated[str, typer.Argument(help="An invite's code, or a public room.")],
    server: Server = HERE,
) -> None:
    """Enter a room; prints its id."""

    async def work(login: Login) -> None:
        room = await enter(login, code_or_room)
        screen.remark(f"joined {plain(room.name)}")
        screen.say(room.id)

    _with_login(server, work)


@app.command()
def members(room: Room, server: Server = HERE) -> None:
    """List who is in a room."""

    async def work(login: Login) -> None:
        found = await find_mine(login, room)
        people = [member async for member in login.members(found.id)]
        rows = [(one.user.username, one.user.display_name, one.role) for one in people]
        screen.table(("username", "name", "role"), rows)

    _with_login(server, work)


@app.command()
def history(
    room: Room,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, at most.")] = 50,
    server: Server = HERE,
) -> None:
    """Show the last messages of a room, oldest first."""

    async def work(login: Login) -> None:
        found = await find_mine(login, room)
        now = datetime.now().astimezone()
        for event in await _last_events(login, found.id, limit):
            screen.say(event_line(event, now))

    _with_login(server, work)


@app.command()
def send(room: Room, text: str, server: Server = HERE) -> None:
    """Say something in a room; prints the message's id once it is stored."""

    async def work(login: Login) -> None:
        found = await find_mine(login, room)
        async with login.chat() as chat:
            screen.say(await chat.send(found.id, text))

    _with_login(server, work)


@app.command()
def chat(
    room: Room,
    shown: Annotated[
        int, typer.Option("--last", min=1, max=PAGE, help="How much to scroll back.")
    ] = 20,
    server: Server = HERE,
) -> None:
    """Chat in a room until /quit; /more shows older messages."""

    async def work(login: Login) -> None:
        found = await find_mine(login, room)
        talk = InteractiveChat(login, found, screen=screen, lines=typed_lines(), shown=shown)
        await talk.run()

    _with_login(server, work)


def _with_login(server: str, work: Callable[[Login], Awaitable[Any]]) -> None:
    async def logged_in() -> None:
        async with Place(server).login() as login:
            await work(login)

    outcome.run(logged_in())


async def _last_events(login: Login, room: str, limit: int) -> list[Event]:
    found: deque[Event] = deque()
    before: str | None = None
    while len(found) < limit:
        page = await login.history(room, limit=min(limit - len(found), PAGE), before=before)
        found.extendleft(reversed(page.items))
        before = page.before
        if before is None:
            break
    return list(found)


def _username(given: str | None) -> str:
    if given is None and not sys.stdin.isatty():
        raise typer.BadParameter("give a username")
    return given if given is not None else str(typer.prompt("Username"))


def _password(*, confirm: bool = False) -> str:
    """Return the password; never an argument, which every user of the machine could read."""
    given = os.environ.get("MADANG_PASSWORD")
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise typer.BadParameter("set MADANG_PASSWORD: there is no terminal to ask at")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=confirm))
