"""`/internal/revocations`: the logins that ended while their access tokens may still hold."""

from typing import Annotated

from fastapi import APIRouter, Query

from madang_auth.sessions.logins import Logins
from madang_common.http.security import Service
from madang_common.tokens.revocations import PAGE, Revocation, Revocations


def revocations_router(logins: Logins) -> APIRouter:
    """Return the endpoint where services learn which tokens hold no more."""
    router = APIRouter(prefix="/internal", tags=["internal"])

    @router.get("/revocations")
    async def revocations(
        _: Service, after: Annotated[str | None, Query(max_length=64)] = None
    ) -> Revocations:
        """Return the logins that ended after the cursor `after`; without it, all that matter."""
        page = await logins.ended_after(after, limit=PAGE)
        items = tuple(
            Revocation(user=one.user, login=one.login, keep=one.keep, at=one.at)
            for one in page.items
        )
        return Revocations(items=items, cursor=page.cursor)

    return router
