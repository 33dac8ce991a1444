"""What a delivery costs as one room grows, and as rooms become many."""

import sys
from collections.abc import Callable, Sequence
from functools import partial

from bench.deadline import Deadline
from bench.figures.port import Result, Turn
from bench.figures.scale import Scale
from bench.figures.throughput import turn_of
from bench.machine import Cores
from bench.server import Server
from bench.targets.madang import Cluster, Madang
from bench.targets.port import Demand, Side
from bench.virtual_client import Crowd

_Points = dict[str, list[Turn]]


def curves(sides: Sequence[Side], scale: Scale, cores: Cores, deadline: Deadline) -> list[Result]:
    """Measure the same load at each size, all on one gateway."""
    (side,) = (side for side in sides if isinstance(side, Madang))
    with side.running(cores, deadline) as cluster:
        server = Server(side, cluster)

        def measured(
            points: Sequence[int], crowd_of: Callable[[int], Crowd]
        ) -> dict[str, list[Turn]]:
            turns = {}
            for point in points:
                crowd = crowd_of(point)
                server.rest()
                turn = turn_of(server, crowd, scale, cores, deadline)
                print(f"{point:,}: {turn.value:,.0f}/s", file=sys.stderr)
                turns[f"{point:,}"] = [turn]
            return turns

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


def _result(of: str, turns: _Points, note: str) -> Result:
    return Result(
        figure="curves",
        label=f"deliveries/s and their cost, by number of {of}",
        unit="deliveries/s",
        more_is_better=True,
        turns=turns,
        titles={point: f"{point} {of}" for point in turns},
        notes=[note],
    )


def _one_room(cluster: Cluster, scale: Scale, deadline: Deadline, subscribers: int) -> Crowd:
    demand = Demand(rooms=1, members=subscribers, users=scale.users)
    seating = cluster.furnish(demand, deadline)
    listeners = [seating.seat(number) for number in range(1, subscribers)]
    talker = seating.seat(0, in_flight=scale.subscriber_in_flight)
    return Crowd((*listeners, talker), mark=Madang.echo_mark, copies=subscribers)


def _many_rooms(cluster: Cluster, scale: Scale, deadline: Deadline, rooms: int) -> Crowd:
    people = min(rooms, scale.curve_connections)
    seating = cluster.furnish(Demand(rooms=rooms, users=people), deadline)
    each = scale.curve_in_flight // people
    talkers = [
        seating.follower(user, range(user, rooms, people), in_flight=each) for user in range(people)
    ]
    return Crowd(tuple(talkers), mark=Madang.echo_mark, copies=1)
