"""Bans: users who may not join a room; a banned member is removed."""

from madang_common.clock import rfc3339
from madang_common.events.kinds import MemberBanned, MemberUnbanned
from madang_common.problems import Conflict, NotFound
from madang_rooms.services.authorization import (
    Authorization,
    authorize,
    check_role,
    check_shared,
    forbidden,
    require_member,
    with_article,
)
from madang_rooms.services.membership import end_membership, invalidate_invites
from madang_rooms.services.paging import Page, page, read_cursor
from madang_rooms.services.roles import Action, may_remove
from madang_rooms.services.views import BanView, ban_view
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import Ban, User
from madang_rooms.storage.unit_of_work import (
    UnitOfWork,
    UnitOfWorkRunner,
    read_transaction,
    write_transaction,
)


class Bans:
    """Bans users from rooms, lists bans and lifts them."""

    def __init__(self, units: UnitOfWorkRunner, settings: RoomsSettings) -> None:
        self.units = units
        self._settings = settings

    @write_transaction
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
        """Ban `user` for `seconds`, or without expiry; return the ban, and whether it is new.

        Raise if `actor` may not ban, or may not remove `user`, who is a member.
        """
        authorization = await authorize(unit, room, actor, user)
        authorization.check_may(Action.BAN)
        if user == actor:
            raise Conflict("You cannot ban yourself; leave the room instead.")
        banned = authorization.users.get(user)
        if banned is None:
            raise NotFound("There is no such user.")
        await unit.bans.delete_expired(room)
        expires_at_ms = None if seconds is None else unit.now_ms + seconds * 1000
        ban = await unit.bans.get(room, user)
        is_new = ban is None
        if ban is None:
            ban = await self._add(unit, authorization, banned, expires_at_ms)
        elif ban.expires_at_ms != expires_at_ms:
            ban.expires_at_ms = expires_at_ms
            event = _event(ban, banned, by=actor, removed=False)
            unit.outbox.to_room(room, event, authorization.actor)
        ban.reason = reason
        ban.banned_by = actor
        return ban_view(ban, banned), is_new

    @write_transaction
    async def lift(self, unit: UnitOfWork, actor: str, room: str, user: str) -> None:
        """Lift the ban of `user`; raise if `actor` may not ban, or NotFound."""
        authorization = await authorize(unit, room, actor, user)
        authorization.check_may(Action.BAN)
        banned = authorization.users.get(user)
        ban = await unit.bans.get(room, user)
        if ban is None or banned is None:
            raise NotFound("This user is not banned from this room.")
        await unit.bans.delete(ban)
        await unit.removals.delete(room, user)
        event = MemberUnbanned(user=user, name=banned.display_name, by=actor)
        unit.outbox.to_room(room, event, authorization.actor)

    @read_transaction
    async def get(self, unit: UnitOfWork, actor: str, room: str, user: str) -> BanView:
        """Return the ban of `user`; raise if `actor` may not ban, or NotFound."""
        await _check_may_ban(unit, actor, room)
        ban = await unit.bans.get(room, user)
        banned = await unit.users.get(user)
        if ban is None or banned is None:
            raise NotFound("This user is not banned from this room.")
        return ban_view(ban, banned)

    @read_transaction
    async def list(
        self, unit: UnitOfWork, actor: str, room: str, cursor: str | None, limit: int
    ) -> Page[BanView]:
        """Return the bans from a room, oldest account first; raise if `actor` may not ban."""
        await _check_may_ban(unit, actor, room)
        rows = await unit.bans.list_of_room(room, read_cursor(cursor), limit + 1)
        return page(rows, limit, lambda row: row[1].id, lambda row: ban_view(*row))

    async def _add(
        self,
        unit: UnitOfWork,
        authorization: Authorization,
        user: User,
        expires_at_ms: int | None,
    ) -> Ban:
        """Add a ban, end the membership of `user`, if any, and add the events."""
        room, actor, limit = authorization.room, authorization.actor, self._settings.room_most_bans
        membership = await unit.memberships.get(room.id, user.id)
        if membership is not None and not may_remove(authorization.role, membership.role):
            raise forbidden(authorization.role, f"ban {with_article(membership.role)}")
        if await unit.bans.count(room.id) >= limit:
            raise Conflict("This room has too many bans; lift one first.", limit=limit)
        ban = Ban(
            room_id=room.id,
            user_id=user.id,
            banned_by=actor.id,
            created_at_ms=unit.now_ms,
            expires_at_ms=expires_at_ms,
        )
        await unit.bans.add(ban)
        await invalidate_invites(unit, room, user, self._settings)
        event = _event(ban, user, by=actor.id, removed=membership is not None)
        if membership is None:
            unit.outbox.to_room(room.id, event, actor)
        else:
            await end_membership(unit, room, membership, event, actor)
        return ban


def _event(ban: Ban, user: User, *, by: str, removed: bool) -> MemberBanned:
    expires_at_ms = ban.expires_at_ms
    until = None if expires_at_ms is None else rfc3339(expires_at_ms / 1000)
    return MemberBanned(user=user.id, name=user.display_name, by=by, removed=removed, until=until)


async def _check_may_ban(unit: UnitOfWork, actor: str, room: str) -> None:
    found, membership = await require_member(unit, room, actor)
    check_shared(found)
    check_role(membership.role, Action.BAN)
