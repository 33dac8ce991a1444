#!/usr/bin/python3
"""Makes MongoDB's first user as its own image does, then runs the server."""

import os
import subprocess
import sys
from pathlib import Path

from pymongo import MongoClient

_DATA = Path("/data/db")
_MADE = _DATA / ".user-made"
_PORT = 27018


def _make_user() -> None:
    server = subprocess.Popen(
        ["mongod", "--dbpath", str(_DATA), "--port", str(_PORT), "--bind_ip", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
    )
    client: MongoClient[dict[str, object]] = MongoClient(port=_PORT)
    with client:
        client.admin.command(
            "createUser",
            os.environ["MONGO_INITDB_ROOT_USERNAME"],
            pwd=Path(os.environ["MONGO_INITDB_ROOT_PASSWORD_FILE"]).read_text(encoding="utf-8"),
            roles=["root"],
        )
    server.terminate()
    server.wait()
    _MADE.touch()


if not _MADE.exists():
    _make_user()
os.execvp(sys.argv[1], [*sys.argv[1:], "--dbpath", str(_DATA)])
