"""Dependencies of the endpoints: the services, the caller and their rate limit."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Request

from madang_common.http.security import User
from madang_common.tokens.claims import Claims
from madang_rooms.services.access import AccessChecker
from madang_rooms.services.bans import Bans
from madang_rooms.services.blocks import Blocks
from madang_rooms.services.change_limit import ChangeLimit
from madang_rooms.services.invites import Invites
from madang_rooms.services.members import Members
from madang_rooms.services.rooms import Rooms
from madang_rooms.services.users import Users

PREFIX = "/api/rooms/v1"

MAX_INTEGER = 2**31 - 1
"""Largest number in a body, as the database stores it; the settings may limit it further."""
Id = Annotated[str, Path(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True)
class Services:
    """The business rules, one object per noun."""

    users: Users
    rooms: Rooms
    members: Members
    bans: Bans
    invites: Invites
    blocks: Blocks
    access: AccessChecker
    change_limit: ChangeLimit


def provide_services(app: FastAPI, services: Services) -> None:
    """Give the endpoints of `app` their services."""
    app.state.rooms_services = services


async def _services(request: Request) -> Services:
    services: Services = request.app.state.rooms_services
    return services


InjectedServices = Annotated[Services, Depends(_services)]


async def _rate_limited(services: InjectedServices, user: User) -> Claims:
    services.change_limit.take(user.subject)
    return user


RateLimitedUser = Annotated[Claims, Depends(_rate_limited)]
"""The logged-in user of a changing request, which counts against their limit; 429 above it."""
