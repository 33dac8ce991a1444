"""Blocks between users."""

from fastapi import APIRouter, Response, status

from madang_common.http.openapi import refuses
from madang_common.http.security import User
from madang_common.problems import Conflict, Forbidden, InvalidRequest, NotFound
from madang_rooms.api.dependencies import PREFIX, Id, InjectedServices, RateLimitedUser
from madang_rooms.services.paging import Cursor, Limit, Page
from madang_rooms.services.views import BlockView

router = APIRouter(prefix=PREFIX, tags=["blocks"])


@router.get("/blocks", responses=refuses(InvalidRequest))
async def list_blocks(
    services: InjectedServices, user: User, cursor: Cursor = None, limit: Limit = 50
) -> Page[BlockView]:
    """Return the users that you block."""
    return await services.blocks.list(user.subject, cursor, limit)


@router.get("/blocks/{blocked}", responses=refuses(NotFound))
async def get_block(services: InjectedServices, user: User, blocked: Id) -> BlockView:
    """Return your block on a user; 404 if there is none."""
    return await services.blocks.get(user.subject, blocked)


@router.put(
    "/blocks/{blocked}",
    responses={
        status.HTTP_201_CREATED: {"model": BlockView},
        **refuses(Forbidden, NotFound, Conflict),
    },
)
async def block_user(
    services: InjectedServices, user: RateLimitedUser, blocked: Id, response: Response
) -> BlockView:
    """Block a user: their invites and your direct room with them are not shown to you.

    The user is not notified. 201 if the block is new, 200 if there was one.
    """
    block, is_new = await services.blocks.put(user.subject, blocked)
    if is_new:
        response.status_code = status.HTTP_201_CREATED
    return block


@router.delete(
    "/blocks/{blocked}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refuses(Forbidden),
)
async def unblock_user(services: InjectedServices, user: RateLimitedUser, blocked: Id) -> None:
    """Unblock a user; a hidden direct room stays hidden until you open it."""
    await services.blocks.lift(user.subject, blocked)
