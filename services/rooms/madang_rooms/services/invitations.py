"""Invites: by link, for whoever has it, and by user, for that one alone.

The maker of an invite for a user does not learn that the user declined it or blocks the maker: for
everybody else the invite stays as it is, and it counts as before.
"""

from madang_common.events.kinds import InviteDeclined, InviteReceived
from madang_common.ids import new_id
from madang_common.problems import Conflict, Forbidden, Gone, InvalidBody, NotFound
from madang_rooms.services.authorization import (
    Authorization,
    check_open,
    check_role,
    check_shared,
    found_user,
    lock_actor,
    lock_room,
    see,
    stand,
)
from madang_rooms.services.membership import check_entry, check_not_banned, enter
from madang_rooms.services.paging import Page, page, read_cursor
from madang_rooms.services.roles import Action
from madang_rooms.services.views import (
    InviteView,
    ReceivedInviteView,
    RoomView,
    invite_view,
    received_invite_view,
    room_view,
)
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import Invite, Room, User
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitsOfWork, reads, writes

_DAY_MS = 86_400_000
_NO_INVITE = "There is no such invite."


class Invitations:
    """Makes, shows, takes back, accepts and declines invites.

    The room is locked first, then the users, then an invite.
    """

    def __init__(self, units: UnitsOfWork, settings: RoomsSettings) -> None:
        self.units = units
        self._settings = settings

    @writes
    async def create_link(
        self, unit: UnitOfWork, actor: str, room: str, *, seconds: int | None, uses: int | None
    ) -> InviteView:
        """Make an invite for whoever has its code; raise if `actor` may not."""
        most = self._settings.invite_most_uses
        wanted = self._settings.invite_uses if uses is None else uses
        if wanted > most:
            raise InvalidBody(f"An invite has at most {most} uses.", limit=most)
        standing = _inviting(await stand(unit, room, actor))
        return invite_view(await self._add(unit, standing, seconds, wanted), None)

    @writes
    async def create_for(
        self, unit: UnitOfWork, actor: str, room: str, user: str, *, seconds: int | None
    ) -> InviteView:
        """Invite `user`, once while they can still accept; raise if `actor` may not."""
        standing = _inviting(await stand(unit, room, actor, user))
        invited = found_user(standing.users.get(user))
        if await unit.memberships.get(room, user) is not None:
            raise Conflict("They are a member of this room already.")
        await check_not_banned(unit, standing.room, invited, "They are banned from this room.")
        invite = await unit.invites.open_for(room, user, actor)
        if invite is None:
            await self._check_maker(unit, actor, user)
            invite = await self._add(unit, standing, seconds, 1, invited)
            if await unit.blocks.get(user, actor) is None:
                await self._show(unit, standing, invite, invited)
        return invite_view(invite, invited)

    @reads
    async def list(
        self, unit: UnitOfWork, actor: str, room: str, cursor: str | None, limit: int
    ) -> Page[InviteView]:
        """Return the invites that can be accepted; raise if `actor` may not invite."""
        seen, membership = await see(unit, room, actor)
        check_shared(seen)
        check_role(membership.role, Action.INVITE)
        rows = await unit.invites.open_of_room(room, read_cursor(cursor), limit + 1)
        users = await unit.users.by_ids(row.for_user for row in rows if row.for_user)

        def view(invite: Invite) -> InviteView:
            return invite_view(invite, users.get(invite.for_user or ""))

        return page(rows, limit, lambda invite: invite.code, view)

    @reads
    async def received(
        self, unit: UnitOfWork, actor: str, cursor: str | None, limit: int
    ) -> Page[ReceivedInviteView]:
        """Return the invites for `actor` that they can accept, newest first."""
        rows = await unit.invites.list_of_user(actor, read_cursor(cursor), limit + 1)
        return page(rows, limit, lambda row: row[0].code, lambda row: received_invite_view(*row))

    @writes
    async def revoke(self, unit: UnitOfWork, actor: str, room: str, code: str) -> None:
        """Take an invite back; raise if `actor` may not, or if there is none."""
        standing = await stand(unit, room, actor)
        standing.check_may(Action.INVITE)
        invite = await unit.invites.lock(room, code)
        if invite is None:
            raise NotFound(_NO_INVITE)
        if invite.for_user is None:
            await unit.invites.delete(invite)
        else:
            invite.uses_left, invite.revoked_at_ms = 0, unit.now_ms

    @writes
    async def accept(self, unit: UnitOfWork, actor: str, code: str) -> RoomView:
        """Let `actor` in; a member gets the room and uses nothing.

        Raise NotFound, Forbidden if it is for somebody else, or Gone.
        """
        found = await unit.invites.get(code)
        if found is None:
            raise NotFound(_NO_INVITE)
        room = await lock_room(unit, found.room_id)
        user = await lock_actor(unit, actor)
        invite = await _lock(unit, found.room_id, code, actor)
        membership = await unit.memberships.get(room.id, actor)
        if membership is None:
            if not invite.open_at(unit.now_ms):
                raise Gone("This invite has expired or was used up; ask for a new one.")
            await check_entry(unit, room, user, self._settings)
            await _check_link(unit, room, user, invite)
            invite.uses_left -= 1
            membership = await enter(unit, room, user, by=invite.created_by)
        return room_view(room, membership)

    @writes
    async def decline(self, unit: UnitOfWork, actor: str, code: str) -> None:
        """Take an invite for `actor` off their list, once; raise NotFound or Forbidden."""
        found = await unit.invites.get(code)
        if found is None:
            raise NotFound(_NO_INVITE)
        user = await lock_actor(unit, actor)
        invite = await _lock(unit, found.room_id, code, actor)
        if invite.for_user is None:
            raise Conflict("This invite is a link, which nobody needs to decline.")
        if invite.declined_at_ms is None:
            invite.declined_at_ms = unit.now_ms
            unit.outbox.to_user(actor, InviteDeclined(room=invite.room_id, code=code), user)

    async def _check_maker(self, unit: UnitOfWork, actor: str, user: str) -> None:
        """Raise Conflict if `actor`, who is locked, has made too many invites, or for `user`."""
        most = self._settings.user_most_invites
        if await unit.invites.count_of_maker(actor) >= most:
            raise Conflict("You have too many open invites; take some back first.", limit=most)
        most = self._settings.user_most_invites_to_one
        if await unit.invites.count_between(actor, user, unit.now_ms - _DAY_MS) >= most:
            raise Conflict(
                "You have invited this user too often; send them the link of an invite instead.",
                limit=most,
            )

    async def _show(
        self, unit: UnitOfWork, standing: Authorization, invite: Invite, invited: User
    ) -> None:
        """Tell `invited`, who is locked, of their invite; a full list loses another one."""
        most = self._settings.user_most_received_invites
        if await unit.invites.count_of_user(invited.id) > most:
            given_way = await unit.invites.oldest_of_most(invited.id)
            if given_way is not None:
                given_way.declined_at_ms = unit.now_ms
        room, actor = standing.room, standing.actor
        received = InviteReceived(room=room.id, room_name=room.name, code=invite.code, by=actor.id)
        unit.outbox.to_user(invited.id, received, actor)

    async def _add(
        self,
        unit: UnitOfWork,
        standing: Authorization,
        seconds: int | None,
        uses: int,
        invited: User | None = None,
    ) -> Invite:
        longest = self._settings.invite_longest_seconds
        life = self._settings.invite_seconds if seconds is None else seconds
        if life > longest:
            raise InvalidBody(f"An invite lasts at most {longest} seconds.", limit=longest)
        room, most = standing.room, self._settings.room_most_invites
        await unit.invites.forget(room.id, unit.now_ms - self._settings.invite_kept_seconds * 1000)
        if await unit.invites.count_of_room(room.id) >= most:
            raise Conflict("The room has too many open invites; take some back first.", limit=most)
        invite = Invite(
            code=new_id(),
            room_id=room.id,
            created_by=standing.actor.id,
            for_user=None if invited is None else invited.id,
            uses_left=uses,
            created_at_ms=unit.now_ms,
            expires_at_ms=unit.now_ms + life * 1000,
        )
        await unit.invites.add(invite)
        return invite


def _inviting(standing: Authorization) -> Authorization:
    standing.check_may(Action.INVITE)
    check_open(standing.room)
    return standing


async def _lock(unit: UnitOfWork, room: str, code: str, actor: str) -> Invite:
    invite = await unit.invites.lock(room, code)
    if invite is None:
        raise NotFound(_NO_INVITE)
    if invite.for_user not in {None, actor}:
        raise Forbidden("This invite is for somebody else.")
    return invite


async def _check_link(unit: UnitOfWork, room: Room, user: User, invite: Invite) -> None:
    """Raise Forbidden if `invite` is a link from before `user` was removed from `room`."""
    removed_at_ms = await unit.removals.at_ms(room.id, user.id)
    if invite.for_user is None and invite.created_at_ms <= (removed_at_ms or 0):
        raise Forbidden(
            "You were removed from this room after this link was made; ask for a new invite."
        )
