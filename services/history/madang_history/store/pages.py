"""Pages of events and of messages, with cursors to the older and newer page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from typing_extensions import override

from madang_history.store.coverage import Coverage
from madang_history.store.port import (
    LAST,
    Kinds,
    MessagesOf,
    MessageStore,
    Positioned,
    StoredEvent,
    StoredMessage,
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is stored for an audience up to a position: a consistent snapshot for one reader."""

    audience: str
    upto: int
    """-1 if nothing is stored."""


E = TypeVar("E", bound=Positioned)


class Series(Protocol[E]):
    """Entries in the order of their positions."""

    async def before(self, position: int, limit: int) -> list[E]:
        """Return the last `limit` entries before `position`, oldest first."""
        ...

    async def after(self, position: int, limit: int, *, upto: int) -> list[E]:
        """Return the first `limit` entries after `position` up to `upto`, oldest first."""
        ...


class EventSeries(Series[StoredEvent]):
    """The events of an audience."""

    def __init__(self, store: MessageStore, audience: str, kinds: Kinds = ()) -> None:
        self._store = store
        self._audience = audience
        self._kinds = kinds

    @override
    async def before(self, position: int, limit: int) -> list[StoredEvent]:
        return await self._store.before(self._audience, position, limit, self._kinds)

    @override
    async def after(self, position: int, limit: int, *, upto: int) -> list[StoredEvent]:
        return await self._store.after(self._audience, position, limit, self._kinds, upto=upto)


class MessageSeries(Series[StoredMessage]):
    """Messages of a room, by the positions at which they were created."""

    def __init__(self, store: MessageStore, selected: MessagesOf) -> None:
        self._store = store
        self._selected = selected

    @override
    async def before(self, position: int, limit: int) -> list[StoredMessage]:
        return await self._store.messages_before(self._selected, position, limit)

    @override
    async def after(self, position: int, limit: int, *, upto: int) -> list[StoredMessage]:
        return await self._store.messages_after(self._selected, position, limit, upto=upto)


@dataclass(frozen=True, slots=True)
class Page(Generic[E]):
    """Entries, oldest first, and cursors."""

    items: Sequence[E]
    before: int | None
    """Cursor of the older page; None if there is none."""
    after: int | None
    """Cursor of the newer page, also if there are no newer entries yet."""


async def current_snapshot(coverage: Coverage, audience: str) -> Snapshot:
    """Return a snapshot of all that is stored of `audience` now."""
    stored = await coverage.stored_to(audience)
    return Snapshot(audience, -1 if stored is None else stored)


class Pages(Generic[E]):
    """Pages through the entries of a series up to a position."""

    def __init__(self, series: Series[E], upto: int) -> None:
        self._series = series
        self._upto = upto

    async def newest(self, limit: int) -> Page[E]:
        """Return the newest page."""
        return await self.before(LAST + 1, limit)

    async def before(self, than: int, limit: int) -> Page[E]:
        """Return the page that ends before position `than`."""
        than = min(than, self._upto + 1)
        found = await self._series.before(than, limit + 1)
        return _page(found[-limit:], older=len(found) > limit, after=than - 1)

    async def after(self, than: int, limit: int) -> Page[E]:
        """Return the page that begins after position `than`."""
        items = await self._series.after(than, limit, upto=self._upto)
        begin = items[0].position if items else min(than + 1, LAST)
        older = await self._series.before(min(begin, self._upto + 1), 1)
        end = items[-1].position if items else than
        return Page(items, begin if older else None, end)

    async def around(self, centre: int, limit: int) -> Page[E]:
        """Return a page with `centre` in the middle, if both sides have enough entries."""
        centre = min(centre, self._upto + 1)
        older = await self._series.before(centre, limit + 1)
        newer = await self._series.after(centre - 1, limit, upto=self._upto)
        wanted_newer = max(limit - limit // 2, limit - len(older))
        newer = newer[:wanted_newer]
        room = limit - len(newer)
        items = older[max(0, len(older) - room) :] + newer
        return _page(items, older=len(older) > room, after=centre - 1)


def _page(items: Sequence[E], *, older: bool, after: int) -> Page[E]:
    """Return the page of `items`; an empty page has only the cursor `after`."""
    if not items:
        return Page((), None, None if after < 0 else after)
    return Page(items, items[0].position if older else None, items[-1].position)
