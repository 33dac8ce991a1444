"""Initializes a new MongoDB as a replica set, and creates the user of history.

Reads ROOT_PASSWORD and USER_PASSWORD. A repeated run only sets the user's password.
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
    """Return when history can use the replica set; exit with an error if that takes too long."""
    client: MongoClient[dict[str, object]] = MongoClient(
        _HOST,
        username="root",
        password=os.environ["ROOT_PASSWORD"],
        directConnection=True,
        serverSelectionTimeoutMS=5_000,
    )
    with client:
        deadline = time.monotonic() + _SECONDS
        _retry(lambda: _initialize_replica_set(client), deadline)
        _retry(lambda: bool(client.admin.command("hello")["isWritablePrimary"]), deadline)
        _make_user(client, os.environ["USER_PASSWORD"])


def _retry(condition: Callable[[], bool], deadline: float) -> None:
    while True:
        try:
            if condition():
                return
            reason = "it is not ready"
        except PyMongoError as error:
            reason = str(error)
        if time.monotonic() > deadline:
            sys.exit(f"MongoDB did not become a replica set in {_SECONDS} s: {reason}")
        time.sleep(_PAUSE_SECONDS)


def _initialize_replica_set(client: MongoClient[dict[str, object]]) -> bool:
    """Initialize the replica set if necessary; return True."""
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        members = [{"_id": 0, "host": _HOST}]
        client.admin.command("replSetInitiate", {"_id": _SET, "members": members})
    return True


def _make_user(client: MongoClient[dict[str, object]], password: str) -> None:
    # dbAdmin, because history updates the schemas of its collections.
    roles = [{"role": role, "db": _DATABASE} for role in ("readWrite", "dbAdmin")]
    try:
        client.admin.command("createUser", _USER, pwd=password, roles=roles)
    except OperationFailure as error:
        if error.code != _USER_EXISTS:
            raise
        client.admin.command("updateUser", _USER, pwd=password, roles=roles)


if __name__ == "__main__":
    main()
