"""`/login`, `/refresh`, `/logout` and `/logins`."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field, SecretStr

from madang_auth.api.dependencies import PREFIX, Address, Body, CurrentLogin
from madang_auth.names import Device, GivenPassword, GivenUsername
from madang_auth.problems import DisabledAccount, EndedLogin, WrongCredentials
from madang_auth.sessions.issuer import Grant
from madang_auth.sessions.logins import Logins
from madang_auth.sessions.port import Login
from madang_auth.sessions.refreshes import Refreshes
from madang_common.clock import rfc3339
from madang_common.http.openapi import OPTIONAL_BEARER, example, refuses
from madang_common.http.security import asking_user
from madang_common.problems import NotFound, Unauthenticated, Unavailable

_REFRESH_TOKEN = Annotated[SecretStr, Field(max_length=256)]


class Credentials(Body):
    """Username and password, and the name of the device."""

    model_config = example({"username": "minji", "password": "correct horse", "device": "Laptop"})

    username: GivenUsername
    password: GivenPassword
    device: Device | None = None


class Refresh(Body):
    """The refresh token to exchange."""

    model_config = example({"refresh_token": "06h06ktdkrb2i5o61ro2lqhs.Yq3n8m2b7xwz.4mJc0pVtQ2h9"})

    refresh_token: _REFRESH_TOKEN


class Logout(Body):
    """The refresh token of the login to end."""

    model_config = example({"refresh_token": "06h06ktdkrb2i5o61ro2lqhs.Yq3n8m2b7xwz.4mJc0pVtQ2h9"})

    refresh_token: _REFRESH_TOKEN | None = None


class Tokens(BaseModel):
    """A pair of tokens."""

    model_config = example(
        {
            "access_token": "eyJhbGciOi…",
            "token_type": "Bearer",
            "expires_in": 900,
            "refresh_token": "06h06ktdkrb2i5o61ro2lqhs.Yq3n8m2b7xwz.4mJc0pVtQ2h9",
        }
    )

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int
    refresh_token: str


class OneLogin(BaseModel):
    """A login as its user sees it."""

    model_config = example(
        {
            "id": "06h06kteqf9fct0dendon72d",
            "device": "Laptop",
            "created_at": "2026-01-31T09:00:00Z",
            "last_used_at": "2026-01-31T10:30:00Z",
            "current": True,
        }
    )

    id: str
    device: str | None
    created_at: str
    last_used_at: str
    current: bool


class MyLogins(BaseModel):
    """All logins of a user, on one page."""

    items: list[OneLogin]
    next: None = None


def logins_router(logins: Logins, refreshes: Refreshes) -> APIRouter:
    """Return what opens, keeps, shows and ends logins."""
    router = APIRouter(prefix=PREFIX, tags=["logins"])

    @router.post(
        "/login",
        operation_id="logIn",
        responses=refuses(WrongCredentials, DisabledAccount, Unavailable),
    )
    async def login(body: Credentials, address: Address, response: Response) -> Tokens:
        """Log in with username and password; 429 after too many failed attempts."""
        grant = await logins.open(
            body.username, body.password.get_secret_value(), body.device, address
        )
        return _tokens(grant, response)

    @router.post("/refresh", responses=refuses(EndedLogin, Unavailable))
    async def refresh(body: Refresh, response: Response) -> Tokens:
        """Exchange a refresh token for new tokens; on 401, log in again."""
        return _tokens(await refreshes.use(body.refresh_token.get_secret_value()), response)

    @router.post(
        "/logout",
        status_code=204,
        operation_id="logOut",
        responses=refuses(Unauthenticated, Unavailable),
        openapi_extra=dict(OPTIONAL_BEARER),
    )
    async def logout(request: Request, body: Logout | None = None) -> None:
        """End the login of the refresh token in the body; without one, that of the access token."""
        if body is not None and body.refresh_token is not None:
            await logins.log_out_by_token(body.refresh_token.get_secret_value())
            return
        user = await asking_user(request)
        await logins.log_out(user.login, user=user.subject)

    @router.get("/logins", operation_id="listLogins", responses=refuses(EndedLogin))
    async def mine(current: CurrentLogin) -> MyLogins:
        """Return your logins, most recently used first."""
        found = await logins.owned_by(current.user)
        return MyLogins(items=[_shown(login, current) for login in found])

    @router.delete(
        "/logins/{login_id}",
        status_code=204,
        operation_id="endLogin",
        responses=refuses(EndedLogin, NotFound),
    )
    async def end(login_id: Annotated[str, Path(max_length=64)], current: CurrentLogin) -> None:
        """End one of your logins and close its connections."""
        await logins.end(login_id, user=current.user)

    return router


def _tokens(grant: Grant, response: Response) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    return Tokens(
        access_token=grant.access_token,
        expires_in=grant.expires_in,
        refresh_token=grant.refresh_token,
    )


def _shown(login: Login, current: Login) -> OneLogin:
    return OneLogin(
        id=login.id,
        device=login.device,
        created_at=rfc3339(login.created_at),
        last_used_at=rfc3339(login.last_used_at),
        current=login.id == current.id,
    )
