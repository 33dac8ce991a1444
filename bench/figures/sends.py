"""Acknowledged sends per second."""

from collections.abc import Sequence

from bench.deadline import Deadline
from bench.figures.port import Result
from bench.figures.scale import Scale
from bench.figures.throughput import take_turns
from bench.machine import Cores
from bench.seat import Crowd
from bench.sides.port import Demand, Seating, Side


def sends(sides: Sequence[Side], scale: Scale, cores: Cores, deadline: Deadline) -> Result:
    """Let each sender talk in a room of its own, where it also hears itself."""
    demand = Demand(rooms=scale.senders, users=scale.users)

    def crowd_of(side: Side, seating: Seating) -> Crowd:
        talkers = [
            seating.seat(number, in_flight=scale.sender_in_flight, receipts=True)
            for number in range(scale.senders)
        ]
        return Crowd(tuple(talkers), mark=side.receipt_mark, copies=1)

    turns = take_turns(sides, scale, cores, deadline, demand=demand, crowd_of=crowd_of)
    notes = [f"sends: acknowledged by {side.title}: {side.acknowledgement}" for side in sides]
    return Result(
        figure="sends",
        label=f"acknowledged sends/s, {scale.senders} senders",
        unit="sends/s",
        more_is_better=True,
        turns=turns,
        notes=[
            f"sends: {scale.sender_in_flight} in flight each, one room each, heard by the sender",
            *notes,
        ],
    )
