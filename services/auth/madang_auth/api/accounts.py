"""`/register`, `/me` and `/password`."""

from fastapi import APIRouter
from pydantic import BaseModel

from madang_auth.accounts.accounts import Accounts
from madang_auth.api.dependencies import PREFIX, Address, Body, CurrentSession
from madang_auth.api.fields import NewPassword, Password
from madang_auth.backends.directory import UserProfile
from madang_auth.problems import DisabledAccount, SessionEnded, WrongPassword
from madang_common.http.openapi import example, refuses
from madang_common.names import DisplayName, Username
from madang_common.problems import Conflict, Unavailable


class Registration(Body):
    """A new user."""

    model_config = example(
        {"username": "minji", "password": "correct horse", "display_name": "민지"}
    )

    username: Username
    password: NewPassword
    display_name: DisplayName | None = None


class PasswordChange(Body):
    """The current and the new password."""

    model_config = example({"current_password": "correct horse", "new_password": "battery staple"})

    current_password: Password
    new_password: NewPassword


class PublicUser(BaseModel):
    """A user, as other users see them."""

    model_config = example(
        {"id": "06h06ktdkrb2i5o61ro2lqhs", "username": "minji", "display_name": "민지"}
    )

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

    @router.post("/register", status_code=201, responses=refuses(Conflict, Unavailable))
    async def register(body: Registration, address: Address) -> PublicUser:
        """Create an account; 409 if the username is taken."""
        user = await accounts.register(
            body.username,
            body.password.get_secret_value(),
            body.display_name or body.username,
            address,
        )
        return PublicUser.of(user)

    @router.get("/me", operation_id="getMe", responses=refuses(SessionEnded))
    async def me(session: CurrentSession) -> PublicUser:
        """Return the user of the access token."""
        return PublicUser.of(await accounts.get(session))

    @router.post(
        "/password",
        status_code=204,
        operation_id="changePassword",
        responses=refuses(SessionEnded, DisabledAccount, WrongPassword, Conflict),
    )
    async def password(body: PasswordChange, session: CurrentSession, address: Address) -> None:
        """Change your password and end your other sessions; 403 if `current_password` is wrong."""
        await accounts.change_password(
            session,
            body.current_password.get_secret_value(),
            body.new_password.get_secret_value(),
            address,
        )

    return router
