"""Rehearses the runbooks of the log on real servers while people talk.

`docs/runbooks/broker-data-lost.md` and `docs/runbooks/change-shards.md`.
"""

import asyncio
import shutil
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from stack.servers.deadline import wait_until
from stack.service import Service
from stack.stack import Stack
from tests.chaos.load import under_load
from tests.chaos.log_settings import log_epoch, log_shards
from tests.chaos.losses import PEOPLE, PER_SECOND, Losing, losing, read_gaps
from tests.e2e.stomp_socket import StompSocket

_MORE_SHARDS = 6
_PAUSE_SECONDS = 60
"""Longest silence in a planned change on any machine."""
_NOTICE_SECONDS = 30


async def test_after_rabbitmq_lost_its_data_only_what_history_never_got_is_lost(
    mortal_stack: Stack,
) -> None:
    async with losing(mortal_stack) as load:
        since = await asyncio.to_thread(_position, load)
        await _get_ahead_of_history(load)
        logged = {one.name: len(one.errors()) for one in mortal_stack.gateways}

        await asyncio.to_thread(mortal_stack.rabbitmq.kill)
        await asyncio.to_thread(shutil.rmtree, mortal_stack.rabbitmq.folder / "data")
        await asyncio.to_thread(mortal_stack.start_rabbitmq)
        await asyncio.to_thread(_check_noticed, mortal_stack.gateways, logged)
        await _begin(mortal_stack, shards=load.shards)

        await _finish(load, since)


async def test_after_rabbitmq_was_restored_from_a_copy_ids_are_not_used_again(
    mortal_stack: Stack,
) -> None:
    rabbitmq = mortal_stack.rabbitmq
    data, copy = rabbitmq.folder / "data", rabbitmq.folder / "copy"
    async with losing(mortal_stack) as load:
        since = await asyncio.to_thread(_position, load)
        await asyncio.to_thread(rabbitmq.stop)
        await asyncio.to_thread(shutil.copytree, data, copy)
        await asyncio.to_thread(rabbitmq.start)
        await load.clients.acknowledge(PER_SECOND)
        # If the copy has all that history has, history cannot know that anything is lost.
        await load.until_stored()
        await _get_ahead_of_history(load)

        await asyncio.to_thread(rabbitmq.kill)
        users = [*mortal_stack.gateways, *mortal_stack.rooms, *mortal_stack.history]
        await asyncio.gather(*(asyncio.to_thread(service.stop) for service in users))
        await asyncio.to_thread(_replace, data, copy)
        await asyncio.to_thread(rabbitmq.start)
        await _begin(mortal_stack, shards=load.shards)

        await _finish(load, since)


async def test_the_number_of_shards_changes_and_nothing_is_lost(mortal_stack: Stack) -> None:
    before = await asyncio.to_thread(mortal_stack.command, "history", "gaps")
    shards = 2 if log_shards(mortal_stack) == _MORE_SHARDS else _MORE_SHARDS
    async with under_load(mortal_stack, people=PEOPLE, per_second=PER_SECOND) as clients:
        for client in clients.members:
            client.longest_silence = 0.0
        begun = time.monotonic()
        await _begin(mortal_stack, shards=shards)
        took = time.monotonic() - begun
        await clients.acknowledge(PER_SECOND)
        pause = max(client.longest_silence for client in clients.members)
        print(  # noqa: T201 - the figure
            f"{shards} shards after {took:.1f} s; longest silence of any client: {pause:.1f} s"
        )
        assert pause < _PAUSE_SECONDS

    assert await asyncio.to_thread(mortal_stack.command, "history", "gaps") == before


async def _get_ahead_of_history(load: Losing) -> None:
    """Have messages acknowledged that history does not store."""
    await load.note_stored()
    for history in load.stack.history:
        await asyncio.to_thread(history.kill)
    await load.clients.acknowledge(PER_SECOND)


async def _begin(stack: Stack, *, shards: int) -> None:
    """Begin the next epoch, as the runbooks do."""
    await asyncio.to_thread(partial(stack.begin_epoch, epoch=log_epoch(stack) + 1, shards=shards))


async def _finish(load: Losing, since: str) -> None:
    """Have all clients go on, and check what is left, and what an earlier client is told."""
    await load.clients.acknowledge(PER_SECOND)
    await load.clients.stop_sending()
    await load.clients.all_acknowledged()
    gaps = read_gaps(await asyncio.to_thread(load.stack.command, "history", "gaps"))
    mine = [gap for gap in gaps if gap.epoch == load.epoch]
    assert sorted(gap.shard for gap in mine if gap.is_open) == list(range(load.shards))
    await load.check(mine)
    await asyncio.to_thread(_check_resumes, load, since)


def _position(load: Losing) -> str:
    """Return where a client is that is offline from now on."""
    with _socket(load) as socket:
        return socket.subscribe(load.rooms[0]).headers["position"]


def _check_resumes(load: Losing, since: str) -> None:
    """Check that the client that was offline meanwhile gets everything that is stored."""
    with _socket(load) as socket:
        assert socket.subscribe(load.rooms[0], since=since).headers["resumed"] == "true"
        before = [event.id for event in load.stored_before[load.rooms[0]] if event.id > since]
        # And one more, that was sent in the new epoch.
        ids = [socket.next().headers["message-id"] for _ in range(len(before) + 1)]
    assert ids[:-1] == before


def _socket(load: Losing) -> AbstractContextManager[StompSocket]:
    token = load.clients.members[0].login.tokens.access
    return StompSocket.open(load.stack.ws_url, token)


def _replace(data: Path, copy: Path) -> None:
    shutil.rmtree(data)
    copy.rename(data)


def _check_noticed(gateways: Iterable[Service], logged: dict[str, int]) -> None:
    """Check that each gateway says once that the log is lost, and names the runbook."""
    for gateway in gateways:
        assert wait_until(partial(_says_lost, gateway), seconds=_NOTICE_SECONDS)
        lines = gateway.errors()[logged[gateway.name] :]
        told = [line for line in lines if "log_lost" in line]
        assert len(told) == 1, told
        assert "docs/runbooks/broker-data-lost.md" in told[0]


def _says_lost(gateway: Service) -> bool:
    return gateway.metric("madang_log_lost") == 1
