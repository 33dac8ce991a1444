"""Commands for messages: `history`, `send` and `chat`."""

from collections import deque
from datetime import datetime
from typing import Annotated

import typer

from madang_client.cli.app import DEFAULT_SERVER, Room, Server, run_with_login, screen
from madang_client.cli.interactive_chat import InteractiveChat
from madang_client.cli.keyboard import typed_lines
from madang_client.cli.room_names import find_mine
from madang_client.cli.transcript import Transcript
from madang_client.event import Event
from madang_client.login import Login

commands = typer.Typer()

_PAGE = 100
"""Events of one request."""


@commands.command()
def history(
    room: Room,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most messages to show.")] = 50,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Show the last messages of a room, oldest first."""

    async def work(login: Login) -> None:
        found = await find_mine(login, room)
        now = datetime.now().astimezone()
        transcript = Transcript()
        for event in await _last_events(login, found.id, limit):
            screen.say(transcript.line(event, now))

    run_with_login(server, work)


@commands.command()
def send(room: Room, text: str, server: Server = DEFAULT_SERVER) -> None:
    """Send a message to a room; prints its id when it is stored."""

    async def work(login: Login) -> None:
        found = await find_mine(login, room)
        async with login.chat() as chat:
            screen.say(await chat.send(found.id, text))

    run_with_login(server, work)


@commands.command()
def chat(
    room: Room,
    shown: Annotated[
        int, typer.Option("--last", min=1, max=_PAGE, help="Messages of the history to show first.")
    ] = 20,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Chat in a room until /quit; /more shows older messages."""

    async def work(login: Login) -> None:
        found = await find_mine(login, room)
        view = InteractiveChat(login, found, screen=screen, lines=typed_lines(), shown=shown)
        await view.run()

    run_with_login(server, work)


async def _last_events(login: Login, room: str, limit: int) -> list[Event]:
    found: deque[Event] = deque()
    before: str | None = None
    while len(found) < limit:
        page = await login.history(room, limit=min(limit - len(found), _PAGE), before=before)
        found.extendleft(reversed(page.items))
        before = page.before
        if before is None:
            break
    return list(found)
