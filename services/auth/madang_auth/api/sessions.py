"""`/logins`: the sessions of a user."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from madang_auth.api.dependencies import PREFIX, CurrentSession
from madang_auth.problems import SessionEnded
from madang_auth.sessions.port import Session
from madang_auth.sessions.sessions import Sessions
from madang_common.clock import rfc3339
from madang_common.http.openapi import example, refuses
from madang_common.problems import NotFound


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


def sessions_router(sessions: Sessions) -> APIRouter:
    """Return the endpoints that list and end the caller's sessions."""
    router = APIRouter(prefix=PREFIX, tags=["logins"])

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


def _view(session: Session, current: Session) -> OneLogin:
    return OneLogin(
        id=session.id,
        device=session.device,
        created_at=rfc3339(session.created_at),
        last_used_at=rfc3339(session.last_used_at),
        current=session.id == current.id,
    )
