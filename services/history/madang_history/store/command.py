"""`madang-history migrate`: move what the version before stored."""

from collections.abc import Callable

from madang_history.store.documents import LINES
from madang_history.store.migration import Migration

_REPORTED_EVENTS = 10_000
"""A line of progress for each of so many events."""


async def migrate(migration: Migration, show: Callable[[str], None]) -> list[str]:
    """Run `migration`, `show` its progress, and return what it could not do."""
    shown = 0
    async for done in migration.run():
        if done.moved - shown >= _REPORTED_EVENTS:
            shown = done.moved
            show(f"{done.moved:,} of about {max(done.total, done.moved):,} events moved")
    show(f"{done.moved:,} events moved, {done.left:,} left")
    if done.left:
        return [f"{done.left:,} events cannot be moved; the log names them"]
    if not done.is_dropped:
        show(f"Drop the empty collection {LINES} as an administrator to free its space.")
    return []
