"""Frames per second, counted in a window while the load goes on."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from bench.deadline import Deadline
from bench.figures.look import Look, between
from bench.figures.port import Turn
from bench.figures.scale import Scale
from bench.load.generator import generating
from bench.machine import Cores
from bench.server import Server, serving
from bench.targets.port import Demand, Seating, Side
from bench.virtual_client import Crowd


def take_turns(
    sides: Sequence[Side],
    scale: Scale,
    cores: Cores,
    deadline: Deadline,
    *,
    demand: Demand,
    crowd_of: Callable[[Side, Seating], Crowd],
) -> dict[str, list[Turn]]:
    """Let the sides take turns, so that what the machine does meanwhile meets all."""
    turns: dict[str, list[Turn]] = {side.name: [] for side in sides}
    with ExitStack() as stack:
        crowds: list[tuple[Server, Crowd]] = []
        for side in sides:
            server = stack.enter_context(serving(side, cores, deadline))
            seating = server.furnish(demand, deadline)
            crowds.append((server, crowd_of(side, seating)))
        for repeat in range(scale.repeats):
            for server, crowd in crowds:
                turn = turn_of(server, crowd, scale, cores, deadline)
                turns[server.side.name].append(turn)
                told = f"{server.side.title}, {repeat + 1} of {scale.repeats}: {turn.value:,.0f}/s"
                print(told, file=sys.stderr)
    return turns


def turn_of(server: Server, crowd: Crowd, scale: Scale, cores: Cores, deadline: Deadline) -> Turn:
    """Measure one turn: open, talk, count in a window, hush, close, rest."""
    with generating(server.port, crowd, processes=scale.processes, deadline=deadline) as generator:
        generator.talk()
        time.sleep(scale.warm_up_seconds)
        first = Look.at(server, generator, cores)
        time.sleep(scale.seconds)
        last = Look.at(server, generator, cores)
        generator.hush(deadline)
    server.rest()
    return between(first, last, min(len(cores.generator), generator.processes))
