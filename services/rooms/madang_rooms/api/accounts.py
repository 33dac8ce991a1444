"""`/internal/users`: accounts, for auth only."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from madang_common.http.bodies import Body
from madang_common.http.security import only
from madang_common.names import DisplayName, Username
from madang_rooms.api.dependencies import Id, InjectedServices
from madang_rooms.services.views import AccountView, UserView
from madang_rooms.storage.models.user import PASSWORD_HASH_LENGTH

router = APIRouter(prefix="/internal", tags=["internal"], dependencies=[Depends(only("auth"))])

PasswordHash = Annotated[
    str, Field(min_length=1, max_length=PASSWORD_HASH_LENGTH, pattern=r"^[!-~]+$")
]


class NewUser(Body):
    username: Username
    password_hash: PasswordHash
    display_name: DisplayName


class NewPassword(Body):
    password_hash: PasswordHash
    instead_of: PasswordHash | None = None


class DisabledFlag(Body):
    disabled: bool


@router.post("/users", status_code=201)
async def add_user(services: InjectedServices, body: NewUser) -> UserView:
    """Add a user; 409 if the username is taken."""
    return await services.users.add(body.username, body.password_hash, body.display_name)


@router.get("/users/by-username/{username}")
async def get_account_by_username(
    services: InjectedServices, username: Annotated[str, Path(max_length=256)]
) -> AccountView:
    """Return an account by username."""
    return await services.users.account_by_username(username)


@router.get("/users/{user}")
async def get_account(services: InjectedServices, user: Id) -> AccountView:
    """Return an account."""
    return await services.users.account(user)


@router.put("/users/{user}/password", status_code=204)
async def set_password(services: InjectedServices, user: Id, body: NewPassword) -> None:
    """Replace the password hash; 409 if it is not `instead_of`."""
    await services.users.set_password(user, body.password_hash, instead_of=body.instead_of)


@router.put("/users/{user}/disabled", status_code=204)
async def set_disabled(services: InjectedServices, user: Id, body: DisabledFlag) -> None:
    """Disable or enable a user."""
    await services.users.set_disabled(user, disabled=body.disabled)
