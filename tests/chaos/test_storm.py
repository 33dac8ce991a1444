"""All clients lose the connection at the same moment and reconnect to one gateway.

`make chaos-storm` does it with ten thousand listeners and prints how long they were away.
"""

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

import httpx

from bench import stomp
from bench.accounts import Account
from bench.deadline import Deadline
from bench.load.generator import Generator, reconnect_storm_of
from bench.load.reconnect_storm import LAST_HEARD
from bench.machine import allow_open_files, pinned, share_cores
from bench.targets.port import Demand
from bench.virtual_client import Line, VirtualClient
from bench.websocket import upgrade
from stack.service import Service
from stack.stack import Stack
from tests.chaos.under_load import prepare, process_of, set_apart
from tests.support.metrics import metric

_LISTENERS = int(os.environ.get("STORM_LISTENERS", "300"))
_MANY = _LISTENERS > 1000
_CORES = share_cores()
_IN_A_ROOM = 100 if _MANY else 50
_DEMAND = Demand(_LISTENERS // _IN_A_ROOM, _IN_A_ROOM, users=_LISTENERS)
_TAKEN_PER_SECOND = 2000 if _MANY else _LISTENERS // 4
"""Fewer than reconnect at once, so that some get a Retry-After."""
_SETTINGS = {
    "MADANG_CONNECTIONS_PER_SECOND": str(_TAKEN_PER_SECOND),
    "MADANG_CONNECTIONS_PER_ADDRESS": str(_LISTENERS),
    # All of them come from one address.
    "MADANG_FRAMES_PER_SECOND_PER_ADDRESS": "1000000",
    "MADANG_FRAMES_BURST_PER_ADDRESS": "1000000",
    # They answer no pings.
    "MADANG_PING_SECONDS": "1000",
}
_SAID_PER_SECOND = 40
_BACK_SECONDS = 10
_START_SECONDS = 10
"""For a gateway that was killed, beyond that: so long does it take on a busy machine."""
_PATIENCE_SECONDS = 150


class Said:
    """Messages sent through the other gateway, which is not disturbed."""

    def __init__(self, gateway: Service, accounts: list[Account], rooms: list[str]) -> None:
        self._url = gateway.url
        self._accounts = accounts
        self._rooms = rooms
        self._enough = threading.Event()
        self.in_rooms: list[list[bytes]] = [[] for _ in rooms]
        """Ids by the number of the room, in order."""

    def total(self) -> int:
        """Return the number of messages sent."""
        return sum(map(len, self.in_rooms))

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Send to one room after the other in the background."""
        speaking = threading.Thread(target=self._speak)
        speaking.start()
        try:
            yield
        finally:
            self._enough.set()
            speaking.join()

    def _speak(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30, trust_env=False) as client:
            for number in itertools.cycle(range(len(self._rooms))):
                answer = client.post(
                    f"/api/gateway/v1/rooms/{self._rooms[number]}/messages",
                    json={"text": f"in room {number}"},
                    headers=self._accounts[_DEMAND.user_of(number)].headers,
                )
                self.in_rooms[number].append(answer.json()["id"].encode())
                if self._enough.wait(1 / _SAID_PER_SECOND):
                    return


def test_all_who_come_back_at_once_resume_from_memory(mortal_stack: Stack) -> None:
    gateway, other = mortal_stack.gateways
    deadline = Deadline(_PATIENCE_SECONDS)
    accounts, rooms = prepare(mortal_stack, _DEMAND)
    said = Said(other, accounts, rooms)
    clients = tuple(_client(gateway, accounts, rooms, number) for number in range(_LISTENERS))
    allow_open_files(_LISTENERS + 500)
    with (
        _on(_CORES.server),
        set_apart(gateway, mortal_stack, _SETTINGS),
        _on(_CORES.generator),
        reconnect_storm_of(gateway.port, clients, processes=1, deadline=deadline) as listeners,
    ):
        storm = Storm(gateway, mortal_stack.history, listeners, deadline)
        listeners.await_seen(_LISTENERS, deadline)
        with said.going_on():
            while said.total() < 2 * len(rooms):
                deadline.pause("something to be said in every room")

            storm.rage(listeners.cut, same_process=True)
            assert storm.seconds < _BACK_SECONDS
            storm.rage(partial(_crash, gateway), same_process=False)
            assert storm.seconds < _BACK_SECONDS + _START_SECONDS
        while not _all_heard(said, listeners):
            deadline.pause("everything to be received")


class Storm:
    """All listeners of one gateway, which reconnect to it."""

    def __init__(
        self,
        gateway: Service,
        history: Sequence[Service],
        listeners: Generator,
        deadline: Deadline,
    ) -> None:
        self._gateway = gateway
        self._history = history
        self._listeners = listeners
        self._deadline = deadline
        self.seconds = 0.0
        """How long the last one was away."""

    def rage(self, drop: Callable[[], object], *, same_process: bool) -> None:
        """Drop all connections; check that all listeners resume from memory."""
        listeners = self._listeners
        lost, refused = listeners.read().closed, self._refused()
        asked = self._asked_of_history()
        resumed, cpu = (self._resumed("tail"), self._cpu()) if same_process else (0, 0)
        dropped_at = time.monotonic()

        drop()
        while listeners.read().closed < lost + _LISTENERS:
            self._deadline.pause("connections to be lost")
        listeners.await_seen(_LISTENERS, self._deadline)

        away = sorted(one.listened_at[-1] - dropped_at for one in listeners.returned())
        self.seconds = away[-1]
        print(  # noqa: T201 - what the test is for
            f"{_LISTENERS} listeners were away for {away[len(away) // 2]:.2f} s (half of them), "
            f"{away[len(away) * 99 // 100]:.2f} s (99 %), {self.seconds:.2f} s (all); "
            f"{self._refused() - refused} times one was told when to come back; "
            f"{self._cpu() - cpu:.2f} s of processor time at the gateway"
        )
        assert self._resumed("tail") - resumed == _LISTENERS
        assert self._asked_of_history() == asked

    def _refused(self) -> int:
        return sum(one.refusals for one in self._listeners.returned())

    def _resumed(self, source: str) -> float:
        return metric(self._gateway.url, "madang_gateway_resumes_total", f'source="{source}"')

    def _asked_of_history(self) -> float:
        name, route = "madang_http_request_seconds_count", 'route="/internal/events"'
        return sum(metric(replica.url, name, route) for replica in self._history)

    def _cpu(self) -> float:
        used = process_of(self._gateway).cpu_times()
        return float(used.user + used.system)


def _crash(gateway: Service) -> None:
    gateway.kill()
    with _on(_CORES.server):
        gateway.start()


def _all_heard(said: Said, listeners: Generator) -> bool:
    """Whether each listener received all messages of its room, in order and nothing else."""
    whole = True
    for number, one in enumerate(listeners.returned()):
        expected = said.in_rooms[_DEMAND.room_of(number)]
        assert one.heard == expected[: len(one.heard)]
        whole = whole and len(one.heard) == len(expected)
    return whole


def _client(
    gateway: Service, accounts: list[Account], rooms: list[str], number: int
) -> VirtualClient:
    """Return a virtual client that listens in a room."""
    account = accounts[_DEMAND.user_of(number)]
    opening = (
        upgrade("/ws", host=gateway.address, subprotocol="v12.stomp"),
        stomp.connect({"host": "localhost", **account.headers}),
    )
    destination = f"/topic/rooms.{rooms[_DEMAND.room_of(number)]}"
    first = stomp.subscribe(destination).sent
    again = stomp.subscribe(destination, since=LAST_HEARD.decode()).sent
    return VirtualClient(opening, (Line(first, b""), Line(*again.split(LAST_HEARD))))


@contextmanager
def _on(cores: frozenset[int]) -> Iterator[None]:
    """Pin processes started inside to these cores, so that times are comparable."""
    with pinned(cores) if _MANY else nullcontext():
        yield
