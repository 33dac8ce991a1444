"""Dependencies of the endpoints: the caller's address and open session."""

from typing import Annotated

from fastapi import Depends, Request
from pydantic import ConfigDict

from madang_auth.sessions.port import Session
from madang_auth.sessions.sessions import Sessions
from madang_common.http import bodies
from madang_common.http.security import User

PREFIX = "/api/auth/v1"


class Body(bodies.Body):
    """A request body, which may have a password."""

    model_config = ConfigDict(hide_input_in_errors=True, use_attribute_docstrings=False)


async def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


Address = Annotated[str, Depends(_address)]
"""The network address of the caller."""


async def _current_session(request: Request, user: User) -> Session:
    sessions: Sessions = request.app.state.sessions
    return await sessions.current(user.session)


CurrentSession = Annotated[Session, Depends(_current_session)]
"""The caller's open session; 401 if the access token is not valid or the session has ended."""
