"""Frames per second, counted in a window while the load goes on."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from bench.deadline import Deadline
from bench.figures.port import Turn
from bench.figures.scale import Scale
from bench.load.generator import generating
from bench.machine import Cores
from bench.seat import Crowd
from bench.server import Server, serving
from bench.sides.port import Seating, Side


def take_turns(
    sides: Sequence[Side],
    scale: Scale,
    cores: Cores,
    deadline: Deadline,
    *,
    rooms: int,
    crowd_of: Callable[[Side, Seating], Crowd],
) -> dict[str, list[Turn]]:
    """Let the sides take turns, so that what the machine does meanwhile meets both."""
    turns: dict[str, list[Turn]] = {side.name: [] for side in sides}
    with ExitStack() as stack:
        crowds: list[tuple[Server, Crowd]] = []
        for side in sides:
            server = stack.enter_context(serving(side, cores, deadline))
            seating = server.furnish(users=scale.users, rooms=rooms, deadline=deadline)
            crowds.append((server, crowd_of(side, seating)))
        for repeat in range(scale.repeats):
            for server, crowd in crowds:
                turn = _turn(server, crowd, scale, cores, deadline)
                turns[server.side.name].append(turn)
                told = f"{server.side.title}, {repeat + 1} of {scale.repeats}: {turn.value:,.0f}/s"
                print(told, file=sys.stderr)
    return turns


def _turn(server: Server, crowd: Crowd, scale: Scale, cores: Cores, deadline: Deadline) -> Turn:
    with generating(server.port, crowd, processes=scale.processes, deadline=deadline) as generator:
        generator.talk()
        time.sleep(scale.warm_up_seconds)
        used, first = server.cpu_seconds(), generator.read()
        time.sleep(scale.seconds)
        server_cpu, last = server.cpu_seconds() - used, generator.read()
        generator.hush(deadline)
    server.rest()
    seconds = last.at - first.at
    can_do = min(len(cores.generator), generator.processes)
    return Turn(
        value=(last.seen - first.seen) / seconds,
        server_busy=server_cpu / seconds,
        generator_busy=(last.cpu_seconds - first.cpu_seconds) / seconds / can_do,
    )
