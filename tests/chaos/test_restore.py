"""Rehearses `docs/runbooks/backup-and-restore.md`: copies under load, total loss, new servers.

Whatever was acknowledged before the copies were made is there afterwards, and people go on.
"""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from redis import Redis as RedisClient

from madang_client import Account, Login
from stack.servers import MariaDB, MongoDB, Redis
from stack.servers.ports import LOOPBACK
from stack.servers.programs import program
from stack.stack import Stack
from tests.chaos.load import PEOPLE, PER_SECOND, ROOMS
from tests.chaos.log_settings import log_epoch
from tests.e2e.people import PASSWORD, Person, register, shared_room
from tests.e2e.stomp_socket import StompSocket
from tests.support.load_clients import LoadClient, load_clients
from tests.support.trust import trusting

_LOST = ("rabbitmq/data", "mariadb/data", "mongodb/data", "redis/appendonlydir")
"""The data of the servers, below the folder of the stack's processes."""

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Backup:
    """A folder with a copy of everything."""

    folder: Path
    stack: Stack

    def take(self) -> None:
        """Copy all, in the order of the runbook, while everything runs."""
        self.folder.mkdir(mode=0o700)
        shutil.copytree(self.stack.folder / "secrets", self.folder / "secrets")
        self.stack.command("history", "wait", "--seconds", "60")
        with locked(self.stack.mongodb):
            shutil.copytree(self.stack.mongodb.folder / "data", self.folder / "mongodb")
        (self.folder / "rooms.sql").write_bytes(dump(self.stack.mariadb))
        with not_rewriting(self.stack.redis):
            shutil.copytree(self.stack.redis.folder / "appendonlydir", self.folder / "redis")

    def restore(self) -> None:
        """Put the copies into new servers, and begin the next epoch of the log."""
        stack = self.stack
        settings = stack.settings | {"MADANG_LOG_EPOCH": str(log_epoch(stack) + 1)}
        shutil.copytree(self.folder / "secrets", stack.folder / "secrets")
        shutil.copytree(self.folder / "mongodb", stack.mongodb.folder / "data")
        (stack.mongodb.folder / "data" / "mongod.lock").unlink()
        shutil.copytree(self.folder / "redis", stack.redis.folder / "appendonlydir")
        stack.mariadb.start()
        run_client(stack.mariadb, "mariadb", "madang", given=(self.folder / "rooms.sql"))
        stack.up(settings=settings)


def destroy(stack: Stack) -> None:
    """Kill everything and delete all data and secrets."""
    stack.kill()
    for place in _LOST:
        shutil.rmtree(stack.folder / "processes" / place)
    shutil.rmtree(stack.folder / "secrets")


@contextmanager
def locked(server: MongoDB) -> Iterator[None]:
    """Keep MongoDB from writing to its files meanwhile."""
    with MongoClient[dict[str, Any]](server.url) as client:
        client.admin.command("fsync", lock=True)
        try:
            yield
        finally:
            client.admin.command("fsyncUnlock")


@contextmanager
def not_rewriting(server: Redis) -> Iterator[None]:
    """Keep Redis from replacing its files meanwhile."""
    with RedisClient.from_url(server.url) as client:
        client.config_set("auto-aof-rewrite-percentage", 0)
        try:
            yield
        finally:
            client.config_set("auto-aof-rewrite-percentage", 100)


def dump(server: MariaDB) -> bytes:
    """Return the statements that make the database of rooms again."""
    return run_client(server, "mariadb-dump", "--single-transaction", "--databases", "madang")


