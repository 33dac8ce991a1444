"""MongoDB: a replica set of one node."""

from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from typing_extensions import override

from stack.servers.ports import LOOPBACK
from stack.servers.programs import mongod
from stack.servers.secret_file import write_secret
from stack.servers.server import Server

_SET = "madang"
_USER = "madang"
_ANSWER_MILLISECONDS = 2000
_AUTHENTICATION_FAILED = 18

_Client = MongoClient[dict[str, Any]]


class MongoDB(Server):
    """One `mongod` that is the primary of its own replica set, and asks for a password."""

    name: str = "mongodb"

    @property
    def url(self) -> str:
        """URL for clients, as a superuser."""
        return f"mongodb://{_USER}:{self.password}@{LOOPBACK}:{self.port}/?replicaSet={_SET}"

    @override
    def prepare(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)
        # By its key a member knows another; without one mongod does not take passwords.
        write_secret(self.folder / "member.key", self.password.replace("-", "+").replace("_", "/"))

    @override
    def launch(self) -> None:
        options = {
            "port": self.port,
            "bind_ip": LOOPBACK,
            "dbpath": self.folder / "data",
            "replSet": _SET,
            "keyFile": self.folder / "member.key",
            "oplogSize": 256,
            "wiredTigerCacheSizeGB": 0.25,
            "setParameter": "diagnosticDataCollectionEnabled=false",
        }
        arguments = ["--nounixsocket", *(f"--{name}={value}" for name, value in options.items())]
        self.run("main", [mongod(), *arguments])

    @override
    def is_ready(self) -> bool:
        try:
            with self._connect() as client:
                if client.admin.command("hello")["isWritablePrimary"]:
                    return self._lets_in(client)
                self._initiate(client)
        except PyMongoError:
            return False
        return False

    def _lets_in(self, stranger: _Client) -> bool:
        """Ask as the user; make that user if there is none yet, which any stranger here may."""
        try:
            with self._connect(username=_USER, password=self.password) as client:
                client.admin.command("ping")
        except OperationFailure as failure:
            if failure.code != _AUTHENTICATION_FAILED:
                raise
            stranger.admin.command("createUser", _USER, pwd=self.password, roles=["root"])
            return False
        return True

    def _initiate(self, stranger: _Client) -> None:
        members = [{"_id": 0, "host": f"{LOOPBACK}:{self.port}"}]
        try:
            stranger.admin.command("replSetInitiate", {"_id": _SET, "members": members})
        except OperationFailure:
            # It is one already, and has no primary yet.
            return

    def _connect(self, **credentials: Any) -> _Client:
        limits: dict[str, Any] = {
            "serverSelectionTimeoutMS": _ANSWER_MILLISECONDS,
            "socketTimeoutMS": _ANSWER_MILLISECONDS,
        }
        address = f"mongodb://{LOOPBACK}:{self.port}/?directConnection=true"
        return MongoClient(address, **limits, **credentials)
