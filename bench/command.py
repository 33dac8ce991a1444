"""The command line."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import structlog

from bench import machine
from bench.deadline import Deadline
from bench.failure import BenchError
from bench.figures.connections import connections
from bench.figures.deliveries import deliveries
from bench.figures.port import Figure
from bench.figures.rooms import rooms
from bench.figures.scale import FULL, SHORT
from bench.figures.sends import sends
from bench.report import as_json, as_table
from bench.sides.embedded import Embedded
from bench.sides.madang import Madang, MadangApart
from bench.sides.naive import Naive
from bench.sides.nats import Nats
from bench.sides.port import Side
from bench.sides.reflector import Reflector
from bench.sides.socketio import SocketIo
from bench.sides.web_stomp import WebStomp

FIGURES: dict[str, Figure] = {
    "deliveries": deliveries,
    "rooms": rooms,
    "connections": connections,
    "sends": sends,
}
COMPARED: tuple[Side, ...] = (Madang(), Embedded(), WebStomp(), Nats(), SocketIo(), Naive())
SIDES: dict[str, Side] = {side.name: side for side in (*COMPARED, MadangApart(), Reflector())}
_SPARE_FILES = 500


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and return the exit status."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, _end)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    scale = SHORT if options.short else FULL
    sides = (SIDES[options.server],) if options.server else COMPARED
    names = options.figures or list(FIGURES)
    cores = machine.share_cores()
    os.sched_setaffinity(0, cores.generator)
    if not cores.apart:
        print("one core for server and generator: the figures are too low", file=sys.stderr)
    results = []
    try:
        machine.allow_open_files(scale.connections + scale.warm_up_connections + _SPARE_FILES)
        for name in names:
            print(f"measuring {name}", file=sys.stderr)
            deadline = Deadline(scale.figure_seconds)
            results.append(FIGURES[name](sides, scale, cores, deadline))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    about = machine.describe(cores, Path(tempfile.gettempdir()))
    print(as_json(results, about) if options.json else as_table(results, sides, about))
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Madang beside a plain FastAPI chat."
    )
    parser.add_argument(
        "figures", nargs="*", metavar="FIGURE", help=f"only these of {', '.join(FIGURES)}"
    )
    parser.add_argument("--server", choices=SIDES, help="only this side; no ratios then")
    parser.add_argument("--short", action="store_true", help="seconds, to see that it works")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.figures if name not in FIGURES]
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(FIGURES)}")
    return options


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an exit that stops the servers on its way."""
    sys.exit(143)
