"""MongoDB: a replica set of one node."""

from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from typing_extensions import override

from tests.stack.servers.ports import LOOPBACK
from tests.stack.servers.programs import mongod
from tests.stack.servers.server import Server

_SET = "madang"
_ANSWER_MILLISECONDS = 2000
_NOT_INITIALIZED = 94


class MongoDB(Server):
    """One `mongod` that is the primary of its own replica set."""

    name: str = "mongodb"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"mongodb://{LOOPBACK}:{self.port}/?replicaSet={_SET}"

    @override
    def prepare(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)

    @override
    def launch(self) -> None:
        options = {
            "port": self.port,
            "bind_ip": LOOPBACK,
            "dbpath": self.folder / "data",
            "replSet": _SET,
            "oplogSize": 256,
            "wiredTigerCacheSizeGB": 0.25,
            "setParameter": "diagnosticDataCollectionEnabled=false",
        }
        arguments = ["--nounixsocket", *(f"--{name}={value}" for name, value in options.items())]
        self.run("main", [mongod(), *arguments])

    @override
    def is_ready(self) -> bool:
        address = f"mongodb://{LOOPBACK}:{self.port}/?directConnection=true"
        limits: dict[str, Any] = {
            "serverSelectionTimeoutMS": _ANSWER_MILLISECONDS,
            "socketTimeoutMS": _ANSWER_MILLISECONDS,
        }
        try:
            with MongoClient[dict[str, Any]](address, **limits) as client:
                if client.admin.command("hello")["isWritablePrimary"]:
                    return True
                self._initiate(client)
        except PyMongoError:
            return False
        return False

    def _initiate(self, client: MongoClient[dict[str, Any]]) -> None:
        members = [{"_id": 0, "host": f"{LOOPBACK}:{self.port}"}]
        try:
            client.admin.command("replSetGetStatus")
        except OperationFailure as failure:
            if failure.code != _NOT_INITIALIZED:
                return
            client.admin.command("replSetInitiate", {"_id": _SET, "members": members})
