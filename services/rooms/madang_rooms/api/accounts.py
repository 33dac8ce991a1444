"""Accounts, for auth alone."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from madang_common.http.bodies import Body
from madang_common.http.security import only
from madang_rooms.api.dependencies import AtDesk, Id
from madang_rooms.names import DisplayName, Username
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


class Disabling(Body):
    disabled: bool


@router.post("/users", status_code=201)
async def add_user(desk: AtDesk, body: NewUser) -> UserView:
    """Add a user; 409 if the username is taken."""
    return await desk.directory.add(body.username, body.password_hash, body.display_name)


@router.get("/users/by-username/{username}")
async def get_account_by_username(
    desk: AtDesk, username: Annotated[str, Path(max_length=256)]
) -> AccountView:
    """Return an account by username."""
    return await desk.directory.account_by_username(username)


@router.get("/users/{user}")
async def get_account(desk: AtDesk, user: Id) -> AccountView:
    """Return an account."""
    return await desk.directory.account(user)


@router.put("/users/{user}/password", status_code=204)
async def set_password(desk: AtDesk, user: Id, body: NewPassword) -> None:
    """Replace the hash of the password; 409 if it is another than `instead_of`."""
    await desk.directory.set_password(user, body.password_hash, instead_of=body.instead_of)


@router.put("/users/{user}/disabled", status_code=204)
async def set_disabled(desk: AtDesk, user: Id, body: Disabling) -> None:
    """Let a user log in no more, or again."""
    await desk.directory.set_disabled(user, disabled=body.disabled)
