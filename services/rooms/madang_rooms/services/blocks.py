"""Blocks: a user is shown no invites and no direct room of the users they block.

Blocked users do not learn of it. Their invites are made and counted as before, but not shown or
announced to the one who blocks. A direct room is hidden from that one's list, whether it exists
already or is opened later; the blocked user may still write to it. Other rooms that both are in
are not affected: removing and banning is for their owners and moderators.
"""

from madang_common.problems import Conflict, InvalidBody, NotFound
from madang_rooms.services.authorization import known
from madang_rooms.services.paging import Page, page, read_cursor
from madang_rooms.services.rooms import take_off_list
from madang_rooms.services.views import BlockView, block_view
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import Block
from madang_rooms.storage.models.room import direct_pair
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitsOfWork, reads, writes


class Blocks:
    """Keeps, shows and lifts the blocks of each user."""

    def __init__(self, units: UnitsOfWork, settings: RoomsSettings) -> None:
        self.units = units
        self._settings = settings

    @writes
    async def put(self, unit: UnitOfWork, actor: str, user: str) -> tuple[BlockView, bool]:
        """Block `user`; return the block, and whether there was none."""
        if user == actor:
            raise InvalidBody("You cannot block yourself.")
        # Inviting and opening a direct room lock both users too, so they come before this or after.
        both = await unit.users.lock(actor, user)
        me, blocked = known(both.get(actor)), both.get(user)
        if blocked is None:
            raise NotFound("There is no such user.")
        block = await unit.blocks.get(actor, user)
        made = block is None
        if block is None:
            most = self._settings.user_most_blocks
            if await unit.blocks.count(actor) >= most:
                raise Conflict("You block too many users; unblock one first.", limit=most)
            block = Block(user_id=actor, blocked_id=user, created_at_ms=unit.now_ms)
            await unit.blocks.add(block)
            room = await unit.rooms.of_pair(direct_pair(actor, user))
            membership = room and await unit.memberships.get(room.id, actor)
            if membership:
                take_off_list(unit, membership, me)
        return block_view(block, blocked), made

    @writes
    async def lift(self, unit: UnitOfWork, actor: str, user: str) -> None:
        """Let `user` invite `actor` again; nothing happens if they are not blocked."""
        known((await unit.users.lock(actor, user)).get(actor))
        block = await unit.blocks.get(actor, user)
        if block is not None:
            await unit.blocks.delete(block)

    @reads
    async def get(self, unit: UnitOfWork, actor: str, user: str) -> BlockView:
        """Return the block on `user`; raise NotFound."""
        block, blocked = await unit.blocks.get(actor, user), await unit.users.get(user)
        if block is None or blocked is None:
            raise NotFound("You do not block this user.")
        return block_view(block, blocked)

    @reads
    async def list(
        self, unit: UnitOfWork, actor: str, cursor: str | None, limit: int
    ) -> Page[BlockView]:
        """Return the users whom `actor` blocks, oldest account first."""
        rows = await unit.blocks.of_user(actor, read_cursor(cursor), limit + 1)
        return page(rows, limit, lambda row: row[1].id, lambda row: block_view(*row))
