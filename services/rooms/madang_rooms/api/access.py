"""Who may read and write which room, for the other services."""

from fastapi import APIRouter

from madang_common.access import AccessRequest, AccessResponse
from madang_common.http.security import Service
from madang_rooms.api.dependencies import AtDesk

router = APIRouter(prefix="/internal", tags=["internal"])


@router.post("/access")
async def access(desk: AtDesk, _: Service, body: AccessRequest) -> AccessResponse:
    """Answer many questions at once."""
    return AccessResponse(answers=await desk.doorkeeper.answer(body.questions))
