"""A gateway's memory does not grow with its traffic once its caches are full.

`make soak-memory` sends a million messages and prints what it takes meanwhile.
"""

import os

import psutil

from bench.deadline import Deadline
from bench.load.generator import Generator, generating
from bench.targets.madang_placement import LIFTED_LIMITS, MadangPlacement
from bench.targets.port import Demand
from bench.virtual_client import ClientGroup
from stack.stack import Stack
from tests.chaos.under_load import prepare, process_of, set_apart

_MESSAGES = int(os.environ.get("SOAK_MESSAGES", "30000"))
_STEPS = 10 if _MESSAGES > 100_000 else 3
_STEP = _MESSAGES // _STEPS
"""After so many messages everything that is kept is full, and the memory is measured."""
_TALKERS = 20
_IN_FLIGHT = 20
_GROWTH_BYTES = 4 * 2**20
"""Slack for the allocator, about the memory of a thousand connections."""
_PATIENCE_SECONDS = 60 + _MESSAGES / 1000

_KEPT = {
    # An event is about 300 bytes; all this is full after half a step.
    "MADANG_TAIL_BYTES": str(_STEP * 100),
    "MADANG_KEY_COUNT": str(_STEP // 4),
}


def test_memory_stays_where_it_was_when_all_that_is_kept_was_full(mortal_stack: Stack) -> None:
    gateway = mortal_stack.gateways[0]
    demand = Demand(_TALKERS, users=_TALKERS)
    accounts, rooms = prepare(mortal_stack, demand)
    deadline = Deadline(_PATIENCE_SECONDS)
    placement = MadangPlacement(gateway.port, demand, accounts, rooms)
    clients = tuple(
        placement.client(n, in_flight=_IN_FLIGHT, receipts=True) for n in range(_TALKERS)
    )
    group = ClientGroup(clients, mark=b"!", copies=1)
    with (
        set_apart(gateway, mortal_stack, LIFTED_LIMITS | _KEPT),
        generating(gateway.port, group, processes=1, deadline=deadline) as load,
    ):
        load.talk()
        resident = [
            _after((number + 1) * _STEP, load, process_of(gateway), deadline)
            for number in range(_STEPS)
        ]
        load.stop_sending(deadline)

    assert max(resident) - resident[0] < _GROWTH_BYTES


def _after(messages: int, load: Generator, process: psutil.Process, deadline: Deadline) -> int:
    """Return the bytes resident when so many messages were acknowledged."""
    begun = load.read()
    load.await_seen(messages, deadline)
    now = load.read()
    resident = int(process.memory_info().rss)
    print(  # noqa: T201 - what the test is for
        f"{resident / 2**20:.1f} MB after {now.seen:,} messages, "
        f"{(now.seen - begun.seen) / (now.at - begun.at):,.0f} per second"
    )
    return resident
