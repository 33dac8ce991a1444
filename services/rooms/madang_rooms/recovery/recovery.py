"""Compares the database with the log, and repairs it, while nothing else publishes.

The lock of the outbox is held meanwhile. So the log gets no event of rooms after it was read, and
the database is exactly as far as the log and the outbox together, even while replicas serve.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial

from madang_common.events.envelope import read_line, room_audience, user_audience
from madang_common.events.kinds import Visibility
from madang_common.log.port import Log, OlderLogs
from madang_common.settings import CannotStart
from madang_rooms.recovery.differences import (
    MEMBERS_OF_DIRECT,
    Comparison,
    ComparisonContext,
    Difference,
    Lost,
    Part,
    StoredInvite,
    StoredMember,
    StoredRoom,
    compare_room,
    mentioned_users,
)
from madang_rooms.recovery.facts import Facts, RoomFacts
from madang_rooms.recovery.log_reader import read_facts
from madang_rooms.recovery.repair import Repair
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import OutboxRow, Room
from madang_rooms.storage.models.room import direct_pair
from madang_rooms.storage.unit_of_work import (
    UnitOfWork,
    UnitOfWorkRunner,
    read_transaction,
    write_transaction,
)

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class _PublishedRow:
    """A row of the outbox whose event the log has already."""

    id: int
    audience: str


@dataclass(slots=True)
class Report:
    """What was found, and if wanted repaired."""

    events: int
    """Events of rooms in the log."""
    differences: list[Difference] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    is_repaired: bool = False
    unmentioned_rooms: int = 0
    """Stored rooms about which the log says nothing; they are left alone."""
    unmentioned_members: int = 0
    """The same for members, of rooms that the log mentions."""
    invalid_events: int = 0
    """Events of rooms that could not be read."""


class Recovery:
    """Compares, each room in one snapshot, and repairs on the connection that holds the lock."""

    def __init__(
        self,
        units: UnitOfWorkRunner,
        chat_log: Log,
        settings: RoomsSettings,
        *,
        older_logs: OlderLogs,
        snapshots: UnitOfWorkRunner,
    ) -> None:
        self.units = units
        self._older_logs = older_logs
        self._snapshots = snapshots
        self._log = chat_log
        self._settings = settings

    async def run(self, *, repair: bool, since_epoch: int | None = None) -> Report:
        """Return the differences, repaired if wanted; raise LogError or Unavailable.

        The log is read since `since_epoch`, by default the current one; raise CannotStart if that
        is a later one.
        """
        since = self._log.epoch if since_epoch is None else since_epoch
        if since > self._log.epoch:
            raise CannotStart(f"--since-epoch {since}: the log is in epoch {self._log.epoch}")
        facts, events = await read_facts(self._log, self._older_logs, since)
        report = Report(events, invalid_events=facts.invalid)
        published = await self._read_outbox(facts)
        for key, row in published.items():
            report.differences.append(
                Difference(row.audience, Part.OUTBOX, key, stored="waiting", log="published")
            )
        report.unmentioned_rooms = await self._count_unmentioned(facts)
        for room in list(facts.rooms.values()):
            compared = await self._snapshots.read(partial(self._compare, facts, room))
            report.differences += compared.differences
            report.lost += compared.lost
            report.unmentioned_members += compared.unmentioned_members
            if repair and compared.differences:
                await self._repair(facts, room, _users_of(compared.differences))
        if repair:
            await self._delete([row.id for row in published.values()])
            report.is_repaired = True
        report.lost += await self._lost_invites(facts)
        report.invalid_events = facts.invalid
        return report

    async def _read_outbox(self, facts: Facts) -> dict[str, _PublishedRow]:
        """Apply the waiting events; return those that the log has already, by key."""
        published: dict[str, _PublishedRow] = {}
        last = 0
        while rows := await self._outbox_after(last):
            for row in rows:
                event = read_line(row.line)
                if facts.has(event):
                    published[event.key] = _PublishedRow(row.id, event.audience)
                else:
                    facts.apply(event)
            last = rows[-1].id
        return published

    @read_transaction
    async def _outbox_after(self, unit: UnitOfWork, row: int) -> Sequence[OutboxRow]:
        return await unit.outbox.after(row, _PAGE)

    async def _count_unmentioned(self, facts: Facts) -> int:
        count, last = 0, ""
        while rooms := await self._rooms_after(last):
            count += sum(room not in facts.rooms for room in rooms)
            last = rooms[-1]
        return count

    @read_transaction
    async def _rooms_after(self, unit: UnitOfWork, after: str) -> Sequence[str]:
        return await unit.rooms.ids(after, _PAGE)

    async def _compare(self, facts: Facts, room: RoomFacts, unit: UnitOfWork) -> Comparison:
        await _apply_outbox(unit, facts, room, mentioned_users(room))
        stored = await _stored_room(unit, await unit.rooms.get(room.id))
        return compare_room(facts, room, stored, await self._context(unit, room))

    @write_transaction
    async def _repair(
        self, unit: UnitOfWork, facts: Facts, room: RoomFacts, users: AbstractSet[str]
    ) -> None:
        """Repair the differences that concern `room` and `users`, all of them locked."""
        locked = await unit.rooms.lock(room.id)
        await unit.users.lock(*users)
        await _apply_outbox(unit, facts, room, users)
        context = await self._context(unit, room)
        stored = await _stored_room(unit, locked)
        compared = compare_room(facts, room, stored, context)
        if not compared.differences:
            return
        repair = Repair(unit, facts, room, context.users)
        for difference in compared.differences:
            if _users_of([difference]) <= users:
                await repair.apply(difference)
        await repair.finish()

    @write_transaction
    async def _delete(self, unit: UnitOfWork, rows: Sequence[int]) -> None:
        for first in range(0, len(rows), _PAGE):
            await unit.outbox.delete(rows[first : first + _PAGE])

    @read_transaction
    async def _lost_invites(self, unit: UnitOfWork, facts: Facts) -> list[Lost]:
        """Return the invites that may still be open and are not stored."""
        since_ms = unit.now_ms - self._settings.invite_seconds * 1000
        lost: list[Lost] = []
        for code, invite in facts.invites.items():
            room = facts.rooms.get(invite.room)
            person = room.people.get(invite.user) if room else None
            changes = person.joins_and_removals if person else []
            is_over = code in facts.declined or any(
                change.at_ms >= invite.at_ms for change in changes
            )
            if invite.at_ms < since_ms or is_over or await unit.invites.get(code) is not None:
                continue
            reason = f"the invite by {invite.by} is not restored; invite the user again"
            lost.append(Lost(invite.room, Part.INVITE, invite.user, reason))
        return lost

    async def _context(self, unit: UnitOfWork, room: RoomFacts) -> ComparisonContext:
        users = await unit.users.by_ids(mentioned_users(room))
        other: Room | None = None
        members = [user for user, _ in room.members()]
        is_direct = room.created is not None and room.created.visibility is Visibility.DIRECT
        if is_direct and len(members) == MEMBERS_OF_DIRECT:
            other = await unit.rooms.direct(direct_pair(*members))
        return ComparisonContext(
            users=users.keys(),
            now_ms=unit.now_ms,
            removals_since_ms=unit.now_ms - self._settings.invite_longest_seconds * 1000,
            direct_room=None if other is None or other.id == room.id else other.id,
        )


def _users_of(differences: Iterable[Difference]) -> set[str]:
    """Return the users that must be locked to repair `differences`."""
    without_user = {Part.INVITE, Part.OUTBOX}
    return {one.subject for one in differences if one.subject and one.part not in without_user}


async def _apply_outbox(
    unit: UnitOfWork, facts: Facts, room: RoomFacts, users: AbstractSet[str]
) -> None:
    """Apply what replicas committed about `room` and to `users` since the outbox was read."""
    audiences = [room_audience(room.id), *map(user_audience, users)]
    for row in await unit.outbox.of_audiences(audiences):
        facts.apply(read_line(row.line))


async def _stored_room(unit: UnitOfWork, room: Room | None) -> StoredRoom | None:
    """Return what is stored of `room`; None if it is None."""
    if room is None:
        return None
    members = await unit.memberships.all_of_room(room.id)
    bans = await unit.bans.all_of_room(room.id)
    removals = await unit.removals.all_of_room(room.id)
    invites = await unit.invites.unused_of_room(room.id)
    return StoredRoom(
        name=room.name,
        archived=room.archived,
        member_count=room.member_count,
        members={
            one.user_id: StoredMember(one.role, one.joined_at_ms, one.hidden_at_ms is not None)
            for one in members
        },
        bans={ban.user_id: ban.expires_at_ms for ban in bans},
        removals={removal.user_id: removal.removed_at_ms for removal in removals},
        invites={
            invite.code: StoredInvite(
                invite.for_user or "", invite.created_at_ms, invite.declined_at_ms is not None
            )
            for invite in invites
        },
    )
