"""Madang in its embedded form, prepared over REST."""

import sys
from pathlib import Path

import httpx
from typing_extensions import override

from bench.accounts import Account
from bench.deadline import Deadline
from bench.failure import BenchError
from bench.load.opening import open_all
from bench.targets.madang_placement import LIFTED_LIMITS, MadangPlacement
from bench.targets.port import Demand, Placement
from bench.targets.process import OneProcess

_PASSWORD = "correct horse battery staple"
_CHUNK_BYTES = 65_536


class Embedded(OneProcess):
    """All of Madang in one process, with files instead of servers."""

    name = "embedded"
    title = "Madang embedded"
    echo_mark = b"\0"  # a STOMP frame ends in NUL
    receipt_mark = b"!"  # put into each receipt by the client
    acknowledgement = "RECEIPT with message-id: the message is in the log on disk (fsync)"

    @override
    def command(self, port: int, folder: Path) -> list[str]:
        return [sys.executable, "-m", "madang_standalone"]

    @override
    def environment(self, port: int, folder: Path) -> dict[str, str]:
        own = {"PORT": str(port), "DATA_DIR": str(folder / "data"), "LOG_LEVEL": "WARNING"}
        return LIFTED_LIMITS | {f"MADANG_{name}": value for name, value in own.items()}

    @override
    def prepare(self, url: str, demand: Demand, deadline: Deadline) -> Placement:
        with httpx.Client(base_url=url, timeout=deadline.left("accounts")) as rest:
            accounts = [
                _account(rest, f"bench-{number:04d}", deadline) for number in range(demand.users)
            ]
            members = [demand.members_of(room) for room in range(demand.rooms)]
            owners = [accounts[first] for first, *_ in members]
            made = [_room(rest, owner, f"Bench {n}") for n, owner in enumerate(owners)]
            port = rest.base_url.port
            if port is None:
                raise BenchError("the server's address has no port")
            placement = MadangPlacement(port, demand, accounts, made)
            if any(others for _, *others in members):
                _join_all(rest, port, placement, members, deadline)
        return placement


def _account(rest: httpx.Client, username: str, deadline: Deadline) -> Account:
    deadline.left("accounts")
    login = {"username": username, "password": _PASSWORD}
    user = _made(rest.post("/api/auth/v1/register", json=login))
    tokens = _made(rest.post("/api/auth/v1/login", json=login))
    return Account(user["id"], username, tokens["access_token"])


def _room(rest: httpx.Client, owner: Account, name: str) -> str:
    room = {"name": name, "visibility": "public"}
    return _made(rest.post("/api/rooms/v1/rooms", json=room, headers=owner.headers))["id"]


def _join_all(
    rest: httpx.Client,
    port: int,
    placement: MadangPlacement,
    members: list[list[int]],
    deadline: Deadline,
) -> None:
    """Join all members, and return when the log has their joins.

    A `member.joined` that came later would be counted as a delivery.
    """
    owners = [placement.client(room) for room in range(len(members))]
    watching = list(open_all(port, owners))
    for room, (_, *others) in zip(placement.rooms, members, strict=True):
        for user in others:
            headers = placement.accounts[user].headers
            _checked(rest.post(f"/api/rooms/v1/rooms/{room}/join", headers=headers))
    for connection, (_, *others) in zip(watching, members, strict=True):
        with connection:
            connection.settimeout(deadline.left("members to join"))
            heard = b""
            while heard.count(b'"member.joined"') < len(others):
                chunk = connection.recv(_CHUNK_BYTES)
                if not chunk:
                    raise BenchError("the connection that waits for members was closed")
                heard += chunk


def _checked(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise BenchError(f"{answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
    return answer


def _made(answer: httpx.Response) -> dict[str, str]:
    made: dict[str, str] = _checked(answer).json()
    return made
