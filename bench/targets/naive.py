"""How to talk to the naive chat."""

import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

from typing_extensions import override

from bench.deadline import Deadline
from bench.targets.port import TEXT, Demand, Placement
from bench.targets.process import OneProcess
from bench.virtual_client import SLOT, Line, VirtualClient
from bench.websocket import text_frame, upgrade


class Naive(OneProcess):
    """FastAPI's WebSocket, as uvicorn serves it by default."""

    name = "naive"
    title = "naive FastAPI"
    echo_mark = b"}"  # a message is one flat object
    receipt_mark = b"!"  # put into each receipt by the client
    acknowledgement = "written to every socket of the room; not durable"

    @override
    def command(self, port: int, folder: Path) -> list[str]:
        served = [sys.executable, "-m", "uvicorn", "bench.naive:app"]
        # A generator that parses nothing does not answer pings, and would be closed for that.
        quiet = ["--log-level", "warning", "--ws-ping-interval", "3600"]
        return [*served, "--port", str(port), *quiet]

    @override
    def prepare(self, url: str, demand: Demand, deadline: Deadline) -> Placement:
        return NaivePlacement(urlsplit(url).netloc, demand)


class NaivePlacement(Placement):
    """Rooms that the first connection creates."""

    def __init__(self, host: str, demand: Demand) -> None:
        self._host = host
        self._demand = demand

    @override
    def client(self, number: int, *, in_flight: int = 0, receipts: bool = False) -> VirtualClient:
        said = {"sender": f"user-{number}", "text": TEXT}
        if receipts:
            said["receipt"] = f"!{SLOT.decode()}"
        else:
            said["text"] += f" {SLOT.decode()}"
        opening = upgrade(f"/ws/room-{self._demand.room_of(number)}", host=self._host)
        return VirtualClient(
            (opening,), (Line.of(text_frame(json.dumps(said).encode())),), in_flight
        )
