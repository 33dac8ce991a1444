"""How to talk to Madang: STOMP 1.2 with a JWT."""

from collections.abc import Sequence

import httpx
from typing_extensions import override

from bench import stomp
from bench.accounts import Account
from bench.targets.port import TEXT, Demand, Placement
from bench.virtual_client import SLOT, Line, Step, VirtualClient
from bench.websocket import upgrade

LIFTED_LIMITS = {
    "MADANG_SENDS_PER_SECOND": "1000000",
    "MADANG_SENDS_BURST": "1000000",
    "MADANG_CONNECTIONS_PER_USER": "100000",
    "MADANG_CONNECTIONS_PER_ADDRESS": "100000",
    "MADANG_CONNECTIONS_PER_SECOND": "1000000",
    "MADANG_FRAMES_PER_SECOND": "1000000",
    "MADANG_FRAMES_BURST": "1000000",
    "MADANG_FRAMES_PER_SECOND_PER_USER": "10000000",
    "MADANG_FRAMES_BURST_PER_USER": "10000000",
    "MADANG_FRAMES_PER_SECOND_PER_ADDRESS": "100000000",
    "MADANG_FRAMES_BURST_PER_ADDRESS": "100000000",
    "MADANG_KEPT_BYTES_PER_USER": "10000000000",
    "MADANG_KEPT_BYTES_PER_ADDRESS": "10000000000",
    "MADANG_SUBSCRIPTIONS_PER_ROOM_PER_USER": "1000000",
    "MADANG_REGISTRATIONS_PER_ADDRESS": "1000000",
    "MADANG_REQUESTS_PER_SECOND_PER_USER": "1000000",
    "MADANG_REQUESTS_BURST_PER_USER": "1000000",
    "MADANG_REQUESTS_PER_SECOND_PER_ADDRESS": "1000000",
    "MADANG_REQUESTS_BURST_PER_ADDRESS": "1000000",
    "MADANG_REQUESTS_RUNNING_PER_ADDRESS": "1000000",
    "MADANG_USER_MOST_ROOMS": "1000000",
    "MADANG_SUBSCRIPTIONS_PER_CONNECTION": "100000",
    "MADANG_MEMBERSHIPS_CACHED": "1000000",
    "MADANG_PING_SECONDS": "3600",
}
"""Limits that are there for people, not for few users that stand for many: raised, not off."""


_SUBSCRIBED_AT_ONCE = 100


class MadangPlacement(Placement):
    """Accounts that take turns, so that few logins serve many connections."""

    def __init__(
        self, port: int, demand: Demand, accounts: Sequence[Account], rooms: Sequence[str]
    ) -> None:
        self._host = f"127.0.0.1:{port}"
        self._demand = demand
        self.accounts = accounts
        self.rooms = rooms

    @override
    def client(self, number: int, *, in_flight: int = 0, receipts: bool = False) -> VirtualClient:
        account = self.accounts[self._demand.user_of(number)]
        room = self.rooms[self._demand.room_of(number)]
        destination = f"/app/rooms.{room}.send"
        opening = [
            upgrade("/ws", host=self._host, subprotocol="v12.stomp"),
            stomp.connect({"host": "localhost", **account.headers}),
            stomp.subscribe(f"/topic/rooms.{room}"),
        ]
        if receipts:
            opening.append(_proof(destination))
            line = stomp.send(destination, TEXT, receipt=f"!{SLOT.decode()}")
        else:
            line = stomp.send(destination, f"{TEXT} {SLOT.decode()}")
        return VirtualClient(tuple(opening), (Line.of(line),), in_flight)

    def changer(
        self, number: int, changes: Sequence[tuple[str, str]], *, in_flight: int
    ) -> VirtualClient:
        """Return a client that sends `changes`, actions and their bodies, in its room in turn."""
        client = self.client(number, receipts=True)
        room = self.rooms[self._demand.room_of(number)]
        sends = [
            stomp.send(f"/app/rooms.{room}.{action}", body, receipt=f"!{SLOT.decode()}")
            for action, body in changes
        ]
        return VirtualClient(client.opening, tuple(map(Line.of, sends)), in_flight)

    def send(self, number: int) -> str:
        """Send a message to the room of the client `number` over REST; return its id."""
        room = self.rooms[self._demand.room_of(number)]
        answer = httpx.post(
            f"http://{self._host}/api/gateway/v1/rooms/{room}/messages",
            json={"text": TEXT},
            headers=self.accounts[self._demand.user_of(number)].headers,
        )
        return str(answer.raise_for_status().json()["id"])

    def subscriber(self, user: int, rooms: Sequence[int], *, in_flight: int) -> VirtualClient:
        """Return a client of `user` in many rooms, which talks in each of them in turn."""
        opening = [
            upgrade("/ws", host=self._host, subprotocol="v12.stomp"),
            stomp.connect({"host": "localhost", **self.accounts[user].headers}),
        ]
        names = [self.rooms[room] for room in rooms]
        for start in range(0, len(names), _SUBSCRIBED_AT_ONCE):
            steps = [
                stomp.subscribe(f"/topic/rooms.{name}", f"s{start + place}")
                for place, name in enumerate(names[start : start + _SUBSCRIBED_AT_ONCE])
            ]
            # Frames of one connection are answered in their order: the last answer is enough.
            opening.append(Step(b"".join(step.sent for step in steps), steps[-1].answer))
        sends = [stomp.send(f"/app/rooms.{name}.send", f"{TEXT} {SLOT.decode()}") for name in names]
        return VirtualClient(tuple(opening), tuple(Line.of(send) for send in sends), in_flight)


def _proof(destination: str) -> Step:
    """Return a SEND whose RECEIPT must carry the message-id, as proof that it is durable."""
    # The message itself may come before or after the RECEIPT; both are read before any counting.
    answer = (
        rb"(?s)(?=.*MESSAGE\n[^\0]*\0)"
        rb"(?=.*RECEIPT\n(?=[^\0]*receipt-id:proof\n)(?=[^\0]*message-id:\w)[^\0]*\0)"
    )
    return Step(stomp.send(destination, "proof", receipt="proof"), answer)
