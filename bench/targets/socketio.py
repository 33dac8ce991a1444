"""How to talk to Socket.IO: its protocol in text frames, over WebSocket from the start."""

import json
from pathlib import Path
from urllib.parse import urlsplit

from typing_extensions import override

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.targets.port import TEXT, Demand, Placement
from bench.targets.process import ROOT, OneProcess
from bench.virtual_client import SLOT, Line, Step, VirtualClient
from bench.websocket import text_frame, upgrade

_SCRIPT = ROOT / "bench" / "socketio.mjs"
_EVENT = "42"
"""An engine.io message (4) that is a Socket.IO event (2)."""
_ACKNOWLEDGED = 1
"""Packet id that an acknowledgement refers to; one id for all is enough here."""


class SocketIo(OneProcess):
    """Socket.IO's server under node, with bufferutil."""

    name = "socketio"
    title = "Socket.IO"
    echo_mark = b"}"  # a message is one flat object
    receipt_mark = b"!"  # put into each receipt by the client
    acknowledgement = "written to every socket of the room; not durable"
    health = "/"

    @override
    def command(self, port: int, folder: Path) -> list[str]:
        if not (ROOT / "bench" / "node_modules").exists():
            raise BenchError("Socket.IO is missing: `make bench` installs it (npm ci in bench/)")
        return ["node", str(_SCRIPT), str(port)]

    @override
    def prepare(self, url: str, demand: Demand, deadline: Deadline) -> Placement:
        return SocketIoPlacement(urlsplit(url).netloc, demand)


class SocketIoPlacement(Placement):
    """Rooms that the first join creates."""

    def __init__(self, host: str, demand: Demand) -> None:
        self._host = host
        self._demand = demand

    @override
    def client(self, number: int, *, in_flight: int = 0, receipts: bool = False) -> VirtualClient:
        room = f"room-{self._demand.room_of(number)}"
        said = {"room": room, "sender": f"user-{number}", "text": TEXT}
        if receipts:
            said["receipt"] = f"!{SLOT.decode()}"
        else:
            said["text"] += f" {SLOT.decode()}"
        opening = (
            upgrade("/socket.io/?EIO=4&transport=websocket", host=self._host),
            Step(text_frame(b"40"), answer=rb"40\{[^}]*\}"),
            Step(_event("join", room, acknowledged=True), answer=rb"43\d\[\]"),
        )
        return VirtualClient(
            opening, (Line.of(_event("say", said, acknowledged=receipts)),), in_flight
        )


def _event(name: str, argument: object, *, acknowledged: bool) -> bytes:
    number = _ACKNOWLEDGED if acknowledged else ""
    return text_frame(f"{_EVENT}{number}{json.dumps([name, argument])}".encode())
