"""How to talk to Madang: accounts and rooms over REST, then STOMP 1.2 with a JWT."""

import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from typing_extensions import override

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.load.opening import connect
from bench.seat import SLOT, Line, Seat, Step
from bench.sides.port import TEXT, Seating, Side
from bench.websocket import text_frame, upgrade

LIFTED_LIMITS = {
    "MADANG_SENDS_PER_SECOND": "1000000",
    "MADANG_SENDS_BURST": "1000000",
    "MADANG_CONNECTIONS_PER_USER": "100000",
    "MADANG_CONNECTIONS_PER_ADDRESS": "100000",
    "MADANG_CONNECTIONS_PER_SECOND": "0",
    "MADANG_FRAMES_PER_SECOND": "1000000",
    "MADANG_FRAMES_BURST": "1000000",
    "MADANG_REGISTRATIONS_PER_ADDRESS": "1000000",
    "MADANG_USER_MOST_ROOMS": "100000",
}
"""Limits that are there for people, not for a few users that stand for hundreds."""

_PASSWORD = "correct horse battery staple"


class Madang(Side):
    """All of Madang in one process."""

    name = "madang"
    title = "Madang"
    echo_mark = b"\0"  # a STOMP frame ends in NUL
    receipt_mark = b"!"  # put into each receipt by the seat
    acknowledgement = "RECEIPT with message-id: the message is in the log on disk (fsync)"

    @override
    def command(self, port: int) -> list[str]:
        return [sys.executable, "-m", "madang_standalone"]

    @override
    def environment(self, port: int, folder: Path) -> dict[str, str]:
        own = {"PORT": str(port), "DATA_DIR": str(folder), "LOG_LEVEL": "WARNING"}
        return LIFTED_LIMITS | {f"MADANG_{name}": value for name, value in own.items()}

    @override
    def furnish(self, url: str, *, users: int, rooms: int, deadline: Deadline) -> Seating:
        with httpx.Client(base_url=url, timeout=deadline.left("accounts")) as rest:
            accounts = [_account(rest, f"bench-{number:04d}") for number in range(users)]
            owners = [accounts[number % users] for number in range(rooms)]
            made = [_room(rest, owner, f"Bench {n}") for n, owner in enumerate(owners)]
            seating = MadangSeating(urlsplit(url).netloc, accounts, made)
            if rooms == 1:
                _join_all(rest, seating, deadline)
        return seating


@dataclass(frozen=True, slots=True)
class Account:
    """A user who is logged in."""

    id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What a REST request carries to be this user's."""
        return {"Authorization": f"Bearer {self.token}"}


class MadangSeating(Seating):
    """Accounts that take turns, so that few logins serve many connections."""

    def __init__(self, host: str, accounts: list[Account], rooms: list[str]) -> None:
        self.host = host
        self.accounts = accounts
        self.rooms = rooms

    @override
    def seat(self, number: int, *, in_flight: int = 0, receipts: bool = False) -> Seat:
        account = self.accounts[number % len(self.accounts)]
        room = self.rooms[number % len(self.rooms)]
        opening = [upgrade("/ws", host=self.host, subprotocol="v12.stomp"), _connect(account)]
        opening.append(_subscribe(room))
        if receipts:
            opening.append(_proof(room))
            line = _send(room, TEXT, receipt=f"!{SLOT.decode()}")
        else:
            line = _send(room, f"{TEXT} {SLOT.decode()}")
        return Seat(tuple(opening), Line.of(line), in_flight)


def _account(rest: httpx.Client, username: str) -> Account:
    login = {"username": username, "password": _PASSWORD}
    user = _made(rest.post("/api/auth/v1/register", json=login))
    tokens = _made(rest.post("/api/auth/v1/login", json=login))
    return Account(user["id"], tokens["access_token"])


def _room(rest: httpx.Client, owner: Account, name: str) -> str:
    room = {"name": name, "visibility": "public"}
    return _made(rest.post("/api/rooms/v1/rooms", json=room, headers=owner.headers))["id"]


def _join_all(rest: httpx.Client, seating: MadangSeating, deadline: Deadline) -> None:
    """Let everybody join the room, and return when the room has been told of all of them.

    A `member.joined` that came later would be counted as a delivery.
    """
    (room,) = seating.rooms
    port = httpx.URL(rest.base_url).port
    if port is None:
        raise BenchError("the server's address has no port")
    with connect(port, seating.seat(0)) as watching:
        watching.settimeout(deadline.left("members to join"))
        for account in seating.accounts[1:]:
            _checked(rest.post(f"/api/rooms/v1/rooms/{room}/join", headers=account.headers))
        told, heard = 0, b""
        while told < len(seating.accounts) - 1:
            chunk = watching.recv(65_536)
            if not chunk:
                raise BenchError("the connection that waits for members was closed")
            heard += chunk
            told = heard.count(b'"member.joined"')


def _checked(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise BenchError(f"{answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
    return answer


def _made(answer: httpx.Response) -> dict[str, str]:
    made: dict[str, str] = _checked(answer).json()
    return made


def _frame(command: str, headers: dict[str, str], body: str = "") -> bytes:
    """Return a STOMP frame; none of the values used here needs escaping."""
    head = "\n".join([command, *(f"{name}:{value}" for name, value in headers.items())])
    return text_frame(f"{head}\n\n{body}\0".encode())


def _connect(account: Account) -> Step:
    headers = {
        "accept-version": "1.2",
        "host": "localhost",
        "heart-beat": "0,0",
        "Authorization": f"Bearer {account.token}",
    }
    return Step(_frame("CONNECT", headers), answer=rb"CONNECTED\n[^\0]*\0")


def _subscribe(room: str) -> Step:
    headers = {"id": "s", "destination": f"/topic/rooms.{room}", "receipt": "subscribed"}
    answer = rb"RECEIPT\n[^\0]*receipt-id:subscribed\n[^\0]*\0"
    return Step(_frame("SUBSCRIBE", headers), answer)


def _proof(room: str) -> Step:
    """Return a SEND whose RECEIPT must carry the message-id: then it is what it says."""
    # The message itself may come before or after the RECEIPT; both are read before any counting.
    answer = (
        rb"(?s)(?=.*MESSAGE\n[^\0]*\0)"
        rb"(?=.*RECEIPT\n(?=[^\0]*receipt-id:proof\n)(?=[^\0]*message-id:\w)[^\0]*\0)"
    )
    return Step(_send(room, "proof", receipt="proof"), answer)


def _send(room: str, text: str, receipt: str = "") -> bytes:
    headers = {
        "destination": f"/app/rooms.{room}.send",
        "content-type": "text/plain",
        "content-length": str(len(text.encode())),
    }
    if receipt:
        headers["receipt"] = receipt
    return _frame("SEND", headers, text)
