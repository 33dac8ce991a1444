"""Settings and helpers for tests of chats."""

import asyncio
from collections.abc import Callable

from madang_client import Chat, ChatSettings, Event, Subscription

SETTINGS = ChatSettings(
    connect_seconds=5,
    heartbeat_seconds=0,
    receipt_seconds=5,
    backoff_base_seconds=0.02,
    backoff_cap_seconds=0.1,
)

MakeChat = Callable[..., Chat]
"""Makes a chat with the fake server; accepts any field of ChatSettings."""


async def eventually(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Return when `condition` holds; fail if it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions on both sides of a socket
            await asyncio.sleep(0.002)


async def take(events: Subscription, count: int) -> list[str]:
    """Return the texts of the next items, "GAP" for a gap."""
    async with asyncio.timeout(5):
        items = [await anext(events) for _ in range(count)]
    return [item.text if isinstance(item, Event) else "GAP" for item in items]
