"""Deliveries per second in one room."""

from collections.abc import Sequence

from bench.deadline import Deadline
from bench.figures.port import Goal, Result, titles_of
from bench.figures.scale import Scale
from bench.figures.throughput import alternate
from bench.machine import Cores
from bench.targets.port import Demand, Placement, Target
from bench.virtual_client import ClientGroup


def deliveries(
    targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """One subscriber sends to all; its message is in flight until its own copy arrives."""
    demand = Demand(rooms=1, members=scale.subscribers, users=scale.users)

    def group_of(target: Target, placement: Placement) -> ClientGroup:
        listeners = [placement.client(number) for number in range(1, scale.subscribers)]
        talker = placement.client(0, in_flight=scale.subscriber_in_flight)
        return ClientGroup((*listeners, talker), mark=target.echo_mark, copies=scale.subscribers)

    runs = alternate(targets, scale, cores, deadline, demand=demand, group_of=group_of)
    result = Result(
        figure="deliveries",
        label=f"deliveries/s, {scale.subscribers:,} subscribers in one room",
        unit="deliveries/s",
        more_is_better=True,
        runs=runs,
        titles=titles_of(targets),
        goals=(Goal(15, "web-stomp"), Goal(2.5, "naive"), Goal(1, "nats")),
        notes=[
            f"one of the subscribers sends, {scale.subscriber_in_flight} in flight",
            "each run ended when every frame due was counted, none missing, none too much",
        ],
    )
    return [result]
