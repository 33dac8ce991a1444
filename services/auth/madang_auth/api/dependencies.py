"""Who asks: their address, and their login if it is still open."""

from typing import Annotated

from fastapi import Depends, Request
from pydantic import ConfigDict

from madang_auth.sessions.logins import Logins
from madang_auth.sessions.port import Login
from madang_common.http import bodies
from madang_common.http.security import User

PREFIX = "/api/auth/v1"


class Body(bodies.Body):
    """What a client sends, which may be a password."""

    model_config = ConfigDict(hide_input_in_errors=True, use_attribute_docstrings=False)


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


Address = Annotated[str, Depends(_address)]
"""The network address the request came from."""


async def _current_login(request: Request, user: User) -> Login:
    logins: Logins = request.app.state.logins
    return await logins.current(user.login)


CurrentLogin = Annotated[Login, Depends(_current_login)]
"""The open login of who asks; 401 if its token does not hold or it has ended."""
