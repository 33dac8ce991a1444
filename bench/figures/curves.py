"""The cost of a delivery as one room grows, and as the number of rooms grows."""

import sys
from collections.abc import Callable, Sequence
from functools import partial

from bench.deadline import Deadline
from bench.figures.port import Result, Run
from bench.figures.scale import Scale
from bench.figures.throughput import run_of
from bench.machine import Cores
from bench.server import Server
from bench.targets.madang import Cluster, Madang
from bench.targets.port import Demand, Target
from bench.virtual_client import ClientGroup

_Points = dict[str, list[Run]]


def curves(
    targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """Measure the same load at each size, all on one gateway."""
    (target,) = (target for target in targets if isinstance(target, Madang))
    with target.running(cores, deadline) as cluster:
        server = Server(target, cluster)

        def measured(
            points: Sequence[int], group_of: Callable[[int], ClientGroup]
        ) -> dict[str, list[Run]]:
            runs = {}
            for point in points:
                group = group_of(point)
                server.rest()
                run = run_of(server, group, scale, cores, deadline)
                print(f"{point:,}: {run.value:,.0f}/s", file=sys.stderr)
                runs[f"{point:,}"] = [run]
            return runs

        one = partial(_one_room, cluster, scale, deadline)
        many = partial(_many_rooms, cluster, scale, deadline)
        return [
            _result(
                "subscribers of one room",
                measured(scale.curve_subscribers, one),
                f"one of them sends, {scale.subscriber_in_flight} in flight",
            ),
            _result(
                "rooms",
                measured(scale.curve_rooms, many),
                f"shared by at most {scale.curve_connections} connections, each of which sends to"
                f" its rooms in turn and alone hears it, {scale.curve_in_flight} in flight in all",
            ),
        ]


def _result(of: str, runs: _Points, note: str) -> Result:
    return Result(
        figure="curves",
        label=f"deliveries/s and their cost, by number of {of}",
        unit="deliveries/s",
        more_is_better=True,
        runs=runs,
        titles={point: f"{point} {of}" for point in runs},
        notes=[note],
    )


def _one_room(cluster: Cluster, scale: Scale, deadline: Deadline, subscribers: int) -> ClientGroup:
    demand = Demand(rooms=1, members=subscribers, users=scale.users)
    placement = cluster.prepare(demand, deadline)
    listeners = [placement.client(number) for number in range(1, subscribers)]
    talker = placement.client(0, in_flight=scale.subscriber_in_flight)
    return ClientGroup((*listeners, talker), mark=Madang.echo_mark, copies=subscribers)


def _many_rooms(cluster: Cluster, scale: Scale, deadline: Deadline, rooms: int) -> ClientGroup:
    people = min(rooms, scale.curve_connections)
    placement = cluster.prepare(Demand(rooms=rooms, users=people), deadline)
    each = scale.curve_in_flight // people
    talkers = [
        placement.subscriber(user, range(user, rooms, people), in_flight=each)
        for user in range(people)
    ]
    return ClientGroup(tuple(talkers), mark=Madang.echo_mark, copies=1)
