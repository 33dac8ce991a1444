"""Applies the differences of one room to the database, without the events that it has already."""

from collections.abc import Set as AbstractSet

from madang_common.events.kinds import Visibility
from madang_rooms.recovery.differences import Difference, Part, creator
from madang_rooms.recovery.facts import Ban, Creation, Facts, Membership, Person, RoomFacts
from madang_rooms.services.ownership import ensure_owner
from madang_rooms.storage import models
from madang_rooms.storage.models.room import direct_pair
from madang_rooms.storage.unit_of_work import UnitOfWork


class Repair:
    """The repair of a room, in one transaction, under the locks of the room and the users."""

    def __init__(
        self, unit: UnitOfWork, facts: Facts, room: RoomFacts, users: AbstractSet[str]
    ) -> None:
        self._unit = unit
        self._facts = facts
        self._room = room
        self._users = users

    async def apply(self, difference: Difference) -> None:
        """Make the stored state what the log says; parts come in the order of `Part`."""
        subject = difference.subject or ""
        match difference.part:
            case Part.ROOM:
                await self._create()
            case Part.NAME:
                (await self._stored()).name = self._room.name or ""
            case Part.ARCHIVED:
                (await self._stored()).archived_at_ms = self._room.archived_at_ms
            case Part.MEMBER_COUNT:
                pass  # in `finish`
            case Part.INVITE:
                await self._close_invite(subject, difference)
            case Part.OUTBOX:
                raise AssertionError("the outbox belongs to no room")
            case _:
                await self._apply_to_person(subject, difference.part)

    async def finish(self) -> None:
        """Count the members, and give the room an owner if all of its owners' accounts are lost."""
        room = await self._stored()
        room.member_count = len(await self._unit.memberships.all_of_room(room.id))
        await ensure_owner(self._unit, room)

    async def _apply_to_person(self, user: str, part: Part) -> None:
        person = self._room.people[user]
        match part:
            case Part.BAN:
                await self._set_ban(user, person)
            case Part.REMOVED_AT:
                await self._set_removal(user, person)
            case Part.MEMBER:
                await self._set_membership(user, person)
            case _:
                membership = await self._unit.memberships.get(self._room.id, user)
                if membership is not None:
                    self._change(membership, person, part)

    def _change(self, stored: models.Membership, person: Person, part: Part) -> None:
        in_log = person.membership
        if part is Part.HIDDEN:
            hidden = self._facts.hidden(self._room, stored.user_id)
            stored.hidden_at_ms = self._unit.now_ms if hidden else None
        elif isinstance(in_log, Membership) and part is Part.ROLE:
            stored.role = in_log.role
        elif isinstance(in_log, Membership) and in_log.joined_at_ms is not None:
            stored.joined_at_ms = in_log.joined_at_ms

    async def _create(self) -> None:
        created, by = self._room.created, creator(self._room, self._users)
        if created is None or by is None:
            raise AssertionError("the comparison found that the room can be created")
        await self._unit.rooms.add(
            models.Room(
                id=self._room.id,
                name=self._room.name,
                visibility=created.visibility,
                direct_pair=self._pair(created),
                member_count=0,
                created_by=by,
                created_at_ms=created.at_ms,
            )
        )

    def _pair(self, created: Creation) -> str | None:
        if created.visibility is not Visibility.DIRECT:
            return None
        one, other = (user for user, _ in self._room.members())
        return direct_pair(one, other)

    async def _set_membership(self, user: str, person: Person) -> None:
        stored = await self._unit.memberships.get(self._room.id, user)
        if stored is not None:
            await self._unit.memberships.delete(stored)
        if isinstance(person.membership, Membership):
            joined_at_ms = person.membership.joined_at_ms
            await self._unit.memberships.add(
                models.Membership(
                    room_id=self._room.id,
                    user_id=user,
                    role=person.membership.role,
                    joined_at_ms=self._unit.now_ms if joined_at_ms is None else joined_at_ms,
                )
            )

    async def _set_ban(self, user: str, person: Person) -> None:
        stored = await self._unit.bans.stored(self._room.id, user)
        ban = person.ban
        if not isinstance(ban, Ban) or not ban.in_force(self._unit.now_ms):
            if stored is not None:
                await self._unit.bans.delete(stored)
            return
        if stored is None:
            by = ban.by if ban.by in self._users else creator(self._room, self._users) or user
            stored = models.Ban(
                room_id=self._room.id, user_id=user, banned_by=by, created_at_ms=ban.at_ms
            )
            await self._unit.bans.add(stored)
        stored.expires_at_ms = ban.until_ms

    async def _set_removal(self, user: str, person: Person) -> None:
        if person.removed_at_ms:
            await self._unit.removals.record(self._room.id, user, person.removed_at_ms)
        else:
            await self._unit.removals.delete(self._room.id, user)

    async def _close_invite(self, code: str, difference: Difference) -> None:
        invite = await self._unit.invites.lock(self._room.id, code)
        if invite is None:
            return
        if difference.log == "declined":
            invite.declined_at_ms = self._facts.declined[code]
            return
        invite.uses_left = 0
        if difference.log == "revoked":
            invite.revoked_at_ms = self._unit.now_ms

    async def _stored(self) -> models.Room:
        room = await self._unit.rooms.get(self._room.id)
        if room is None:
            raise AssertionError("the room was created first")
        return room
