"""Connections taken per second, from TCP to the answer to SUBSCRIBE."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from bench.deadline import Deadline
from bench.figures.look import Look, between
from bench.figures.port import Result, Target, Turn, titles_of
from bench.figures.scale import Scale
from bench.load.generator import rushing
from bench.machine import Cores
from bench.server import Server, serving
from bench.targets.port import Demand, Side
from bench.virtual_client import Seat


def connects(sides: Sequence[Side], scale: Scale, cores: Cores, deadline: Deadline) -> list[Result]:
    """Open connections as fast as they are taken; nobody comes twice."""
    seats = scale.connects * scale.repeats
    demand = Demand(seats // scale.room_subscribers, scale.room_subscribers, users=seats)
    turns: dict[str, list[Turn]] = {side.name: [] for side in sides}
    with ExitStack() as stack:
        crowds: list[tuple[Server, list[Seat]]] = []
        for side in sides:
            server = stack.enter_context(serving(side, cores, deadline))
            seating = server.furnish(demand, deadline)
            crowds.append((server, [seating.seat(number) for number in range(seats)]))
        for repeat in range(scale.repeats):
            for server, everybody in crowds:
                new = tuple(everybody[repeat :: scale.repeats])
                turn = _turn(server, new, scale, cores, deadline)
                turns[server.side.name].append(turn)
                print(f"{server.side.title}: {turn.value:,.0f}/s", file=sys.stderr)
    result = Result(
        figure="connects",
        label=f"connections taken/s, {scale.connects:,} of them, {scale.connecting} at once",
        unit="connections/s",
        more_is_better=True,
        turns=turns,
        titles=titles_of(sides),
        targets=(Target(3000),),
        notes=[
            "TCP, WebSocket upgrade, logging in, SUBSCRIBE and the answer to it",
            "Madang: every JWT is new to the gateway, and so is every membership, asked of rooms",
        ],
    )
    return [result]


def _turn(
    server: Server, seats: tuple[Seat, ...], scale: Scale, cores: Cores, deadline: Deadline
) -> Turn:
    with rushing(
        server.port, seats, processes=1, at_once=scale.connecting, deadline=deadline
    ) as generator:
        first = Look.at(server, generator, cores)
        generator.talk()
        generator.await_seen(len(seats), deadline)
        last = Look.at(server, generator, cores)
    server.rest()
    return between(first, last, hands=1)
