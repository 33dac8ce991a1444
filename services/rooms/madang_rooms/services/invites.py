"""Invites: links, for anyone who has the code, and invites for one user.

An inviter does not learn that the invited user declined the invite or blocks the inviter: for all
others the invite is unchanged, and it counts against the limits as before.
"""

from madang_common.events.kinds import InviteDeclined, InviteReceived
from madang_common.ids import new_id
from madang_common.problems import Conflict, Forbidden, Gone, InvalidBody, NotFound
from madang_rooms.services.authorization import (
    Authorization,
    authorize,
    check_open,
    check_role,
    check_shared,
    lock_actor,
    lock_room,
    require_member,
    require_user,
)
from madang_rooms.services.membership import check_can_join, check_not_banned, join
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
from madang_rooms.storage.unit_of_work import (
    UnitOfWork,
    UnitOfWorkRunner,
    read_transaction,
    write_transaction,
)

_DAY_MS = 86_400_000
_NO_INVITE = "There is no such invite."


class Invites:
    """Creates, lists, revokes, accepts and declines invites.

    Locks are taken in this order: the room, the users, the invite.
    """

    def __init__(self, units: UnitOfWorkRunner, settings: RoomsSettings) -> None:
        self.units = units
        self._settings = settings

    @write_transaction
    async def create_link(
        self, unit: UnitOfWork, actor: str, room: str, *, seconds: int | None, uses: int | None
    ) -> InviteView:
        """Create a link; raise if `actor` may not invite."""
        limit = self._settings.invite_most_uses
        wanted = self._settings.invite_uses if uses is None else uses
        if wanted > limit:
            raise InvalidBody(f"An invite has at most {limit} uses.", limit=limit)
        authorization = await _authorize(unit, room, actor)
        return invite_view(await self._add(unit, authorization, seconds, wanted), None)

    @write_transaction
    async def create_for_user(
        self, unit: UnitOfWork, actor: str, room: str, user: str, *, seconds: int | None
    ) -> InviteView:
        """Invite `user`, or return their open invite; raise if `actor` may not invite."""
        authorization = await _authorize(unit, room, actor, user)
        invited = require_user(authorization.users.get(user))
        if await unit.memberships.get(room, user) is not None:
            raise Conflict("This user is already a member of the room.")
        await check_not_banned(
            unit, authorization.room, invited, "This user is banned from the room."
        )
        invite = await unit.invites.open_for(room, user, actor)
        if invite is None:
            await self._check_quota(unit, actor, user)
            invite = await self._add(unit, authorization, seconds, 1, invited)
            if await unit.blocks.get(user, actor) is None:
                await self._announce(unit, authorization, invite, invited)
        return invite_view(invite, invited)

    @read_transaction
    async def list(
        self, unit: UnitOfWork, actor: str, room: str, cursor: str | None, limit: int
    ) -> Page[InviteView]:
        """Return the open invites to a room; raise if `actor` may not invite."""
        found, membership = await require_member(unit, room, actor)
        check_shared(found)
        check_role(membership.role, Action.INVITE)
        rows = await unit.invites.list_open_of_room(room, read_cursor(cursor), limit + 1)
        users = await unit.users.by_ids(row.for_user for row in rows if row.for_user)

        def view(invite: Invite) -> InviteView:
            return invite_view(invite, users.get(invite.for_user or ""))

        return page(rows, limit, lambda invite: invite.code, view)

    @read_transaction
    async def list_received(
        self, unit: UnitOfWork, actor: str, cursor: str | None, limit: int
    ) -> Page[ReceivedInviteView]:
        """Return the open invites for `actor`, newest first."""
        rows = await unit.invites.list_of_user(actor, read_cursor(cursor), limit + 1)
        return page(rows, limit, lambda row: row[0].code, lambda row: received_invite_view(*row))

    @write_transaction
    async def revoke(self, unit: UnitOfWork, actor: str, room: str, code: str) -> None:
        """Revoke an invite; raise if `actor` may not invite, or NotFound."""
        authorization = await authorize(unit, room, actor)
        authorization.check_may(Action.INVITE)
        invite = await unit.invites.lock(room, code)
        if invite is None:
            raise NotFound(_NO_INVITE)
        if invite.for_user is None:
            await unit.invites.delete(invite)
        else:
            invite.uses_left, invite.revoked_at_ms = 0, unit.now_ms

    @write_transaction
    async def accept(self, unit: UnitOfWork, actor: str, code: str) -> RoomView:
        """Add `actor` to the room and count one use; nothing changes for a member.

        Raise NotFound, Forbidden if the invite is for another user, or Gone.
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
                raise Gone("This invite has expired or is used up; ask for a new one.")
            await check_can_join(unit, room, user, self._settings)
            await _check_link(unit, room, user, invite)
            invite.uses_left -= 1
            membership = await join(unit, room, user, by=invite.created_by)
        return room_view(room, membership)

    @write_transaction
    async def decline(self, unit: UnitOfWork, actor: str, code: str) -> None:
        """Decline an invite for `actor`; raise NotFound, Forbidden or Conflict."""
        found = await unit.invites.get(code)
        if found is None:
            raise NotFound(_NO_INVITE)
        user = await lock_actor(unit, actor)
        invite = await _lock(unit, found.room_id, code, actor)
        if invite.for_user is None:
            raise Conflict("This invite is a link; only an invite for one user can be declined.")
        if invite.declined_at_ms is None:
            invite.declined_at_ms = unit.now_ms
            unit.outbox.to_user(actor, InviteDeclined(room=invite.room_id, code=code), user)

    async def _check_quota(self, unit: UnitOfWork, actor: str, user: str) -> None:
        """Raise Conflict if the locked `actor` made too many invites, in all or for `user`."""
        limit = self._settings.user_most_invites
        if await unit.invites.count_of_inviter(actor) >= limit:
            raise Conflict("You have too many open invites; revoke some first.", limit=limit)
        limit = self._settings.user_most_invites_to_one
        if await unit.invites.count_between(actor, user, unit.now_ms - _DAY_MS) >= limit:
            raise Conflict(
                "You have invited this user too often; send them an invite link instead.",
                limit=limit,
            )

    async def _announce(
        self, unit: UnitOfWork, authorization: Authorization, invite: Invite, invited: User
    ) -> None:
        """Announce their invite to the locked `invited`; a full list drops another invite."""
        limit = self._settings.user_most_received_invites
        if await unit.invites.count_of_user(invited.id) > limit:
            dropped = await unit.invites.oldest_of_top_inviter(invited.id)
            if dropped is not None:
                dropped.declined_at_ms = unit.now_ms
        room, actor = authorization.room, authorization.actor
        received = InviteReceived(room=room.id, room_name=room.name, code=invite.code, by=actor.id)
        unit.outbox.to_user(invited.id, received, actor)

    async def _add(
        self,
        unit: UnitOfWork,
        authorization: Authorization,
        seconds: int | None,
        uses: int,
        invited: User | None = None,
    ) -> Invite:
        longest = self._settings.invite_longest_seconds
        lifetime = self._settings.invite_seconds if seconds is None else seconds
        if lifetime > longest:
            raise InvalidBody(f"An invite lasts at most {longest} s.", limit=longest)
        room, limit = authorization.room, self._settings.room_most_invites
        expired_before_ms = unit.now_ms - self._settings.invite_kept_seconds * 1000
        await unit.invites.delete_expired(room.id, expired_before_ms)
        if await unit.invites.count_of_room(room.id) >= limit:
            raise Conflict("The room has too many open invites; revoke some first.", limit=limit)
        invite = Invite(
            code=new_id(),
            room_id=room.id,
            created_by=authorization.actor.id,
            for_user=None if invited is None else invited.id,
            uses_left=uses,
            created_at_ms=unit.now_ms,
            expires_at_ms=unit.now_ms + lifetime * 1000,
        )
        await unit.invites.add(invite)
        return invite


async def _authorize(unit: UnitOfWork, room: str, actor: str, *others: str) -> Authorization:
    authorization = await authorize(unit, room, actor, *others)
    authorization.check_may(Action.INVITE)
    check_open(authorization.room)
    return authorization


async def _lock(unit: UnitOfWork, room: str, code: str, actor: str) -> Invite:
    invite = await unit.invites.lock(room, code)
    if invite is None:
        raise NotFound(_NO_INVITE)
    if invite.for_user not in {None, actor}:
        raise Forbidden("This invite is for another user.")
    return invite


async def _check_link(unit: UnitOfWork, room: Room, user: User, invite: Invite) -> None:
    """Raise Forbidden if `invite` is a link older than the removal of `user` from `room`."""
    removed_at_ms = await unit.removals.at_ms(room.id, user.id)
    if invite.for_user is None and invite.created_at_ms <= (removed_at_ms or 0):
        raise Forbidden(
            "You were removed from this room after this link was created; ask for a new invite."
        )
