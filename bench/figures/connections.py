"""Bytes of server memory per idle connection."""

import sys
from collections.abc import Sequence

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.figures.port import Goal, Result, Run, titles_of
from bench.figures.scale import Scale
from bench.load.generator import generating
from bench.machine import Cores
from bench.server import serving
from bench.targets.port import Demand, Target
from bench.virtual_client import ClientGroup


def connections(
    targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """Open connections, each subscribed to a room, and measure the server's growth in memory."""
    runs = {target.name: [_run(target, scale, cores, deadline)] for target in targets}
    result = Result(
        figure="connections",
        label=f"bytes of memory per idle connection, {scale.connections:,} connections",
        unit="bytes",
        more_is_better=False,
        runs=runs,
        titles=titles_of(targets),
        goals=(Goal(9000),),
        notes=["growth of the resident memory (RSS) of the process with the connections"],
    )
    return [result]


def _run(target: Target, scale: Scale, cores: Cores, deadline: Deadline) -> Run:
    first = scale.warm_up_connections
    with serving(target, cores, deadline) as server:
        everybody = first + scale.connections
        demand = Demand(rooms=1, members=everybody, users=scale.users)
        placement = server.prepare(demand, deadline)
        clients = [placement.client(number) for number in range(everybody)]
        early = ClientGroup(tuple(clients[:first]), mark=target.echo_mark, copies=1)
        late = ClientGroup(tuple(clients[first:]), mark=target.echo_mark, copies=1)
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
        raise BenchError(f"{target.title} closed {closed} of the connections")
    print(f"{target.title}: {grown:,} bytes more", file=sys.stderr)
    return Run(value=grown / scale.connections)
