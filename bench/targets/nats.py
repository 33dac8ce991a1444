"""How to talk to NATS: its own text protocol in binary WebSocket frames; a room is a subject."""

import sys
from pathlib import Path
from urllib.parse import urlsplit

from typing_extensions import override

from bench.deadline import Deadline
from bench.targets.port import TEXT, Demand, Placement
from bench.targets.process import OneProcess
from bench.virtual_client import SLOT, Line, Step, VirtualClient
from bench.websocket import binary_frame, upgrade

_CONFIG = """\
listen: "127.0.0.1:-1"
websocket {{ listen: "127.0.0.1:{port}", no_tls: true }}
ping_interval: "1h"
"""
_END = "!!"
"""Stands at the end of each text; NATS puts any number of messages into one WebSocket frame, whose
length may have any byte in it."""


class Nats(OneProcess):
    """Core NATS, written in Go."""

    name = "nats"
    title = "NATS"
    echo_mark = f"{_END}\r\n".encode()
    receipt_mark = b"+OK"
    acknowledgement = "+OK (verbose): the server has read the message; not durable"
    health = None

    @override
    def command(self, port: int, folder: Path) -> list[str]:
        config = folder / "nats.conf"
        config.write_text(_CONFIG.format(port=port), encoding="utf-8")
        return [str(Path(sys.executable).with_name("nats-server")), "--config", str(config)]

    @override
    def prepare(self, url: str, demand: Demand, deadline: Deadline) -> Placement:
        return NatsPlacement(urlsplit(url).netloc, demand)


class NatsPlacement(Placement):
    """Subjects that the first subscription creates."""

    def __init__(self, host: str, demand: Demand) -> None:
        self._host = host
        self._demand = demand

    @override
    def client(self, number: int, *, in_flight: int = 0, receipts: bool = False) -> VirtualClient:
        subject = f"room.{self._demand.room_of(number)}"
        verbose = str(receipts).lower()
        hello = f'CONNECT {{"verbose":{verbose}}}\r\nSUB {subject} 1\r\nPING\r\n'
        opening = (
            upgrade("/", host=self._host),
            Step(binary_frame(hello.encode()), answer=rb"PONG\r\n"),
        )
        text = f"{TEXT} {SLOT.decode()}{_END}"
        said = f"PUB {subject} {len(text)}\r\n{text}\r\n"
        return VirtualClient(opening, (Line.of(binary_frame(said.encode())),), in_flight)
