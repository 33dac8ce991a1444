"""A MongoDB of the bench's own, and messages to store in it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from bench.machine import Cores, pinned
from madang_common.clock import rfc3339
from madang_common.events.envelope import Event
from madang_history.endpoint import MongoEndpoint
from madang_history.store.mongo_client import Database, connected
from stack.run import ServerRun
from stack.servers import MongoDB

WRITTEN = 500
"""Events of one write, as history's setting has it."""
_FIRST_SECONDS = 1_767_225_600
_SENDERS = 200
_TEXT = "이 방에서 점심 먹을 사람? Lunch at noon, the usual place. "


@contextmanager
def private_mongodb(cores: Cores) -> Iterator[str]:
    """Run MongoDB on the server's core and yield its URL."""
    run = ServerRun.begin()
    try:
        mongodb = run.private(MongoDB, "mongodb")
        with pinned(cores.server):
            mongodb.start()
        yield mongodb.url
    finally:
        run.end()


@asynccontextmanager
async def opened(url: str, name: str) -> AsyncIterator[Database]:
    """Yield an empty database over the client that history uses."""
    async with connected(
        MongoEndpoint.at(url), name, timeout_seconds=60, connections=4
    ) as database:
        await database.client.drop_database(name)
        yield database


def message(number: int, room: str) -> Event:
    """Return a message as a gateway appends it."""
    sender = number % _SENDERS
    return Event(
        key=f"06h06kti3fq5ek2v{number:08d}",
        kind="message.created",
        sender=f"06h06ktdkrb2i5o6{sender:08d}",
        sender_name=f"사용자 {sender}",
        at=rfc3339(_FIRST_SECONDS + number / 1000),
        data={"text": f"{_TEXT}{number}"},
        room=room,
    )


def edit(number: int, created: Event, name: str) -> Event:
    """Return the event number `number`, with which the author changes the message `created`."""
    changed = {"message": name, "text": f"{_TEXT}{number}, edited"}
    return _after(number, created)._replace(kind="message.edited", data=changed)


def reaction(number: int, created: Event, name: str) -> Event:
    """Return the event number `number`, a reaction of the author to the message `created`."""
    added = {"message": name, "emoji": "👍"}
    return _after(number, created)._replace(kind="reaction.added", data=added)


def _after(number: int, created: Event) -> Event:
    later = message(number, created.room or "")
    return later._replace(sender=created.sender, sender_name=created.sender_name)
