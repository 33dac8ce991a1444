"""Frames per second, counted in a window under steady load."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from bench.deadline import Deadline
from bench.figures.look import Look, between
from bench.figures.port import Run
from bench.figures.scale import Scale
from bench.load.generator import generating
from bench.machine import Cores
from bench.server import Server, serving
from bench.targets.port import Demand, Placement, Target
from bench.virtual_client import ClientGroup


def alternate(
    targets: Sequence[Target],
    scale: Scale,
    cores: Cores,
    deadline: Deadline,
    *,
    demand: Demand,
    group_of: Callable[[Target, Placement], ClientGroup],
) -> dict[str, list[Run]]:
    """Measure the targets in turn, so that noise of the machine affects all of them."""
    runs: dict[str, list[Run]] = {target.name: [] for target in targets}
    with ExitStack() as stack:
        groups: list[tuple[Server, ClientGroup]] = []
        for target in targets:
            server = stack.enter_context(serving(target, cores, deadline))
            placement = server.prepare(demand, deadline)
            groups.append((server, group_of(target, placement)))
        for repeat in range(scale.repeats):
            for server, group in groups:
                run = run_of(server, group, scale, cores, deadline)
                runs[server.target.name].append(run)
                told = f"{server.target.title}, {repeat + 1} of {scale.repeats}: {run.value:,.0f}/s"
                print(told, file=sys.stderr)
    return runs


def run_of(
    server: Server, group: ClientGroup, scale: Scale, cores: Cores, deadline: Deadline
) -> Run:
    """Measure one run: open, talk, count in a window, stop_sending, close, rest."""
    with generating(server.port, group, processes=scale.processes, deadline=deadline) as generator:
        generator.talk()
        time.sleep(scale.warm_up_seconds)
        first = Look.at(server, generator, cores)
        time.sleep(scale.seconds)
        last = Look.at(server, generator, cores)
        generator.stop_sending(deadline)
    server.rest()
    return between(first, last, min(len(cores.generator), generator.processes))
