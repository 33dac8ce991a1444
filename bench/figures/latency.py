"""How long an acknowledgement takes at a load that is far from the limit."""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from bench.deadline import Deadline
from bench.figures.port import Goal, Result, Run, titles_of
from bench.figures.scale import Scale
from bench.load.generator import generating
from bench.machine import Cores
from bench.server import Server, serving
from bench.targets.port import Demand, Target
from bench.virtual_client import ClientGroup

_PERCENTILES: dict[str, tuple[float, tuple[Goal, ...]]] = {
    "p50": (0.5, (Goal(2.0),)),
    "p99": (0.99, (Goal(10.0),)),
    "p99.9": (0.999, ()),
}


def latency(
    targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """All clients send in turn, on schedule, without waiting for answers (an open loop)."""
    clients = scale.paced_connections
    demand = Demand(clients // scale.room_subscribers, scale.room_subscribers, scale.users)
    runs: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
    with ExitStack() as stack:
        groups: list[tuple[Server, ClientGroup]] = []
        for target in targets:
            server = stack.enter_context(serving(target, cores, deadline))
            placement = server.prepare(demand, deadline)
            talkers = [placement.client(n, in_flight=1, receipts=True) for n in range(clients)]
            groups.append((server, ClientGroup(tuple(talkers), mark=target.receipt_mark, copies=1)))
        for _ in range(scale.repeats):
            for server, group in groups:
                measured = _run(server, group, scale, deadline)
                runs[server.target.name].append(measured)
                told = ", ".join(f"{name} {value:.2f} ms" for name, value in measured.items())
                print(f"{server.target.title}: {told}", file=sys.stderr)
    return [
        Result(
            figure="latency",
            label=f"{name} of the time to an acknowledgement, {scale.paced_per_second:,} sends/s"
            f" on schedule, {clients:,} connections",
            unit="ms",
            more_is_better=False,
            runs={target: [Run(run[name]) for run in taken] for target, taken in runs.items()},
            titles=titles_of(targets),
            goals=goals,
            notes=[f"{demand.rooms} rooms of {demand.members}; timed from when a send was due"],
        )
        for name, (_, goals) in _PERCENTILES.items()
    ]


def _run(server: Server, group: ClientGroup, scale: Scale, deadline: Deadline) -> dict[str, float]:
    with generating(
        server.port, group, processes=1, deadline=deadline, per_second=scale.paced_per_second
    ) as generator:
        generator.talk()
        begun = time.monotonic() + scale.warm_up_seconds
        time.sleep(scale.warm_up_seconds + scale.paced_seconds)
        generator.stop_sending(deadline)
        timed = sorted(taken for due, taken in generator.latencies() if due >= begun)
    server.rest()
    return {
        name: timed[round(share * (len(timed) - 1))] * 1000
        for name, (share, _) in _PERCENTILES.items()
    }
