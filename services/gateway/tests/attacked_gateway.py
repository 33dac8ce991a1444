"""One gateway for all attacks of a test module, and the checks after them."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import uvloop
from typing_extensions import override

from services.gateway.tests.harness import Harness, running, until


class _Errors(logging.Handler):
    def __init__(self, found: list[Any]) -> None:
        super().__init__(logging.ERROR)
        self._found = found

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._found.append(record.getMessage())


@contextmanager
def logged_errors() -> Generator[list[Any]]:
    """Collect errors logged through structlog and the standard library."""
    found: list[Any] = []
    handler = _Errors(found)
    logging.getLogger().addHandler(handler)
    try:
        with structlog.testing.capture_logs() as events:
            yield found
            found += [e for e in events if e["log_level"] in {"error", "critical"}]
    finally:
        logging.getLogger().removeHandler(handler)


@dataclass
class AttackedGateway:
    """A gateway on an event loop that runs only during an attack."""

    runner: asyncio.Runner
    harness: Harness
    attacks: int = field(default=0)


@contextmanager
def attacked_gateway(folder: Path) -> Generator[AttackedGateway]:
    """Yield a gateway with high limits and its log in `folder`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        gateway = running(
            folder, sends_burst=1_000_000, permessage_deflate=True, connections_per_user=1000
        )
        yield AttackedGateway(runner, runner.run(gateway.__aenter__()))
        runner.run(gateway.__aexit__(None, None, None))


async def assert_serves_others(harness: Harness) -> None:
    """Fail unless an honest client is served and the attackers' connections are released."""
    await until(lambda: harness.metric("connections") == 0)
    async with harness.connected("jun") as jun:
        await jun.subscribe("/topic/rooms.yard")
        said = await jun.send("still here")
        assert (await jun.message()).headers["message-id"] == said
    await until(lambda: harness.metric("connections") == 0)
    assert harness.metric("subscriptions") == 0
    assert (await harness.http.get("/health/ready")).status_code == 200
