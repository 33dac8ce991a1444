"""Who is asking: the `Authorization` header as verified claims.

A service puts its verifiers on its app (`secure(app, ...)`); an endpoint asks for `User` or
`Service`, which are FastAPI dependencies.
"""

from collections.abc import Callable
from typing import Annotated

import structlog
from fastapi import Depends, FastAPI, Request

from madang_common.http.bearer import bearer_token
from madang_common.http.request_limit import charge_user
from madang_common.problems import Forbidden, Unauthenticated
from madang_common.tokens.claims import Claims
from madang_common.tokens.verifier import TokenVerifier, Verifiers


def secure(app: FastAPI, verifiers: Verifiers) -> None:
    """Let `app` verify the tokens of users and services."""
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
    """Return the claims of the logged-in user who sent `request`, and charge it to that user.

    Raise Unauthenticated if there is none, TooManyRequests if the user has sent too many.
    """
    claims = await _verified(request, request.app.state.users)
    await charge_user(request.scope, claims.subject)
    return claims


async def _service(request: Request) -> Claims:
    return await _verified(request, request.app.state.services)


User = Annotated[Claims, Depends(asking_user)]
"""The logged-in user who asks; 401 otherwise."""
Service = Annotated[Claims, Depends(_service)]
"""The service that asks, by its service token; 401 otherwise."""


def only(name: str) -> Callable[[Claims], Claims]:
    """Return a dependency that lets only the service `name` in: `Depends(only("auth"))`."""

    def check(claims: Service) -> Claims:
        if claims.subject != f"service:{name}":
            raise Forbidden(f"Only the service {name} may ask this.")
        return claims

    return check
