"""Deliveries per second in many rooms."""

from collections.abc import Sequence

from bench.deadline import Deadline
from bench.figures.port import Goal, Result, titles_of
from bench.figures.scale import Scale
from bench.figures.throughput import alternate
from bench.machine import Cores
from bench.targets.port import Demand, Placement, Target
from bench.virtual_client import ClientGroup


def rooms(
    targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """Send from one subscriber of each of some rooms; a message is in flight until it is back."""
    clients = scale.rooms * scale.room_subscribers
    demand = Demand(rooms=scale.rooms, members=scale.room_subscribers, users=scale.users)

    def group_of(target: Target, placement: Placement) -> ClientGroup:
        talkers = [
            placement.client(number, in_flight=scale.subscriber_in_flight)
            for number in range(scale.room_senders)
        ]
        listeners = [placement.client(number) for number in range(scale.room_senders, clients)]
        group = (*listeners, *talkers)
        return ClientGroup(group, mark=target.echo_mark, copies=scale.room_subscribers)

    runs = alternate(targets, scale, cores, deadline, demand=demand, group_of=group_of)
    result = Result(
        figure="rooms",
        label=f"deliveries/s, {scale.rooms:,} rooms of {scale.room_subscribers:,} subscribers",
        unit="deliveries/s",
        more_is_better=True,
        runs=runs,
        titles=titles_of(targets),
        goals=(Goal(8, "web-stomp"), Goal(0.5, "nats")),
        notes=[
            f"{scale.room_senders} senders, {scale.subscriber_in_flight} in flight each",
        ],
    )
    return [result]
