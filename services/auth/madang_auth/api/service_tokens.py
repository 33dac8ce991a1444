"""`/internal/token`: service tokens by client credentials (RFC 6749 section 4.4)."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel

from madang_auth.accounts.service_clients import ServiceClients
from madang_auth.api.dependencies import Address
from madang_common.problems import InvalidRequest


class ServiceToken(BaseModel):
    """A token that authenticates a service to another."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int


def service_tokens_router(clients: ServiceClients, *, seconds: int) -> APIRouter:
    """Return the endpoint where services get tokens with a lifetime of `seconds`."""
    router = APIRouter(prefix="/internal", tags=["internal"])

    @router.post("/token")
    async def token(
        request: Request,
        response: Response,
        address: Address,
        grant_type: Annotated[str, Form(max_length=64)],
    ) -> ServiceToken:
        """Issue a service token to the service in `Authorization: Basic`."""
        if grant_type != "client_credentials":
            raise InvalidRequest("grant_type must be client_credentials.")
        signed = await clients.token(request.headers.get("Authorization", ""), address)
        response.headers["Cache-Control"] = "no-store"
        return ServiceToken(access_token=signed, expires_in=seconds)

    return router
