"""Clients that go on while the broker loses its data, and the check of what is left."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from madang_client import Event
from madang_common.log.position import epoch_of, from_id, offset_of, shard_of
from stack.stack import Stack
from tests.chaos.load import ROOMS
from tests.chaos.log_settings import log_epoch, log_shards
from tests.support.load_clients import LoadClients, load_clients, stored_messages
from tests.support.trust import trusting

PEOPLE = 4
PER_SECOND = 60
"""Less than elsewhere: the test is about what is lost, and starts many processes meanwhile."""


@dataclass(frozen=True)
class Missing:
    """A row of `madang-history gaps`."""

    epoch: int
    shard: int
    first: int
    """Position."""
    is_open: bool
    least: int

    def includes(self, position: int, shard: int) -> bool:
        """Return whether a message of `shard` at `position` may be one of the missing ones."""
        return (
            shard == self.shard
            and epoch_of(offset_of(position)) == self.epoch
            and position >= self.first
        )


def read_gaps(table: str) -> list[Missing]:
    """Return the rows that `madang-history gaps` printed."""
    rows = [re.split(r"  +", line.strip()) for line in table.splitlines()]
    return [
        Missing(
            int(epoch),
            int(shard),
            from_id(first),
            last.endswith("or later"),
            int(batches.removeprefix("at least ")),
        )
        for epoch, shard, first, last, batches, _ in rows[1:]
    ]


@dataclass
class Losing:
    """The clients, and what history had before the loss."""

    stack: Stack
    clients: LoadClients
    epoch: int
    shards: int
    stored_before: dict[str, list[Event]] = field(default_factory=dict)
    """By room."""

    async def until_stored(self) -> None:
        """Return when history has stored what is acknowledged now."""
        login = self.clients.members[0].login
        for room, texts in self.clients.acknowledged_by_room().items():
            await stored_messages(login, room, len(texts))

    async def note_stored(self) -> None:
        """Remember what is stored now; nothing of it may change."""
        for room in self.rooms:
            login = self.clients.members[0].login
            self.stored_before[room] = await stored_messages(login, room, 1)

    @property
    def rooms(self) -> Sequence[str]:
        """The rooms of all clients."""
        return self.clients.members[0].rooms

    async def check(self, gaps: list[Missing]) -> None:
        """Check what is stored, acknowledged and received against each other and `gaps`."""
        lost = 0
        for room, texts in self.clients.acknowledged_by_room().items():
            shard = shard_of(f"rooms.{room}", self.shards)
            kept = await stored_messages(self.clients.members[0].login, room, 1)
            ids = [event.id for event in kept]
            by_text = {event.text: event.id for event in kept}
            assert ids == sorted(set(ids)), "an id was given twice, or they are out of order"
            assert len(by_text) == len(kept), "a message was stored twice"
            assert len(set(texts.values())) == len(texts), "an id was given twice"
            before = [event.id for event in self.stored_before[room]]
            assert ids[: len(before)] == before, "what was stored has changed"
            gone = {text: at for text, at in texts.items() if by_text.get(text) != at}
            for text, at in gone.items():
                assert text not in by_text, f"{text} was acknowledged under another id"
                position = from_id(at)
                assert any(gap.includes(position, shard) for gap in gaps), (text, at, gaps)
            lost += len(gone)
            await self.clients.receive(room, ids[-1])
            self._check_received(room, ids)
        assert lost > 0, "the test lost nothing"
        assert any(client.gaps for client in self.clients.members), "nobody was told"

    def _check_received(self, room: str, stored: list[str]) -> None:
        """Check that each client has everything that is stored since its last gap, in order."""
        for client in self.clients.members:
            received = [event.id for event in client.received[room]]
            assert len(received) == len(set(received)), f"{client.name} received one twice"
            new = [at for at in received if epoch_of(offset_of(from_id(at))) > self.epoch]
            assert new == [at for at in stored if epoch_of(offset_of(from_id(at))) > self.epoch]
            if not client.gaps.get(room):
                assert set(stored) <= set(received), f"{client.name} was not told of a gap"


@asynccontextmanager
async def losing(stack: Stack) -> AsyncIterator[Losing]:
    """Yield clients under load that may be told of gaps."""
    with trusting(stack.ca):
        async with load_clients(stack.url, people=PEOPLE, rooms=ROOMS, may_miss=True) as clients:
            clients.send_at_rate(PER_SECOND)
            await clients.acknowledge(PER_SECOND)
            yield Losing(stack, clients, log_epoch(stack), log_shards(stack))
