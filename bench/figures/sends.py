"""Acknowledged sends per second."""

from collections.abc import Sequence

from bench.deadline import Deadline
from bench.figures.one_by_one import ONE_BY_ONE, one_by_one
from bench.figures.port import Goal, Result, titles_of
from bench.figures.scale import Scale
from bench.figures.throughput import alternate
from bench.machine import Cores
from bench.targets.madang import MadangApart
from bench.targets.port import Demand, Placement, Target
from bench.virtual_client import ClientGroup


def sends(
    targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """Each sender sends in a room of its own, to which it is subscribed."""
    demand = Demand(rooms=scale.senders, users=scale.users)

    def group_of(target: Target, placement: Placement) -> ClientGroup:
        talkers = [
            placement.client(number, in_flight=scale.sender_in_flight, receipts=True)
            for number in range(scale.senders)
        ]
        return ClientGroup(tuple(talkers), mark=target.receipt_mark, copies=1)

    runs = alternate(targets, scale, cores, deadline, demand=demand, group_of=group_of)
    in_flight = scale.senders * scale.sender_in_flight
    titles = titles_of(targets)
    if len(targets) > 1:
        runs[ONE_BY_ONE], titles[ONE_BY_ONE] = one_by_one(scale, cores, deadline), ONE_BY_ONE
    result = Result(
        figure="sends",
        label=f"acknowledged sends/s, {scale.senders} senders",
        unit="sends/s",
        more_is_better=True,
        runs=runs,
        titles=titles,
        goals=(Goal(30_000, target=MadangApart.name),),
        notes=[
            f"{scale.sender_in_flight} in flight each, one room each, heard by the sender",
            *(f"acknowledged by {target.title}: {target.acknowledgement}" for target in targets),
            f"{ONE_BY_ONE}: single messages into a stream, {in_flight:,} unconfirmed, no gateway",
        ],
    )
    return [result]