def run_client(server: MariaDB, name: str, *arguments: str, given: Path | None = None) -> bytes:
    """Run a client of MariaDB as the superuser, with the file `given` on stdin."""
    options = ["--no-defaults", "--protocol=tcp", f"--host={LOOPBACK}", f"--port={server.port}"]
    with ExitStack() as files:
        stdin = files.enter_context(given.open("rb")) if given else subprocess.DEVNULL
        done = subprocess.run(
            [program(name, package="mariadb-server"), *options, "--user=madang", *arguments],
            env={**os.environ, "MYSQL_PWD": server.password},
            stdin=stdin,
            capture_output=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


async def test_after_everything_was_lost_people_go_on_from_the_copies(
    mortal_stack: Stack, tmp_path: Path
) -> None:
    backup = Backup(tmp_path / "backup", mortal_stack)
    with trusting(mortal_stack.ca), ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=mortal_stack.url, timeout=30))
        minji, junho = await asyncio.to_thread(register_two, client)
        room = await asyncio.to_thread(shared_room, minji, junho)
        said = await asyncio.to_thread(say, mortal_stack, minji, room, "before")
        async with load_clients(mortal_stack.url, people=PEOPLE, rooms=ROOMS) as clients:
            clients.send_at_rate(PER_SECOND)
            await clients.acknowledge(PER_SECOND)
            before = acknowledged(clients.members)
            await asyncio.to_thread(backup.take)
            await clients.acknowledge(1)
            await clients.stop_sending()
            reader = clients.members[0].name

        await asyncio.to_thread(destroy, mortal_stack)
        await asyncio.to_thread(backup.restore)

        await asyncio.to_thread(check_people, mortal_stack, client, minji, junho, room, said)
        async with Account(mortal_stack.url) as account:
            login = await account.login(reader, PASSWORD)
            for shared, ids in before.items():
                kept = await stored(login, shared)
                assert ids <= kept, f"{len(ids - kept)} acknowledged messages are missing"
        await asyncio.to_thread(check_commands, mortal_stack)


def register_two(client: httpx.Client) -> tuple[Person, Person]:
    return register(client, "minji"), register(client, "junho")


def acknowledged(members: Sequence[LoadClient]) -> dict[str, set[str]]:
    """Return the ids that were acknowledged so far, by room."""
    found: dict[str, set[str]] = {}
    for member in members:
        for room, texts in member.acknowledged.items():
            found.setdefault(room, set()).update(texts.values())
    return found


async def stored(login: Login, room: str) -> set[str]:
    """Return the ids of all events of `room` in history."""
    found: set[str] = set()
    before: str | None = None
    while True:
        page = await login.history(room, before=before, limit=100)
        found |= {event.id for event in page.items}
        before = page.before
        if before is None:
            return found


def say(stack: Stack, person: Person, room: str, text: str) -> str:
    """Send `text`; return its id once it is acknowledged."""
    with StompSocket.open(stack.ws_url, person.token) as socket:
        receipt = socket.say(room, text)
        frame = socket.next()
        assert frame.headers["receipt-id"] == receipt
        return str(frame.headers["message-id"])


def check_people(
    stack: Stack, client: httpx.Client, minji: Person, junho: Person, room: str, said: str
) -> None:
    """Check that both use their old tokens and passwords, read and talk."""
    path = f"/api/history/v1/rooms/{room}/messages"
    for person in (minji, junho):
        page = person.call("GET", path, status=200)
        assert said in {item["id"] for item in page["items"]}
        account = {"username": person.username, "password": PASSWORD}
        assert client.post("/api/auth/v1/login", json=account).is_success
        refresh = {"refresh_token": person.refresh_token}
        assert client.post("/api/auth/v1/refresh", json=refresh).is_success
    with StompSocket.open(stack.ws_url, junho.token) as his:
        assert his.subscribe(room, since=said).headers["resumed"] == "true"
        new = say(stack, minji, room, "we go on")
        assert new > said
        # What rooms told of the two may be in the log after the first message.
        while (frame := his.next()).headers["message-id"] != new:
            assert frame.json["kind"] != "message.created"


def check_commands(stack: Stack) -> None:
    """Check what the runbook has operators check."""
    compared = json.loads(stack.command("rooms", "compare", "--json"))
    assert compared["differences"] == []
    stack.command("history", "wait", "--seconds", "60")
    verified = json.loads(stack.command("history", "verify", "--json"))
    assert verified["faults"] == 0, verified
    assert verified["shards"][-1]["epoch"] == log_epoch(stack)
