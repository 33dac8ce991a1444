"""history's collections on a sharded cluster: a config server and two shards.

No package has a `mongos`, the router of such a cluster. So the test does what `sh.shardCollection`
makes a router do: it sends the same internal commands to the config server and the first shard.
"""

import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from madang_history.endpoint import MongoEndpoint
from madang_history.store import documents, mongo_client
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.port import LAST, StoredEvent
from stack.servers.ports import LOOPBACK, free_port
from stack.servers.programs import mongod

from .conftest import an_event

Client = MongoClient[dict[str, Any]]

DATABASE = "madang"
MAJORITY: dict[str, Any] = {"writeConcern": {"w": "majority"}}
PATIENCE_SECONDS = 60
HASHED = {name: {key: "hashed"} for name, key in documents.SHARD_KEYS.items()}
"""As the README says."""


class Cluster:
    """Replica sets of one `mongod` each, connected directly."""

    def __init__(self, ports: dict[str, int], clients: dict[str, Client]) -> None:
        self._ports = ports
        self.config = clients["config"]
        self.first = clients["first"]

    def initiate(self) -> None:
        """Add the shards, and create the database on the first."""
        for name in ("first", "second"):
            address = f"{name}/{LOOPBACK}:{self._ports[name]}"
            self.config.admin.command("_configsvrAddShard", address, name=name, **MAJORITY)
        self.config.admin.command(
            "_configsvrCreateDatabase", DATABASE, primaryShardId="first", **MAJORITY
        )

    def shard_collection(self, name: str, key: dict[str, Any]) -> None:
        """Shard a collection as a router does."""
        database = self.config.config.databases.find_one({"_id": DATABASE})
        assert database is not None
        self.first[DATABASE].command(
            "_shardsvrCreateCollection",
            name,
            shardKey=key,
            unique=False,
            databaseVersion=database["version"],
            **MAJORITY,
        )

    def shards_of(self, name: str) -> set[str]:
        """Return the shards that have a part of a collection."""
        found = self.config.config.collections.find_one({"_id": f"{DATABASE}.{name}"})
        assert found is not None
        return {chunk["shard"] for chunk in self.config.config.chunks.find({"uuid": found["uuid"]})}

    def url(self, name: str) -> str:
        return f"mongodb://{LOOPBACK}:{self._ports[name]}/?directConnection=true"


@contextmanager
def running(name: str, role: str, port: int, folder: Path) -> Iterator[Client]:
    """Run a replica set of one `mongod`, and yield a client of it."""
    data = folder / name
    data.mkdir()
    options = {
        "replSet": name,
        "port": port,
        "bind_ip": LOOPBACK,
        "dbpath": data,
        "logpath": folder / f"{name}.log",
        "wiredTigerCacheSizeGB": 0.25,
        "oplogSize": 64,
    }
    arguments = [f"--{option}={value}" for option, value in options.items()]
    process = subprocess.Popen([mongod(), role, "--nounixsocket", *arguments])
    try:
        with Client(
            LOOPBACK,
            port,
            directConnection=True,
            serverSelectionTimeoutMS=PATIENCE_SECONDS * 1000,
        ) as client:
            member = {"_id": 0, "host": f"{LOOPBACK}:{port}"}
            is_config = {"configsvr": True} if role == "--configsvr" else {}
            client.admin.command("replSetInitiate", {"_id": name, "members": [member]} | is_config)
            until = time.monotonic() + PATIENCE_SECONDS
            while not client.admin.command("hello")["isWritablePrimary"]:
                assert time.monotonic() < until, f"{name} does not become primary"
                time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    roles = {"config": "--configsvr", "first": "--shardsvr", "second": "--shardsvr"}
    ports = {name: free_port() for name in roles}
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(running(name, role, ports[name], tmp_path))
            for name, role in roles.items()
        }
        cluster = Cluster(ports, clients)
        cluster.initiate()
        yield cluster


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[MongoMessageStore]:
    async with mongo_client.connected(
        MongoEndpoint.at(url), DATABASE, timeout_seconds=30, connections=2
    ) as database:
        yield await MongoMessageStore.open(database, 1)


@pytest.mark.timeout(300)
async def test_the_collections_are_sharded_by_audience_and_room(cluster: Cluster) -> None:
    events = [StoredEvent(n, an_event(str(n))) for n in range(10)]
    async with opened(cluster.url("first")):
        pass  # history has defined its collections

    with pytest.raises(OperationFailure, match="unique index"):
        cluster.shard_collection(documents.EVENTS, {"kind": 1})
    for name, key in HASHED.items():
        cluster.shard_collection(name, key)

        assert cluster.shards_of(name) == {"first", "second"}
    # Each shard has all indexes, and lets history define them again, write and read.
    for shard in ("first", "second"):
        async with opened(cluster.url(shard)) as store:
            assert await store.store(0, events, 1) == len(events)
            assert await store.store(0, [events[0], StoredEvent(99, events[1].event)], 2) == 0
            assert await store.before("rooms.yard", None, 3) == events[-3:]
            assert await store.after("rooms.yard", -1, 99, ["message.created"]) == events
            assert await store.by_key("rooms.yard", "ana", "3") == events[3]
            found = await store.count_messages("yard", 0, upto=LAST, reader="bo", most=99)
            assert found.unread == len(events) - 1
