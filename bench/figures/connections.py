"""Bytes of server memory per idle connection."""

import sys
from collections.abc import Sequence

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.figures.port import Result, Target, Turn, titles_of
from bench.figures.scale import Scale
from bench.load.generator import generating
from bench.machine import Cores
from bench.server import serving
from bench.targets.port import Demand, Side
from bench.virtual_client import Crowd


def connections(
    sides: Sequence[Side], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """Open connections that are logged in and in a room, and see what the server grew by."""
    turns = {side.name: [_turn(side, scale, cores, deadline)] for side in sides}
    result = Result(
        figure="connections",
        label=f"bytes of memory per idle connection, {scale.connections:,} connections",
        unit="bytes",
        more_is_better=False,
        turns=turns,
        titles=titles_of(sides),
        targets=(Target(9000),),
        notes=["growth of the resident memory (RSS) of the process with the connections"],
    )
    return [result]


def _turn(side: Side, scale: Scale, cores: Cores, deadline: Deadline) -> Turn:
    first = scale.warm_up_connections
    with serving(side, cores, deadline) as server:
        everybody = first + scale.connections
        demand = Demand(rooms=1, members=everybody, users=scale.users)
        seating = server.furnish(demand, deadline)
        seats = [seating.seat(number) for number in range(everybody)]
        early = Crowd(tuple(seats[:first]), mark=side.echo_mark, copies=1)
        late = Crowd(tuple(seats[first:]), mark=side.echo_mark, copies=1)
        with generating(server.port, early, processes=1, deadline=deadline) as warm:
            server.rest()
            before = server.rss_bytes()
            with generating(
                server.port, late, processes=scale.processes, deadline=deadline
            ) as idle:
                server.rest()
                grown = server.rss_bytes() - before
                closed = warm.read().closed + idle.read().closed
    if closed:
        raise BenchError(f"{side.title} closed {closed} of the connections")
    print(f"{side.title}: {grown:,} bytes more", file=sys.stderr)
    return Turn(value=grown / scale.connections)
