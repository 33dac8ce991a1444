"""`/login`, `/refresh`, `/logout` and `/logins`."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field, SecretStr

from madang_auth.api.dependencies import PREFIX, Address, Body, CurrentSession
from madang_auth.api.fields import Device, LoginName, Password
from madang_auth.problems import DisabledAccount, SessionEnded, WrongCredentials
from madang_auth.sessions.issuer import TokenPair
from madang_auth.sessions.port import Session
from madang_auth.sessions.refreshes import Refreshes
from madang_auth.sessions.sessions import Sessions
from madang_common.clock import rfc3339
from madang_common.http.openapi import OPTIONAL_BEARER, example, refuses
from madang_common.http.security import asking_user
from madang_common.problems import NotFound, Unauthenticated, Unavailable

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


class OneLogin(BaseModel):
    """A session, as its user sees it."""

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
    """All sessions of the user; one page, because their number is bounded."""

    items: list[OneLogin]
    next: None = None


def sessions_router(sessions: Sessions, refreshes: Refreshes) -> APIRouter:
    """Return the endpoints that open, refresh, list and end sessions."""
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

    @router.get("/logins", operation_id="listLogins", responses=refuses(SessionEnded))
    async def mine(current: CurrentSession) -> MyLogins:
        """Return the user's sessions, the last used first."""
        found = await sessions.list_of_user(current.user)
        return MyLogins(items=[_view(session, current) for session in found])

    @router.delete(
        "/logins/{login_id}",
        status_code=204,
        operation_id="endLogin",
        responses=refuses(SessionEnded, NotFound),
    )
    async def end(login_id: Annotated[str, Path(max_length=64)], current: CurrentSession) -> None:
        """End one of the user's sessions and close its connections."""
        await sessions.end(login_id, user=current.user)

    return router


def _tokens(pair: TokenPair, response: Response) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    return Tokens(
        access_token=pair.access_token,
        expires_in=pair.expires_in,
        refresh_token=pair.refresh_token,
    )


def _view(session: Session, current: Session) -> OneLogin:
    return OneLogin(
        id=session.id,
        device=session.device,
        created_at=rfc3339(session.created_at),
        last_used_at=rfc3339(session.last_used_at),
        current=session.id == current.id,
    )
