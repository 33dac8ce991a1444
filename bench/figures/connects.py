"""Connections taken per second, from TCP to the answer to SUBSCRIBE."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from bench.deadline import Deadline
from bench.figures.look import Look, between
from bench.figures.port import Goal, Result, Run, titles_of
from bench.figures.scale import Scale
from bench.load.generator import connect_storm_of
from bench.machine import Cores
from bench.server import Server, serving
from bench.targets.port import Demand, Target
from bench.virtual_client import VirtualClient


def connects(
    targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """Open connections as fast as the server accepts them; each is a new user's."""
    clients = scale.connects * scale.repeats
    demand = Demand(clients // scale.room_subscribers, scale.room_subscribers, users=clients)
    runs: dict[str, list[Run]] = {target.name: [] for target in targets}
    with ExitStack() as stack:
        groups: list[tuple[Server, list[VirtualClient]]] = []
        for target in targets:
            server = stack.enter_context(serving(target, cores, deadline))
            placement = server.prepare(demand, deadline)
            groups.append((server, [placement.client(number) for number in range(clients)]))
        for repeat in range(scale.repeats):
            for server, everybody in groups:
                new = tuple(everybody[repeat :: scale.repeats])
                run = _run(server, new, scale, cores, deadline)
                runs[server.target.name].append(run)
                print(f"{server.target.title}: {run.value:,.0f}/s", file=sys.stderr)
    result = Result(
        figure="connects",
        label=f"connections taken/s, {scale.connects:,} of them, {scale.connecting} at once",
        unit="connections/s",
        more_is_better=True,
        runs=runs,
        titles=titles_of(targets),
        goals=(Goal(3000),),
        notes=[
            "TCP, WebSocket upgrade, logging in, SUBSCRIBE and the answer to it",
            "Madang: every JWT is new to the gateway, and so is every membership, asked of rooms",
        ],
    )
    return [result]


def _run(
    server: Server,
    clients: tuple[VirtualClient, ...],
    scale: Scale,
    cores: Cores,
    deadline: Deadline,
) -> Run:
    with connect_storm_of(
        server.port, clients, processes=1, at_once=scale.connecting, deadline=deadline
    ) as generator:
        first = Look.at(server, generator, cores)
        generator.talk()
        generator.await_seen(len(clients), deadline)
        last = Look.at(server, generator, cores)
    server.rest()
    return between(first, last, hands=1)
