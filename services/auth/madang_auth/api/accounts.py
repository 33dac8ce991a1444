"""`/register`, `/me` and `/password`."""

from fastapi import APIRouter
from pydantic import BaseModel

from madang_auth.accounts.accounts import Accounts
from madang_auth.api.dependencies import PREFIX, Address, Body, CurrentSession
from madang_auth.api.fields import NewPassword, Password
from madang_auth.backends.directory import UserProfile
from madang_common.names import DisplayName, Username


class Registration(Body):
    """A new user."""

    username: Username
    password: NewPassword
    display_name: DisplayName | None = None


class PasswordChange(Body):
    """A change of password."""

    current_password: Password
    new_password: NewPassword


class PublicUser(BaseModel):
    """A user, as other users see them."""

    id: str
    username: str
    display_name: str

    @classmethod
    def of(cls, user: UserProfile) -> "PublicUser":
        """Return the public view of `user`."""
        return cls(id=user.id, username=user.username, display_name=user.display_name)


def accounts_router(accounts: Accounts) -> APIRouter:
    """Return the endpoints of the caller's own account."""
    router = APIRouter(prefix=PREFIX, tags=["accounts"])

    @router.post("/register", status_code=201)
    async def register(body: Registration, address: Address) -> PublicUser:
        """Create an account; 409 if the username is taken."""
        user = await accounts.register(
            body.username,
            body.password.get_secret_value(),
            body.display_name or body.username,
            address,
        )
        return PublicUser.of(user)

    @router.get("/me")
    async def me(session: CurrentSession) -> PublicUser:
        """Return the logged-in user."""
        return PublicUser.of(await accounts.get(session))

    @router.post("/password", status_code=204)
    async def password(body: PasswordChange, session: CurrentSession, address: Address) -> None:
        """Change the password and end all other sessions; 403 if the current one is wrong."""
        await accounts.change_password(
            session,
            body.current_password.get_secret_value(),
            body.new_password.get_secret_value(),
            address,
        )

    return router
