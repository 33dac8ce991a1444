"""What the endpoints ask: one object per noun, put on the app by the wiring."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Request

from madang_common.http.security import User
from madang_common.tokens.claims import Claims
from madang_rooms.services.access import AccessAnswers
from madang_rooms.services.bans import Bans
from madang_rooms.services.blocks import Blocks
from madang_rooms.services.change_limit import ChangeLimit
from madang_rooms.services.directory import Directory
from madang_rooms.services.invitations import Invitations
from madang_rooms.services.members import Members
from madang_rooms.services.rooms import Rooms

PREFIX = "/api/rooms/v1"

LARGEST = 2**31 - 1
"""The largest number in a body: sane for a database; the settings may bound it further."""
Id = Annotated[str, Path(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that answers requests."""

    directory: Directory
    lobby: Rooms
    members: Members
    bans: Bans
    invitations: Invitations
    blocks: Blocks
    doorkeeper: AccessAnswers
    changes: ChangeLimit


def open_services(app: FastAPI, desk: Services) -> None:
    """Let the endpoints of `app` ask `desk`."""
    app.state.desk = desk


def _desk(request: Request) -> Services:
    desk: Services = request.app.state.desk
    return desk


AtDesk = Annotated[Services, Depends(_desk)]


def _changing(desk: AtDesk, user: User) -> Claims:
    desk.changes.take(user.subject)
    return user


Changing = Annotated[Claims, Depends(_changing)]
"""The logged-in user who asks for a change, which counts: 429 if there were too many."""
