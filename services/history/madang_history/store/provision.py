"""Prepares a MongoDB for history: a replica set of one member, and history's user.

`python -m madang_history.store.provision --host HOST:PORT --passwords DIR` connects as the
administrator `root` (file `root` in DIR) and creates the user `madang_history` (file `history`)
with a role of its own. A repeated run only sets the user's password and the role's rights.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from madang_common.arguments import add_user_options, positive_seconds
from madang_common.password_files import read_password
from madang_common.settings import CannotStart
from madang_history.store.documents import LINES

USER = "madang_history"
"""Name of the user, and of its role."""
DATABASE = "madang"
REPLICA_SET = "madang"
ACTIONS = (
    "find",
    "insert",
    "update",
    "remove",
    "createCollection",
    "createIndex",
    "collMod",
    "renameCollectionSameDB",
)
"""What the role permits in the database; the last is for the first start after an upgrade."""

_ANSWER_MILLISECONDS = 5_000
_PAUSE_SECONDS = 0.2
_NOT_YET_INITIALIZED = 94
_ALREADY_INITIALIZED = 23
_USER_NOT_FOUND = 11
_USER_EXISTS = 51003
_ROLE_EXISTS = 51002

Client = MongoClient[dict[str, Any]]


class _NotPrimaryError(PyMongoError):
    """The server is not the primary of its replica set yet."""


def provision(
    client: Client, host: str, password: str, *, database: str, replica_set: str, seconds: float
) -> None:
    """Initialize the replica set if necessary, wait until it has a primary, and make the user."""
    for attempt in Retrying(
        retry=retry_if_exception_type(PyMongoError),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(_PAUSE_SECONDS),
        reraise=True,
    ):
        with attempt:
            _initialize(client, host, replica_set)
            if not client.admin.command("hello")["isWritablePrimary"]:
                raise _NotPrimaryError(f"{host} is not the primary of its replica set")
    make_user(client, password, database=database)


def make_user(client: Client, password: str, *, database: str = DATABASE) -> None:
    """Create or update history's role and user."""
    privileges = [
        {"resource": {"db": database, "collection": ""}, "actions": list(ACTIONS)},
        {"resource": {"db": database, "collection": LINES}, "actions": ["dropCollection"]},
    ]
    _create_or_update(client, "Role", _ROLE_EXISTS, privileges=privileges, roles=[])
    role = {"role": USER, "db": "admin"}
    _create_or_update(client, "User", _USER_EXISTS, pwd=password, roles=[role])


def drop_users(client: Client, names: Sequence[str]) -> None:
    """Drop the users with `names` that exist."""
    for name in names:
        try:
            client.admin.command("dropUser", name)
        except OperationFailure as error:
            if error.code != _USER_NOT_FOUND:
                raise


def _initialize(client: Client, host: str, replica_set: str) -> None:
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        members = [{"_id": 0, "host": host}]
        try:
            client.admin.command("replSetInitiate", {"_id": replica_set, "members": members})
        except OperationFailure as failure:
            # By another process, in between.
            if failure.code != _ALREADY_INITIALIZED:
                raise


def _create_or_update(client: Client, kind: str, exists: int, **options: Any) -> None:
    try:
        client.admin.command(f"create{kind}", USER, **options)
    except OperationFailure as error:
        if error.code != exists:
            raise
        client.admin.command(f"update{kind}", USER, **options)


def main(arguments: Sequence[str] | None = None) -> None:
    """Provision the server; exit with one line if it does not answer in time."""
    given = _parser().parse_args(arguments)
    try:
        root, password = (read_password(given.passwords, name) for name in ("root", "history"))
    except CannotStart as error:
        sys.exit(str(error))
    client: Client = MongoClient(
        given.host,
        username="root",
        password=root,
        directConnection=True,
        serverSelectionTimeoutMS=_ANSWER_MILLISECONDS,
        socketTimeoutMS=_ANSWER_MILLISECONDS,
    )
    try:
        with client:
            provision(
                client,
                given.host,
                password,
                database=given.database,
                replica_set=given.replica_set,
                seconds=given.seconds,
            )
            drop_users(client, given.former)
    except PyMongoError as error:
        sys.exit(f"MongoDB at {given.host} could not be provisioned: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m madang_history.store.provision",
        description="Make a MongoDB a replica set of one member with the user of history.",
    )
    parser.add_argument(
        "--host", required=True, help="host:port, under which history reaches the server too"
    )
    add_user_options(
        parser, passwords="the files root and history", former="existing users to drop"
    )
    parser.add_argument("--database", default=DATABASE, help="default: %(default)s")
    parser.add_argument("--replica-set", default=REPLICA_SET, help="default: %(default)s")
    parser.add_argument(
        "--seconds",
        type=positive_seconds,
        default=60,
        help="longest wait for the server (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    main()
