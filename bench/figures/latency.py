"""How long an acknowledgement takes at a load that is far from the limit."""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from bench.deadline import Deadline
from bench.figures.port import Result, Target, Turn, titles_of
from bench.figures.scale import Scale
from bench.load.generator import generating
from bench.machine import Cores
from bench.server import Server, serving
from bench.targets.port import Demand, Side
from bench.virtual_client import Crowd

_PERCENTILES: dict[str, tuple[float, tuple[Target, ...]]] = {
    "p50": (0.5, (Target(2.0),)),
    "p99": (0.99, (Target(10.0),)),
    "p99.9": (0.999, ()),
}


def latency(sides: Sequence[Side], scale: Scale, cores: Cores, deadline: Deadline) -> list[Result]:
    """Let everybody send in turns, on schedule, whatever comes back (an open loop)."""
    seats = scale.paced_connections
    demand = Demand(seats // scale.room_subscribers, scale.room_subscribers, scale.users)
    turns: dict[str, list[dict[str, float]]] = {side.name: [] for side in sides}
    with ExitStack() as stack:
        crowds: list[tuple[Server, Crowd]] = []
        for side in sides:
            server = stack.enter_context(serving(side, cores, deadline))
            seating = server.furnish(demand, deadline)
            talkers = [seating.seat(n, in_flight=1, receipts=True) for n in range(seats)]
            crowds.append((server, Crowd(tuple(talkers), mark=side.receipt_mark, copies=1)))
        for _ in range(scale.repeats):
            for server, crowd in crowds:
                measured = _turn(server, crowd, scale, deadline)
                turns[server.side.name].append(measured)
                told = ", ".join(f"{name} {value:.2f} ms" for name, value in measured.items())
                print(f"{server.side.title}: {told}", file=sys.stderr)
    return [
        Result(
            figure="latency",
            label=f"{name} of the time to an acknowledgement, {scale.paced_per_second:,} sends/s"
            f" on schedule, {seats:,} connections",
            unit="ms",
            more_is_better=False,
            turns={side: [Turn(turn[name]) for turn in taken] for side, taken in turns.items()},
            titles=titles_of(sides),
            targets=targets,
            notes=[f"{demand.rooms} rooms of {demand.members}; timed from when a send was due"],
        )
        for name, (_, targets) in _PERCENTILES.items()
    ]


def _turn(server: Server, crowd: Crowd, scale: Scale, deadline: Deadline) -> dict[str, float]:
    with generating(
        server.port, crowd, processes=1, deadline=deadline, per_second=scale.paced_per_second
    ) as generator:
        generator.talk()
        begun = time.monotonic() + scale.warm_up_seconds
        time.sleep(scale.warm_up_seconds + scale.paced_seconds)
        generator.hush(deadline)
        timed = sorted(taken for due, taken in generator.latencies() if due >= begun)
    server.rest()
    return {
        name: timed[round(share * (len(timed) - 1))] * 1000
        for name, (share, _) in _PERCENTILES.items()
    }
