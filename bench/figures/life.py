"""The cost of edits and reactions beside that of sends."""

import json
import sys
from collections.abc import Mapping, Sequence

from bench.deadline import Deadline
from bench.figures.port import Goal, Result, Run
from bench.figures.scale import Scale
from bench.figures.throughput import run_of
from bench.machine import Cores
from bench.server import Server
from bench.targets.madang import Madang
from bench.targets.madang_placement import MadangPlacement
from bench.targets.port import TEXT, Demand, Target
from bench.virtual_client import ClientGroup

_SENDS = "sends"
_MOST_TIMES_A_SEND = 1.5
_EMOJI = "👍"


def life(targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline) -> list[Result]:
    """Send, edit and react in rooms of one subscriber, in turn, all on one gateway."""
    (target,) = (target for target in targets if isinstance(target, Madang))
    with target.running(cores, deadline) as cluster:
        server = Server(target, cluster)
        placement = cluster.prepare(Demand(rooms=scale.senders, users=scale.users), deadline)
        server.rest()
        groups = _groups(placement, scale)
        runs: dict[str, list[Run]] = {name: [] for name in groups}
        for repeat in range(scale.repeats):
            for name, group in groups.items():
                run = run_of(server, group, scale, cores, deadline)
                told = f"{name}, {repeat + 1} of {scale.repeats}: {run.value:,.0f}/s"
                print(told, file=sys.stderr)
                runs[name].append(run)
    return [
        Result(
            figure="life",
            label=f"acknowledged edits and reactions/s, {scale.senders} senders",
            unit="events/s",
            more_is_better=True,
            runs=runs,
            titles={name: f"{target.title}, {name}" for name in runs},
            goals=[
                Goal(round(1 / _MOST_TIMES_A_SEND, 2), _SENDS, target=name)
                for name in runs
                if name != _SENDS
            ],
            notes=[
                f"{scale.sender_in_flight} in flight each, one room each, heard by the sender",
                "edits and reactions are to the first message of the room, which is cached",
            ],
        )
    ]


def _groups(placement: MadangPlacement, scale: Scale) -> Mapping[str, ClientGroup]:
    """Return the clients of each kind of event."""
    messages = [placement.send(number) for number in range(scale.senders)]

    def changing(*changes: tuple[str, Mapping[str, str]]) -> ClientGroup:
        clients = [
            placement.changer(
                number,
                [(action, json.dumps({"message": message, **more})) for action, more in changes],
                in_flight=scale.sender_in_flight,
            )
            for number, message in enumerate(messages)
        ]
        return ClientGroup(tuple(clients), mark=Madang.receipt_mark, copies=1)

    sending = [
        placement.client(number, in_flight=scale.sender_in_flight, receipts=True)
        for number in range(scale.senders)
    ]
    return {
        _SENDS: ClientGroup(tuple(sending), mark=Madang.receipt_mark, copies=1),
        "edits": changing(("edit", {"text": TEXT})),
        "reactions": changing(("react", {"emoji": _EMOJI}), ("unreact", {"emoji": _EMOJI})),
    }
