"""Acknowledged sends per second."""

from collections.abc import Sequence

from bench.deadline import Deadline
from bench.figures.one_by_one import ONE_BY_ONE, one_by_one
from bench.figures.port import Result, Target, titles_of
from bench.figures.scale import Scale
from bench.figures.throughput import take_turns
from bench.machine import Cores
from bench.targets.madang import MadangApart
from bench.targets.port import Demand, Seating, Side
from bench.virtual_client import Crowd


def sends(sides: Sequence[Side], scale: Scale, cores: Cores, deadline: Deadline) -> list[Result]:
    """Let each sender talk in a room of its own, where it also hears itself."""
    demand = Demand(rooms=scale.senders, users=scale.users)

    def crowd_of(side: Side, seating: Seating) -> Crowd:
        talkers = [
            seating.seat(number, in_flight=scale.sender_in_flight, receipts=True)
            for number in range(scale.senders)
        ]
        return Crowd(tuple(talkers), mark=side.receipt_mark, copies=1)

    turns = take_turns(sides, scale, cores, deadline, demand=demand, crowd_of=crowd_of)
    in_flight = scale.senders * scale.sender_in_flight
    titles = titles_of(sides)
    if len(sides) > 1:
        turns[ONE_BY_ONE], titles[ONE_BY_ONE] = one_by_one(scale, cores, deadline), ONE_BY_ONE
    result = Result(
        figure="sends",
        label=f"acknowledged sends/s, {scale.senders} senders",
        unit="sends/s",
        more_is_better=True,
        turns=turns,
        titles=titles,
        targets=(Target(30_000, side=MadangApart.name),),
        notes=[
            f"{scale.sender_in_flight} in flight each, one room each, heard by the sender",
            *(f"acknowledged by {side.title}: {side.acknowledgement}" for side in sides),
            f"{ONE_BY_ONE}: single messages into a stream, {in_flight:,} unconfirmed, no gateway",
        ],
    )
    return [result]
