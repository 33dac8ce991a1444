"""Pages of an audience's events, and the cursors to the pages beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

from madang_common.log.position import position, shard_of
from madang_history.store.port import LAST, Kinds, MessageStore, Stored


@dataclass(frozen=True, slots=True)
class Readable:
    """The events of an audience that a reader may see: those up to a position."""

    audience: str
    upto: int
    """-1 if nothing is stored."""


@dataclass(frozen=True, slots=True)
class Page:
    """Events oldest first, and where the pages beside them begin."""

    items: Sequence[Stored]
    before: int | None
    """Older events come before this position; None if there are none."""
    after: int | None
    """Newer events, stored already or not yet sent, come after this position."""


def stored_to(progress: int) -> int | None:
    """Return the last position of a shard that is stored up to offset `progress`."""
    return position(progress, 0) - 1 if progress else None


async def readable_now(store: MessageStore, audience: str) -> Readable:
    """Return the events of `audience` that are stored now without a gap."""
    stored = stored_to(await store.progress(shard_of(audience, store.shards)))
    return Readable(audience, -1 if stored is None else stored)


class Pages:
    """Pages through the events of an audience."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store

    async def newest(self, of: Readable, limit: int, kinds: Kinds = ()) -> Page:
        """Return the last page."""
        return await self.before(of, LAST + 1, limit, kinds)

    async def before(self, of: Readable, than: int, limit: int, kinds: Kinds = ()) -> Page:
        """Return the page that ends before position `than`."""
        than = min(than, of.upto + 1)
        found = await self._store.before(of.audience, than, limit + 1, kinds)
        return _page(found[-limit:], older=len(found) > limit, after=than - 1)

    async def after(self, of: Readable, than: int, limit: int, kinds: Kinds = ()) -> Page:
        """Return the page that begins after position `than`."""
        items = await self._store.after(of.audience, than, limit, kinds, upto=of.upto)
        begin = items[0].position if items else min(than + 1, LAST)
        older = await self._store.before(of.audience, min(begin, of.upto + 1), 1, kinds)
        end = items[-1].position if items else than
        return Page(items, begin if older else None, end)

    async def around(self, of: Readable, centre: int, limit: int, kinds: Kinds = ()) -> Page:
        """Return a page with `centre` in its middle, as far as there is enough on both sides."""
        centre = min(centre, of.upto + 1)
        older = await self._store.before(of.audience, centre, limit + 1, kinds)
        newer = await self._store.after(of.audience, centre - 1, limit, kinds, upto=of.upto)
        wanted_newer = max(limit - limit // 2, limit - len(older))
        newer = newer[:wanted_newer]
        room = limit - len(newer)
        items = older[max(0, len(older) - room) :] + newer
        return _page(items, older=len(older) > room, after=centre - 1)

    async def one(self, of: Readable, position: int) -> Stored | None:
        """Return the event at `position`."""
        return await self._store.one(of.audience, position) if position <= of.upto else None


def _page(items: Sequence[Stored], *, older: bool, after: int) -> Page:
    """Return the page of `items`, or one without any from which `after` leads on."""
    if not items:
        return Page((), None, None if after < 0 else after)
    return Page(items, items[0].position if older else None, items[-1].position)
