"""Invites: by link, for whoever has it, and by user, for that one alone."""

from madang_common.events.kinds import InviteReceived, Role
from madang_common.ids import new_id
from madang_common.problems import Conflict, Forbidden, Gone, InvalidBody, NotFound
from madang_rooms.admission import admit, check_entry, check_not_banned
from madang_rooms.models import Invite, User
from madang_rooms.paging import Page, page, read_cursor
from madang_rooms.roles import Action, may
from madang_rooms.settings import RoomsSettings
from madang_rooms.standing import (
    Standing,
    check_open,
    check_shared,
    lock_actor,
    lock_room,
    see,
    stand,
)
from madang_rooms.unit_of_work import UnitOfWork, UnitsOfWork, reads, writes
from madang_rooms.views import (
    InviteView,
    ReceivedInviteView,
    RoomView,
    invite_view,
    received_invite_view,
    room_view,
)


class Invitations:
    """Makes, shows, takes back and accepts invites."""

    def __init__(self, units: UnitsOfWork, settings: RoomsSettings) -> None:
        self.units = units
        self._settings = settings

    @writes
    async def create_link(
        self, unit: UnitOfWork, actor: str, room: str, *, seconds: int | None, uses: int | None
    ) -> InviteView:
        """Make an invite for whoever has its code; raise if `actor` may not."""
        wanted = self._settings.invite_uses if uses is None else uses
        if wanted > self._settings.invite_most_uses:
            raise InvalidBody("too many uses", limit=self._settings.invite_most_uses)
        standing = await self._inviting(unit, actor, room)
        return invite_view(await self._add(unit, standing, seconds, wanted), None)

    @writes
    async def create_for(
        self, unit: UnitOfWork, actor: str, room: str, user: str, *, seconds: int | None
    ) -> InviteView:
        """Invite `user`, once while they can still accept; raise if `actor` may not."""
        standing = await self._inviting(unit, actor, room)
        # Both at once: the invite's row refers to who made it, which takes a lock as well.
        invited = (await unit.users.lock(user, actor)).get(user)
        if invited is None or invited.disabled:
            raise NotFound("there is no such user")
        if await unit.memberships.get(room, user) is not None:
            raise Conflict("they are a member already")
        await check_not_banned(unit, standing.room, invited, "they are banned from this room")
        invite = await unit.invites.open_for(room, user, unit.now_ms)
        if invite is None:
            invite = await self._add(unit, standing, seconds, 1, invited)
        return invite_view(invite, invited)

    @reads
    async def list(
        self, unit: UnitOfWork, actor: str, room: str, cursor: str | None, limit: int
    ) -> Page[InviteView]:
        """Return the invites that can be accepted; raise if `actor` may not invite."""
        seen, membership = await see(unit, room, actor)
        check_shared(seen)
        if not may(membership.role, Action.INVITE):
            raise Forbidden(f"a {membership.role} may not see invites")
        after = read_cursor(cursor)
        rows = await unit.invites.open_of_room(room, unit.now_ms, after, limit + 1)
        users = await unit.users.by_ids(row.for_user for row in rows if row.for_user)

        def view(invite: Invite) -> InviteView:
            return invite_view(invite, users.get(invite.for_user or ""))

        return page(rows, limit, lambda invite: invite.code, view)

    @reads
    async def received(
        self, unit: UnitOfWork, actor: str, cursor: str | None, limit: int
    ) -> Page[ReceivedInviteView]:
        """Return the invites for `actor` that they can accept."""
        after = read_cursor(cursor)
        rows = await unit.invites.open_of_user(actor, unit.now_ms, after, limit + 1)
        return page(rows, limit, lambda row: row[0].code, lambda row: received_invite_view(*row))

    @writes
    async def revoke(self, unit: UnitOfWork, actor: str, room: str, code: str) -> None:
        """Take an invite back; raise if `actor` may not, or if there is none."""
        standing = await stand(unit, room, actor)
        standing.check_may(Action.INVITE)
        invite = await unit.invites.lock(room, code)
        if invite is None:
            raise NotFound("there is no such invite")
        await unit.invites.delete(invite)

    @writes
    async def accept(self, unit: UnitOfWork, actor: str, code: str) -> RoomView:
        """Let `actor` in; a member gets the room and uses nothing.

        Raise NotFound, Forbidden if it is for somebody else, or Gone.
        """
        room = await lock_room(unit, await unit.invites.room_of(code) or "")
        invite = await unit.invites.lock(room.id, code)
        if invite is None:
            raise NotFound("there is no such invite")
        if invite.for_user not in {None, actor}:
            raise Forbidden("this invite is for somebody else")
        membership = await unit.memberships.get(room.id, actor)
        if membership is None:
            if not invite.open_at(unit.now_ms):
                raise Gone("the invite has expired or was used up")
            user = await lock_actor(unit, actor)
            await check_entry(unit, room, user, self._settings)
            invite.uses_left -= 1
            membership = await admit(
                unit, room, user, Role.MEMBER, by=invite.created_by, sender=user
            )
        return room_view(room, membership.role)

    async def _inviting(self, unit: UnitOfWork, actor: str, room: str) -> Standing:
        standing = await stand(unit, room, actor)
        standing.check_may(Action.INVITE)
        check_open(standing.room)
        return standing

    async def _add(
        self,
        unit: UnitOfWork,
        standing: Standing,
        seconds: int | None,
        uses: int,
        invited: User | None = None,
    ) -> Invite:
        life = self._settings.invite_seconds if seconds is None else seconds
        if life > self._settings.invite_longest_seconds:
            raise InvalidBody("too long a life", limit=self._settings.invite_longest_seconds)
        room, actor, most = standing.room, standing.actor, self._settings.room_most_invites
        await unit.invites.forget(room.id, unit.now_ms - self._settings.invite_kept_seconds * 1000)
        if await unit.invites.count_open(room.id, unit.now_ms) >= most:
            raise Conflict("the room has too many invites", limit=most)
        invite = Invite(
            code=new_id(),
            room_id=room.id,
            created_by=actor.id,
            for_user=None if invited is None else invited.id,
            uses_left=uses,
            created_at_ms=unit.now_ms,
            expires_at_ms=unit.now_ms + life * 1000,
        )
        await unit.invites.add(invite)
        if invited is not None:
            received = InviteReceived(
                room=room.id, room_name=room.name, code=invite.code, by=actor.id
            )
            unit.outbox.to_user(invited.id, received, actor)
        return invite
