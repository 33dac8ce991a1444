"""Blocks between users."""

from fastapi import APIRouter, Response, status

from madang_common.http.security import User
from madang_rooms.api.dependencies import PREFIX, Id, InjectedServices, RateLimitedUser
from madang_rooms.services.paging import Cursor, Limit, Page
from madang_rooms.services.views import BlockView

router = APIRouter(prefix=PREFIX, tags=["blocks"])


@router.get("/blocks")
async def list_blocks(
    services: InjectedServices, user: User, cursor: Cursor = None, limit: Limit = 50
) -> Page[BlockView]:
    """Return the users that you block."""
    return await services.blocks.list(user.subject, cursor, limit)


@router.get("/blocks/{blocked}")
async def get_block(services: InjectedServices, user: User, blocked: Id) -> BlockView:
    """Return your block on a user; 404 if there is none."""
    return await services.blocks.get(user.subject, blocked)


@router.put("/blocks/{blocked}", responses={status.HTTP_201_CREATED: {"model": BlockView}})
async def block_user(
    services: InjectedServices, user: RateLimitedUser, blocked: Id, response: Response
) -> BlockView:
    """Block a user: you are shown no invites and no direct room of theirs.

    They are not notified. 201 if they were not blocked.
    """
    block, is_new = await services.blocks.put(user.subject, blocked)
    if is_new:
        response.status_code = status.HTTP_201_CREATED
    return block


@router.delete("/blocks/{blocked}", status_code=status.HTTP_204_NO_CONTENT)
async def unblock_user(services: InjectedServices, user: RateLimitedUser, blocked: Id) -> None:
    """Unblock a user; a direct room stays hidden until you open it."""
    await services.blocks.lift(user.subject, blocked)
