"""Frames per second, counted in a window while the load goes on."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from bench.deadline import Deadline
from bench.figures.port import Turn
from bench.figures.scale import Scale
from bench.load.generator import Generator, Reading, generating
from bench.machine import Cores, core_seconds
from bench.seat import Crowd
from bench.server import Server, serving
from bench.sides.port import Demand, Seating, Side


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
                turn = _turn(server, crowd, scale, cores, deadline)
                turns[server.side.name].append(turn)
                told = f"{server.side.title}, {repeat + 1} of {scale.repeats}: {turn.value:,.0f}/s"
                print(told, file=sys.stderr)
    return turns


@dataclass(frozen=True, slots=True)
class _Look:
    """Server, generator and the server's core at one moment."""

    load: Reading
    server_seconds: dict[str, float]
    core_seconds: float

    @classmethod
    def at(cls, server: Server, generator: Generator, cores: Cores) -> Self:
        return cls(generator.read(), server.cpu_seconds(), core_seconds(cores.server))


def _turn(server: Server, crowd: Crowd, scale: Scale, cores: Cores, deadline: Deadline) -> Turn:
    with generating(server.port, crowd, processes=scale.processes, deadline=deadline) as generator:
        generator.talk()
        time.sleep(scale.warm_up_seconds)
        first = _Look.at(server, generator, cores)
        time.sleep(scale.seconds)
        last = _Look.at(server, generator, cores)
        generator.hush(deadline)
    server.rest()
    seconds = last.load.at - first.load.at
    parts = {
        name: (used - first.server_seconds[name]) / seconds
        for name, used in last.server_seconds.items()
    }
    server_busy = sum(parts.values())
    core_busy = (last.core_seconds - first.core_seconds) / seconds
    return Turn(
        value=(last.load.seen - first.load.seen) / seconds,
        server_busy=server_busy,
        others_busy=max(0.0, core_busy - server_busy),
        generator_busy=(last.load.cpu_seconds - first.load.cpu_seconds)
        / seconds
        / min(len(cores.generator), generator.processes),
        parts_busy=parts if len(parts) > 1 else {},
    )
