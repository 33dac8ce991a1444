"""Pages of an audience's events, with cursors to the older and newer page."""

from collections.abc import Sequence
from dataclasses import dataclass

from madang_history.store.coverage import Coverage
from madang_history.store.port import LAST, Kinds, MessageStore, StoredEvent


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The events of an audience up to a position: a consistent snapshot for one reader."""

    audience: str
    upto: int
    """-1 if nothing is stored."""


@dataclass(frozen=True, slots=True)
class Page:
    """Events, oldest first, and cursors."""

    items: Sequence[StoredEvent]
    before: int | None
    """Cursor of the older page; None if there is none."""
    after: int | None
    """Cursor of the newer page, also if there are no newer events yet."""


async def current_snapshot(coverage: Coverage, audience: str) -> Snapshot:
    """Return a snapshot of all events of `audience` that are stored now."""
    stored = await coverage.stored_to(audience)
    return Snapshot(audience, -1 if stored is None else stored)


class Pages:
    """Pages through the events of an audience."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store

    async def newest(self, events: Snapshot, limit: int, kinds: Kinds = ()) -> Page:
        """Return the newest page."""
        return await self.before(events, LAST + 1, limit, kinds)

    async def before(self, events: Snapshot, than: int, limit: int, kinds: Kinds = ()) -> Page:
        """Return the page that ends before position `than`."""
        than = min(than, events.upto + 1)
        found = await self._store.before(events.audience, than, limit + 1, kinds)
        return _page(found[-limit:], older=len(found) > limit, after=than - 1)

    async def after(self, events: Snapshot, than: int, limit: int, kinds: Kinds = ()) -> Page:
        """Return the page that begins after position `than`."""
        items = await self._store.after(events.audience, than, limit, kinds, upto=events.upto)
        begin = items[0].position if items else min(than + 1, LAST)
        older = await self._store.before(events.audience, min(begin, events.upto + 1), 1, kinds)
        end = items[-1].position if items else than
        return Page(items, begin if older else None, end)

    async def around(self, events: Snapshot, centre: int, limit: int, kinds: Kinds = ()) -> Page:
        """Return a page with `centre` in the middle, if both sides have enough events."""
        centre = min(centre, events.upto + 1)
        older = await self._store.before(events.audience, centre, limit + 1, kinds)
        newer = await self._store.after(events.audience, centre - 1, limit, kinds, upto=events.upto)
        wanted_newer = max(limit - limit // 2, limit - len(older))
        newer = newer[:wanted_newer]
        room = limit - len(newer)
        items = older[max(0, len(older) - room) :] + newer
        return _page(items, older=len(older) > room, after=centre - 1)

    async def get(self, events: Snapshot, position: int) -> StoredEvent | None:
        """Return the event at `position`."""
        return await self._store.get(events.audience, position) if position <= events.upto else None


def _page(items: Sequence[StoredEvent], *, older: bool, after: int) -> Page:
    """Return the page of `items`; an empty page has only the cursor `after`."""
    if not items:
        return Page((), None, None if after < 0 else after)
    return Page(items, items[0].position if older else None, items[-1].position)
