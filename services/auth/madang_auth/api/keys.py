"""`/.well-known/jwks.json`: the public keys of all tokens (RFC 7517)."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from madang_auth.signing.keyring import Keyring


def keys_router(keyring: Keyring, *, max_age_seconds: int) -> APIRouter:
    """Return the endpoint of the public keys, cached for `max_age_seconds`."""
    router = APIRouter(tags=["keys"])
    headers = {"Cache-Control": f"public, max-age={max_age_seconds}"}

    @router.get("/.well-known/jwks.json", operation_id="getKeys")
    async def jwks() -> JSONResponse:
        """Return the public keys of current and upcoming signing keys."""
        return JSONResponse({"keys": list(keyring.keys.published)}, headers=headers)

    return router
