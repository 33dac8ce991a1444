"""`/.well-known/jwks.json`: the public keys of all tokens (RFC 7517)."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from madang_auth.signing.keyring import Keyring


def keys_router(keyring: Keyring, *, max_age_seconds: int) -> APIRouter:
    """Return the page of public keys, to be kept for `max_age_seconds`."""
    router = APIRouter(tags=["keys"])
    headers = {"Cache-Control": f"public, max-age={max_age_seconds}"}

    @router.get("/.well-known/jwks.json", operation_id="getKeys")
    async def jwks() -> JSONResponse:
        """Return the public keys that tokens are signed with now and will be next."""
        return JSONResponse({"keys": list(keyring.keys.published)}, headers=headers)

    return router
