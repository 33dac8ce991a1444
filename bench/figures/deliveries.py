"""Deliveries per second in one room."""

from collections.abc import Sequence

from bench.deadline import Deadline
from bench.figures.port import Result, Target, titles_of
from bench.figures.scale import Scale
from bench.figures.throughput import take_turns
from bench.machine import Cores
from bench.targets.port import Demand, Seating, Side
from bench.virtual_client import Crowd


def deliveries(
    sides: Sequence[Side], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """Let one subscriber talk to all; its message is in flight until it comes back to itself."""
    demand = Demand(rooms=1, members=scale.subscribers, users=scale.users)

    def crowd_of(side: Side, seating: Seating) -> Crowd:
        listeners = [seating.seat(number) for number in range(1, scale.subscribers)]
        talker = seating.seat(0, in_flight=scale.subscriber_in_flight)
        return Crowd((*listeners, talker), mark=side.echo_mark, copies=scale.subscribers)

    turns = take_turns(sides, scale, cores, deadline, demand=demand, crowd_of=crowd_of)
    result = Result(
        figure="deliveries",
        label=f"deliveries/s, {scale.subscribers:,} subscribers in one room",
        unit="deliveries/s",
        more_is_better=True,
        turns=turns,
        titles=titles_of(sides),
        targets=(Target(15, "web-stomp"), Target(2.5, "naive"), Target(1, "nats")),
        notes=[
            f"one of the subscribers sends, {scale.subscriber_in_flight} in flight",
            "each turn ended when every frame due was counted, none missing, none too much",
        ],
    )
    return [result]
