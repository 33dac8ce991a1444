"""Deliveries per second in many rooms."""

from collections.abc import Sequence

from bench.deadline import Deadline
from bench.figures.port import Result, Target, titles_of
from bench.figures.scale import Scale
from bench.figures.throughput import take_turns
from bench.machine import Cores
from bench.targets.port import Demand, Seating, Side
from bench.virtual_client import Crowd


def rooms(sides: Sequence[Side], scale: Scale, cores: Cores, deadline: Deadline) -> list[Result]:
    """Let one subscriber of some of the rooms talk; its message is in flight until it is back."""
    seats = scale.rooms * scale.room_subscribers
    demand = Demand(rooms=scale.rooms, members=scale.room_subscribers, users=scale.users)

    def crowd_of(side: Side, seating: Seating) -> Crowd:
        talkers = [
            seating.seat(number, in_flight=scale.subscriber_in_flight)
            for number in range(scale.room_senders)
        ]
        listeners = [seating.seat(number) for number in range(scale.room_senders, seats)]
        crowd = (*listeners, *talkers)
        return Crowd(crowd, mark=side.echo_mark, copies=scale.room_subscribers)

    turns = take_turns(sides, scale, cores, deadline, demand=demand, crowd_of=crowd_of)
    result = Result(
        figure="rooms",
        label=f"deliveries/s, {scale.rooms:,} rooms of {scale.room_subscribers:,} subscribers",
        unit="deliveries/s",
        more_is_better=True,
        turns=turns,
        titles=titles_of(sides),
        targets=(Target(8, "web-stomp"), Target(0.5, "nats")),
        notes=[
            f"{scale.room_senders} senders, {scale.subscriber_in_flight} in flight each",
        ],
    )
    return [result]
