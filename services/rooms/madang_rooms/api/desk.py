"""What the endpoints ask: one object per noun, put on the app by the wiring."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Request

from madang_common.http.security import User
from madang_common.tokens.claims import Claims
from madang_rooms.bans import Bans
from madang_rooms.blocks import Blocks
from madang_rooms.changes import Changes
from madang_rooms.directory import Directory
from madang_rooms.doorkeeper import Doorkeeper
from madang_rooms.invitations import Invitations
from madang_rooms.lobby import Lobby
from madang_rooms.members import Members

PREFIX = "/api/rooms/v1"

LARGEST = 2**31 - 1
"""The largest number in a body: sane for a database; the settings may bound it further."""
Id = Annotated[str, Path(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that answers requests."""

    directory: Directory
    lobby: Lobby
    members: Members
    bans: Bans
    invitations: Invitations
    blocks: Blocks
    doorkeeper: Doorkeeper
    changes: Changes


def open_desk(app: FastAPI, desk: Desk) -> None:
    """Let the endpoints of `app` ask `desk`."""
    app.state.desk = desk


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(_desk)]


def _changing(desk: AtDesk, user: User) -> Claims:
    desk.changes.take(user.subject)
    return user


Changing = Annotated[Claims, Depends(_changing)]
"""The logged-in user who asks for a change, which counts: 429 if there were too many."""
