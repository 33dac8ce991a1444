"""Make a fresh MongoDB the replica set that it was started for, and history's user in it.

Run again, it changes nothing but the user's password. It reads ROOT_PASSWORD and USER_PASSWORD.
"""

import os
import sys
import time
from collections.abc import Callable

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

_HOST = "mongo:27017"
_SET = "madang"
_USER = "madang"
_DATABASE = "madang"
_SECONDS = 60
_PAUSE_SECONDS = 0.2
_NOT_YET_INITIALIZED = 94
_USER_EXISTS = 51003


def main() -> None:
    """Return once history can use the replica set; exit with a sentence if it takes too long."""
    client: MongoClient[dict[str, object]] = MongoClient(
        _HOST,
        username="root",
        password=os.environ["ROOT_PASSWORD"],
        directConnection=True,
        serverSelectionTimeoutMS=5_000,
    )
    with client:
        deadline = time.monotonic() + _SECONDS
        _repeat(lambda: _is_replica_set(client), deadline)
        _repeat(lambda: bool(client.admin.command("hello")["isWritablePrimary"]), deadline)
        _make_user(client, os.environ["USER_PASSWORD"])


def _repeat(ask: Callable[[], bool], deadline: float) -> None:
    while True:
        try:
            if ask():
                return
            found = "it is not ready"
        except PyMongoError as error:
            found = str(error)
        if time.monotonic() > deadline:
            sys.exit(f"MongoDB did not become a replica set in {_SECONDS} s: {found}")
        time.sleep(_PAUSE_SECONDS)


def _is_replica_set(client: MongoClient[dict[str, object]]) -> bool:
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        members = [{"_id": 0, "host": _HOST}]
        client.admin.command("replSetInitiate", {"_id": _SET, "members": members})
    return True


def _make_user(client: MongoClient[dict[str, object]], password: str) -> None:
    # dbAdmin, because history keeps the schemas of its collections up to date.
    roles = [{"role": role, "db": _DATABASE} for role in ("readWrite", "dbAdmin")]
    try:
        client.admin.command("createUser", _USER, pwd=password, roles=roles)
    except OperationFailure as error:
        if error.code != _USER_EXISTS:
            raise
        client.admin.command("updateUser", _USER, pwd=password, roles=roles)


if __name__ == "__main__":
    main()
