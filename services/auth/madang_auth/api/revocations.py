"""`/internal/revocations`: ended sessions whose access tokens may not have expired."""

from typing import Annotated

from fastapi import APIRouter, Query

from madang_auth.sessions.sessions import Sessions
from madang_common.http.security import Service
from madang_common.tokens.revocations import PAGE, Revocation, Revocations


def revocations_router(sessions: Sessions) -> APIRouter:
    """Return the endpoint where services read which access tokens are revoked."""
    router = APIRouter(prefix="/internal", tags=["internal"])

    @router.get("/revocations")
    async def revocations(
        _: Service, after: Annotated[str | None, Query(max_length=64)] = None
    ) -> Revocations:
        """Return the sessions that ended after the cursor `after`; by default all that are kept."""
        page = await sessions.ended_after(after, limit=PAGE)
        items = tuple(
            Revocation(user=one.user, login=one.session, keep=one.keep, at=one.at)
            for one in page.items
        )
        return Revocations(items=items, cursor=page.cursor)

    return router
