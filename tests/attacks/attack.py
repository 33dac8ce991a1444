"""An attack beside measuring victims, and its outcome."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from typing_extensions import override

from tests.attacks.attack_request import AttackRequest, Report
from tests.attacks.attacker_process import attacker
from tests.attacks.gateways import Memory, watched_memory
from tests.attacks.setup import Setup
from tests.attacks.stomp_client import connected
from tests.attacks.victim import Victim, Waits, measure
from tests.e2e.people import shared_room

_GIVEN = os.environ.get("ATTACK_SECONDS")
SHORT = _GIVEN is None
"""True in the test suite, false under `make attacks`."""
SECONDS = float(_GIVEN or 1.2)
"""Duration of an attack."""
_QUIET_SECONDS = 0.5
_VICTIMS = 2
"""On the stack nginx gives one to each gateway."""


@dataclass(frozen=True)
class Outcome:
    """The victims' waits before and during an attack, and the attacker's report."""

    quiet: Waits
    waits: Waits
    memory: Memory
    report: Report

    @override
    def __str__(self) -> str:
        quiet = f"quiet {self.quiet.p99 * 1000:.0f} ms"
        return f"victim {self.waits} ({quiet}); {self.memory}; {self.report}"


async def attack(
    setup: Setup, request: AttackRequest, meanwhile: Callable[[], Awaitable[None]] | None = None
) -> Outcome:
    """Run `request` beside victims, and `meanwhile` at the same time; return the outcome."""
    async with victims(setup) as beside:
        quiet = await measure(beside, _QUIET_SECONDS)
        with watched_memory(setup.product) as memory:
            async with attacker(request) as attacking:
                attacking.begin()
                measuring = asyncio.create_task(measure(beside, request.seconds))
                if meanwhile is not None:
                    await meanwhile()
                waits = await measuring
                report = await attacking.report()
    outcome = Outcome(quiet, waits, memory, report)
    print(f"{request.attack}: {outcome}")  # noqa: T201 - what `make attacks` shows
    return outcome


@asynccontextmanager
async def victims(setup: Setup) -> AsyncGenerator[list[Victim]]:
    """Yield users unrelated to the attacker, each in a room of their own."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(_VICTIMS):
            person = setup.newcomer("victim")
            room = shared_room(person)
            socket = await stack.enter_async_context(connected(setup.product.ws_url, person.token))
            found.append(Victim(socket, room))
        yield found
