"""Bans: who may not enter a room, members until now among them."""

from madang_common.events.kinds import MemberBanned, MemberUnbanned
from madang_common.problems import Conflict, Forbidden, NotFound
from madang_rooms.services.authorization import (
    Authorization,
    check_role,
    check_shared,
    see,
    stand,
    with_article,
)
from madang_rooms.services.membership import bar_from_links, end_membership
from madang_rooms.services.paging import Page, page, read_cursor
from madang_rooms.services.roles import Action, may_remove
from madang_rooms.services.views import BanView, ban_view
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import Ban, User
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitsOfWork, reads, writes


class Bans:
    """Keeps users out of rooms, shows whom, and lets them in again."""

    def __init__(self, units: UnitsOfWork, settings: RoomsSettings) -> None:
        self.units = units
        self._settings = settings

    @writes
    async def put(
        self,
        unit: UnitOfWork,
        actor: str,
        room: str,
        user: str,
        *,
        reason: str | None,
        seconds: int | None,
    ) -> tuple[BanView, bool]:
        """Ban `user`, for `seconds` or for good; return the ban, and whether there was none.

        Raise if `actor` may not, or may not remove the member that `user` is.
        """
        standing = await stand(unit, room, actor, user)
        standing.check_may(Action.BAN)
        if user == actor:
            raise Conflict("You cannot ban yourself; leave the room instead.")
        banned = standing.users.get(user)
        if banned is None:
            raise NotFound("There is no such user.")
        await unit.bans.forget(room)
        ban = await unit.bans.get(room, user)
        made = ban is None
        if ban is None:
            ban = await self._add(unit, standing, banned)
        ban.reason = reason
        ban.banned_by = actor
        ban.expires_at_ms = None if seconds is None else unit.now_ms + seconds * 1000
        return ban_view(ban, banned), made

    @writes
    async def lift(self, unit: UnitOfWork, actor: str, room: str, user: str) -> None:
        """Let `user` enter again; raise if `actor` may not, or if there is no ban."""
        standing = await stand(unit, room, actor, user)
        standing.check_may(Action.BAN)
        banned = standing.users.get(user)
        ban = await unit.bans.get(room, user)
        if ban is None or banned is None:
            raise NotFound("There is no such ban.")
        await unit.bans.delete(ban)
        await unit.removals.delete(room, user)
        lifted = MemberUnbanned(user=user, name=banned.display_name, by=actor)
        unit.outbox.to_room(room, lifted, standing.actor)

    @reads
    async def get(self, unit: UnitOfWork, actor: str, room: str, user: str) -> BanView:
        """Return the ban of `user`; raise if `actor` may not ban, or if there is none."""
        await _check_sees(unit, actor, room)
        ban = await unit.bans.get(room, user)
        banned = await unit.users.get(user)
        if ban is None or banned is None:
            raise NotFound("There is no such ban.")
        return ban_view(ban, banned)

    @reads
    async def list(
        self, unit: UnitOfWork, actor: str, room: str, cursor: str | None, limit: int
    ) -> Page[BanView]:
        """Return the bans from a room, who registered first first; raise if `actor` may not ban."""
        await _check_sees(unit, actor, room)
        rows = await unit.bans.of_room(room, read_cursor(cursor), limit + 1)
        return page(rows, limit, lambda row: row[1].id, lambda row: ban_view(*row))

    async def _add(self, unit: UnitOfWork, standing: Authorization, user: User) -> Ban:
        """Ban `user` from now on, take out the member that they may be, and tell of it."""
        room, actor, most = standing.room, standing.actor, self._settings.room_most_bans
        membership = await unit.memberships.get(room.id, user.id)
        if membership is not None and not may_remove(standing.role, membership.role):
            mine, theirs = with_article(standing.role), with_article(membership.role)
            raise Forbidden(f"{mine.capitalize()} may not ban {theirs}.")
        if await unit.bans.count(room.id) >= most:
            raise Conflict("Too many are banned from this room; lift a ban first.", limit=most)
        ban = Ban(room_id=room.id, user_id=user.id, banned_by=actor.id, created_at_ms=unit.now_ms)
        await unit.bans.add(ban)
        await bar_from_links(unit, room, user, self._settings)
        told = MemberBanned(
            user=user.id, name=user.display_name, by=actor.id, removed=membership is not None
        )
        if membership is None:
            unit.outbox.to_room(room.id, told, actor)
        else:
            await end_membership(unit, room, membership, told, actor)
        return ban


async def _check_sees(unit: UnitOfWork, actor: str, room: str) -> None:
    seen, membership = await see(unit, room, actor)
    check_shared(seen)
    check_role(membership.role, Action.BAN)
