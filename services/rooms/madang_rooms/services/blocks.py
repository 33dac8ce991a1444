"""Blocks: invites and the direct room of a blocked user are not shown to the blocking user.

Blocked users are not notified. Their invites are created and counted as before, but not listed or
announced to the blocking user. A direct room of the two is hidden from the blocking user's list,
whether it exists or is opened later; the blocked user may still write to it. Other rooms that both
are in are not affected: their owners and moderators remove and ban.
"""

from madang_common.problems import Conflict, InvalidBody, NotFound
from madang_rooms.services.authorization import require_actor
from madang_rooms.services.paging import Page, page, read_cursor
from madang_rooms.services.rooms import hide_room
from madang_rooms.services.views import BlockView, block_view
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import Block
from madang_rooms.storage.models.room import direct_pair
from madang_rooms.storage.unit_of_work import (
    UnitOfWork,
    UnitOfWorkRunner,
    read_transaction,
    write_transaction,
)


class Blocks:
    """Adds, lists and removes the blocks of each user."""

    def __init__(self, units: UnitOfWorkRunner, settings: RoomsSettings) -> None:
        self.units = units
        self._settings = settings

    @write_transaction
    async def put(self, unit: UnitOfWork, actor: str, user: str) -> tuple[BlockView, bool]:
        """Block `user`; return the block, and whether it is new."""
        if user == actor:
            raise InvalidBody("You cannot block yourself.")
        # Inviting and opening a direct room lock both users too, so they run before or after this.
        both = await unit.users.lock(actor, user)
        me, blocked = require_actor(both.get(actor)), both.get(user)
        if blocked is None:
            raise NotFound("There is no such user.")
        block = await unit.blocks.get(actor, user)
        is_new = block is None
        if block is None:
            limit = self._settings.user_most_blocks
            if await unit.blocks.count(actor) >= limit:
                raise Conflict("You block too many users; unblock one first.", limit=limit)
            block = Block(user_id=actor, blocked_id=user, created_at_ms=unit.now_ms)
            await unit.blocks.add(block)
            room = await unit.rooms.direct(direct_pair(actor, user))
            membership = room and await unit.memberships.get(room.id, actor)
            if membership:
                hide_room(unit, membership, me)
        return block_view(block, blocked), is_new

    @write_transaction
    async def lift(self, unit: UnitOfWork, actor: str, user: str) -> None:
        """Unblock `user`; does nothing if they are not blocked."""
        require_actor((await unit.users.lock(actor, user)).get(actor))
        block = await unit.blocks.get(actor, user)
        if block is not None:
            await unit.blocks.delete(block)

    @read_transaction
    async def get(self, unit: UnitOfWork, actor: str, user: str) -> BlockView:
        """Return the block on `user`; raise NotFound."""
        block, blocked = await unit.blocks.get(actor, user), await unit.users.get(user)
        if block is None or blocked is None:
            raise NotFound("You do not block this user.")
        return block_view(block, blocked)

    @read_transaction
    async def list(
        self, unit: UnitOfWork, actor: str, cursor: str | None, limit: int
    ) -> Page[BlockView]:
        """Return the users that `actor` blocks, oldest account first."""
        rows = await unit.blocks.list_of_user(actor, read_cursor(cursor), limit + 1)
        return page(rows, limit, lambda row: row[1].id, lambda row: block_view(*row))
