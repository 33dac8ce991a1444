"""Which room somebody means: by its id, or by a name that is unique."""

from collections.abc import AsyncIterator

from madang_client.errors import Invalid, MadangError, NotFound
from madang_client.login import Login
from madang_client.room import Room


class Ambiguous(MadangError):  # noqa: N818 - reads as the state it tells
    """Several rooms have the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"several rooms are called {name!r}: give the id of one")


async def find_mine(login: Login, text: str) -> Room:
    """Return the room of the user's own that `text` names; raise NotFound if there is none."""
    found = await _named(login.rooms(), text)
    if found is not None:
        return found
    # Maybe an id of a room that the user is not in: then the server says what is the matter.
    try:
        return await login.room(text)
    except (NotFound, Invalid) as error:
        sentence = {"title": f"none of your rooms has the name or id {text!r}"}
        raise NotFound(sentence, error.status) from error


async def enter(login: Login, text: str) -> Room:
    """Enter the room that `text` is an invite's code for, or the public room it names."""
    public = await _named(login.public_rooms(text), text)
    if public is not None:
        return await login.join(public.id)
    try:
        return await login.accept(text)
    except (NotFound, Invalid):
        pass
    try:
        return await login.join(text)
    except (NotFound, Invalid) as error:
        sentence = {"title": f"no invite has the code {text!r}, and no public room the name"}
        raise NotFound(sentence, error.status) from error


async def _named(rooms: AsyncIterator[Room], text: str) -> Room | None:
    called: list[Room] = []
    async for room in rooms:
        if room.id == text:
            return room
        if room.name == text:
            called.append(room)
    if len(called) > 1:
        raise Ambiguous(text)
    return called[0] if called else None
