"""Commands for rooms, invites and blocks."""

from typing import Annotated

import typer

from madang_client.cli.app import DEFAULT_SERVER, Room, Server, run_with_login, screen
from madang_client.cli.plain import plain
from madang_client.cli.room_names import enter, find_mine, find_user
from madang_client.login import Login

commands = typer.Typer()

Code = Annotated[str, typer.Argument(metavar="CODE", help="An invite's code.")]
User = Annotated[str, typer.Argument(metavar="USERNAME", help="A user's username.")]


@commands.command()
def rooms(
    hidden: Annotated[bool, typer.Option("--hidden", help="Include hidden rooms.")] = False,  # noqa: FBT002 - a flag
    server: Server = DEFAULT_SERVER,
) -> None:
    """List your rooms."""

    async def work(login: Login) -> None:
        found = [room async for room in login.rooms(hidden=hidden)]
        rows = [(room.id, room.name, room.visibility, room.role or "") for room in found]
        screen.table(("id", "name", "visibility", "role"), rows)

    run_with_login(server, work)


@commands.command()
def create(
    name: str,
    public: Annotated[bool, typer.Option("--public", help="Anyone may join.")] = False,  # noqa: FBT002 - a flag
    server: Server = DEFAULT_SERVER,
) -> None:
    """Create a room; prints its id."""

    async def work(login: Login) -> None:
        room = await login.create_room(name, public=public)
        screen.remark(f"created {plain(room.name)}")
        screen.say(room.id)

    run_with_login(server, work)


@commands.command()
def invite(
    room: Room,
    username: Annotated[
        str | None, typer.Argument(help="The user to invite; without it, anyone with the code.")
    ] = None,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Create an invite; prints the code for `join`."""

    async def work(login: Login) -> None:
        found = await find_mine(login, room)
        invited = None if username is None else await find_user(login, username)
        made = await login.invite(found.id, None if invited is None else invited.id)
        whom = "others" if invited is None else plain(invited.username)
        screen.remark(f"lets {whom} into {plain(found.name)} until {plain(made.expires_at)}")
        screen.say(made.code)

    run_with_login(server, work)


@commands.command()
def invites(server: Server = DEFAULT_SERVER) -> None:
    """List the invites for you, newest first; `join` accepts one by its code."""

    async def work(login: Login) -> None:
        found = [invite async for invite in login.invites()]
        rows = [(one.code, one.room_name, one.by.username, one.expires_at) for one in found]
        screen.table(("code", "room", "from", "until"), rows)

    run_with_login(server, work)


@commands.command()
def decline(code: Code, server: Server = DEFAULT_SERVER) -> None:
    """Decline an invite; its sender is not notified."""

    async def work(login: Login) -> None:
        await login.decline(code.strip())
        screen.remark("declined")

    run_with_login(server, work)


@commands.command()
def block(username: User, server: Server = DEFAULT_SERVER) -> None:
    """Block a user's invites and direct room; the user is not notified."""

    async def work(login: Login) -> None:
        blocked = await login.block((await find_user(login, username)).id)
        screen.remark(f"blocked {plain(blocked.user.username)}")

    run_with_login(server, work)


@commands.command()
def unblock(username: User, server: Server = DEFAULT_SERVER) -> None:
    """Unblock a user."""

    async def work(login: Login) -> None:
        user = await find_user(login, username)
        await login.unblock(user.id)
        screen.remark(f"unblocked {plain(user.username)}")

    run_with_login(server, work)


@commands.command()
def blocks(server: Server = DEFAULT_SERVER) -> None:
    """List the users you block."""

    async def work(login: Login) -> None:
        rows = [(one.user.username, one.user.display_name) async for one in login.blocks()]
        screen.table(("username", "name"), rows)

    run_with_login(server, work)


@commands.command()
def direct(username: User, server: Server = DEFAULT_SERVER) -> None:
    """Open the direct room with a user; prints its id."""

    async def work(login: Login) -> None:
        room = await login.direct((await find_user(login, username)).id)
        screen.say(room.id)

    run_with_login(server, work)


@commands.command()
def hide(room: Room, server: Server = DEFAULT_SERVER) -> None:
    """Hide a direct room from your list until you open it again."""

    async def work(login: Login) -> None:
        await login.hide((await find_mine(login, room)).id)

    run_with_login(server, work)


@commands.command()
def unhide(room: Room, server: Server = DEFAULT_SERVER) -> None:
    """Show a hidden direct room on your list again."""

    async def work(login: Login) -> None:
        await login.unhide((await find_mine(login, room)).id)

    run_with_login(server, work)


@commands.command()
def join(
    code_or_room: Annotated[str, typer.Argument(help="An invite's code, or a public room.")],
    server: Server = DEFAULT_SERVER,
) -> None:
    """Join a room; prints its id."""

    async def work(login: Login) -> None:
        room = await enter(login, code_or_room)
        screen.remark(f"joined {plain(room.name)}")
        screen.say(room.id)

    run_with_login(server, work)


@commands.command()
def members(room: Room, server: Server = DEFAULT_SERVER) -> None:
    """List the members of a room."""

    async def work(login: Login) -> None:
        found = await find_mine(login, room)
        people = [member async for member in login.members(found.id)]
        rows = [(one.user.username, one.user.display_name, one.role) for one in people]
        screen.table(("username", "name", "role"), rows)

    run_with_login(server, work)
