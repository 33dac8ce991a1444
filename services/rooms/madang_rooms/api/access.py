"""Access checks, for the other services."""

from fastapi import APIRouter

from madang_common.access import Answers, Questions
from madang_common.http.security import Service
from madang_rooms.api.dependencies import InjectedServices

router = APIRouter(prefix="/internal", tags=["internal"])


@router.post("/access")
async def access(services: InjectedServices, _: Service, body: Questions) -> Answers:
    """Return whether users may read and write rooms."""
    return Answers(answers=await services.access.check(body.questions))
