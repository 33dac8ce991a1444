"""Public views of users."""

from typing import Annotated

from fastapi import APIRouter, Query

from madang_common.http.openapi import refuses
from madang_common.http.security import User
from madang_common.problems import NotFound
from madang_rooms.api.dependencies import PREFIX, Id, InjectedServices
from madang_rooms.services.paging import Limit, Page
from madang_rooms.services.views import UserView

router = APIRouter(prefix=PREFIX, tags=["users"])


@router.get("/users")
async def look_up_users(
    services: InjectedServices,
    _: User,
    prefix: Annotated[str, Query(min_length=1, max_length=32)],
    limit: Limit = 20,
) -> Page[UserView]:
    """Return users whose username begins with `prefix`."""
    return await services.users.find_by_prefix(prefix, limit)


@router.get("/users/{user}", responses=refuses(NotFound))
async def get_user(services: InjectedServices, _: User, user: Id) -> UserView:
    """Return a user."""
    return await services.users.get(user)
