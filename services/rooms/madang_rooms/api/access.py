"""`/internal/access`: access checks, for the other services."""

from fastapi import APIRouter

from madang_common.access import AccessRequest, AccessResponse
from madang_common.http.security import Service
from madang_rooms.api.dependencies import InjectedServices

router = APIRouter(prefix="/internal", tags=["internal"])


@router.post("/access")
async def access(services: InjectedServices, _: Service, body: AccessRequest) -> AccessResponse:
    """Return whether users may read and write rooms."""
    return AccessResponse(answers=await services.access.check(body.questions))
