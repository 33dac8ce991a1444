"""Authentication of requests: FastAPI dependencies that verify the `Authorization` header.

Every dependency is `async def`, even if it awaits nothing: FastAPI runs any other one in a thread,
which costs more than all else about a request.

A service sets its verifiers once (`secure(app, …)`); an endpoint takes `User` or `Service`.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from fastapi import Depends, FastAPI, Request

from madang_common.http.bearer import bearer_token
from madang_common.http.request_limit import charge_user
from madang_common.problems import Forbidden, Unauthenticated
from madang_common.tokens.claims import Claims
from madang_common.tokens.verifier import TokenVerifier, Verifiers


def secure(app: FastAPI, verifiers: Verifiers) -> None:
    """Make `app` verify tokens with `verifiers`."""
    app.state.users = verifiers.users
    app.state.services = verifiers.services


async def _verified(request: Request, verifier: TokenVerifier) -> Claims:
    token = bearer_token(request.headers.get("Authorization"))
    if not token:
        raise Unauthenticated("Send Authorization: Bearer <access token>.")
    claims = await verifier.verify(token)
    structlog.contextvars.bind_contextvars(user_id=claims.subject)
    return claims


async def asking_user(request: Request) -> Claims:
    """Return the claims of the user's token, and charge the request to the user.

    Raise Unauthenticated without a valid token, TooManyRequests over the user's rate limit.
    """
    claims = await _verified(request, request.app.state.users)
    await charge_user(request.scope, claims.subject)
    return claims


async def _service(request: Request) -> Claims:
    return await _verified(request, request.app.state.services)


User = Annotated[Claims, Depends(asking_user)]
"""Claims of the user who sends the request; 401 without a valid token."""
Service = Annotated[Claims, Depends(_service)]
"""Claims of the service that sends the request; 401 without a valid service token."""


def only(*names: str) -> Callable[[Claims], Awaitable[Claims]]:
    """Return a dependency that allows only the services with these `names`.

    As in `Depends(only("auth"))`.
    """

    async def check(claims: Service) -> Claims:
        if claims.subject not in {f"service:{name}" for name in names}:
            raise Forbidden(f"Only these services may do this: {', '.join(names)}.")
        return claims

    return check
