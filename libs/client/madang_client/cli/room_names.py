"""Finds a room by its id, its unique name or, if it is direct, the other member's username.

Names are compared composed (NFC) and stripped; without an exact match, case is ignored.
"""

import unicodedata
from collections.abc import AsyncIterator

from madang_client.errors import Invalid, MadangError, NotFound
from madang_client.login import Login
from madang_client.room import Room, User


class Ambiguous(MadangError):  # noqa: N818 - names a state
    """Several rooms have the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"several rooms are called {name!r}: give the id of one")


async def find_mine(login: Login, text: str) -> Room:
    """Return the user's room with the name or id `text`; raise NotFound if there is none."""
    found = await _named(login.rooms(hidden=True), text)
    if found is not None:
        return found
    # Perhaps the id of a room that the user is not a member of: the server returns the reason.
    try:
        return await login.room(_composed(text))
    except (NotFound, Invalid) as error:
        sentence = {"title": f"none of your rooms has the name or id {text!r}"}
        raise NotFound(sentence, error.status) from error


async def enter(login: Login, text: str) -> Room:
    """Join the public room named `text`, or the room of the invite with that code."""
    name = _composed(text)
    public = await _named(login.public_rooms(name), name)
    if public is not None:
        return await login.join(public.id)
    try:
        return await login.accept(name)
    except (NotFound, Invalid):
        pass
    try:
        return await login.join(name)
    except (NotFound, Invalid) as error:
        sentence = {"title": f"no invite has the code {text!r}, and no public room the name"}
        raise NotFound(sentence, error.status) from error


async def find_user(login: Login, username: str) -> User:
    """Return the user with that username; raise NotFound."""
    found = await login.find_user(username.strip())
    if found is None:
        raise NotFound({"title": f"nobody has the username {username!r}"}, 404)
    return found


async def _named(rooms: AsyncIterator[Room], text: str) -> Room | None:
    wanted = _composed(text)
    exact: list[Room] = []
    alike: list[Room] = []
    async for room in rooms:
        if room.id == wanted or (room.peer is not None and room.peer.username == wanted):
            return room
        if _composed(room.name) == wanted:
            exact.append(room)
        elif _folded(room.name) == _folded(wanted):
            alike.append(room)
    called = exact or alike
    if len(called) > 1:
        raise Ambiguous(text)
    return called[0] if called else None


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _folded(text: str) -> str:
    return _composed(_composed(text).casefold())
