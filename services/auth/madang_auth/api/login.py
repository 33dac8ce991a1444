"""`/login`, `/refresh` and `/logout`: the token pairs of a session."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr

from madang_auth.api.dependencies import PREFIX, Address, Body
from madang_auth.api.fields import Device, LoginName, Password
from madang_auth.problems import DisabledAccount, SessionEnded, WrongCredentials
from madang_auth.sessions.issuer import TokenPair
from madang_auth.sessions.refreshes import Refreshes
from madang_auth.sessions.sessions import Sessions
from madang_common.http.openapi import OPTIONAL_BEARER, example, refuses
from madang_common.http.security import asking_user
from madang_common.problems import Unauthenticated, Unavailable

_REFRESH_TOKEN = Annotated[SecretStr, Field(max_length=256)]


class Credentials(Body):
    """Username and password, and the name of the device."""

    model_config = example({"username": "minji", "password": "correct horse", "device": "Laptop"})

    username: LoginName
    password: Password
    device: Device | None = None


class Refresh(Body):
    """The refresh token to exchange."""

    model_config = example({"refresh_token": "06h06ktdkrb2i5o61ro2lqhs.Yq3n8m2b7xwz.4mJc0pVtQ2h9"})

    refresh_token: _REFRESH_TOKEN


class Logout(Body):
    """The refresh token of the session to end."""

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


def login_router(sessions: Sessions, refreshes: Refreshes) -> APIRouter:
    """Return the endpoints that open, refresh and end a session."""
    router = APIRouter(prefix=PREFIX, tags=["logins"])

    @router.post(
        "/login",
        operation_id="logIn",
        responses=refuses(WrongCredentials, DisabledAccount, Unavailable),
    )
    async def login(body: Credentials, address: Address, response: Response) -> Tokens:
        """Log in; 401 if the username or password is wrong, 429 after too many failures."""
        pair = await sessions.log_in(
            body.username, body.password.get_secret_value(), body.device, address
        )
        return _tokens(pair, response)

    @router.post("/refresh", responses=refuses(SessionEnded, Unavailable))
    async def refresh(body: Refresh, response: Response) -> Tokens:
        """Exchange a refresh token for a new pair; log in again on 401."""
        return _tokens(await refreshes.refresh(body.refresh_token.get_secret_value()), response)

    @router.post(
        "/logout",
        status_code=204,
        operation_id="logOut",
        responses=refuses(Unauthenticated, Unavailable),
        openapi_extra=dict(OPTIONAL_BEARER),
    )
    async def logout(request: Request, body: Logout | None = None) -> None:
        """End the session of the refresh token in the body, or else of the access token."""
        if body is not None and body.refresh_token is not None:
            await sessions.log_out_by_token(body.refresh_token.get_secret_value())
            return
        user = await asking_user(request)
        await sessions.log_out(user.session, user=user.subject)

    return router


def _tokens(pair: TokenPair, response: Response) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    return Tokens(
        access_token=pair.access_token,
        expires_in=pair.expires_in,
        refresh_token=pair.refresh_token,
    )
