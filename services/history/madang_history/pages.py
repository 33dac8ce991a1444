"""Pages of an audience's events, and the cursors to the pages beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

from madang_common.log.position import position, shard_of
from madang_history.store.port import Kinds, MessageStore, Stored

LAST_POSITION = (1 << 60) - 1


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


class Pages:
    """Pages through the events of an audience."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store

    async def newest(self, audience: str, limit: int, kinds: Kinds = ()) -> Page:
        """Return the last page."""
        # Asked first: whatever comes after this position is not missed by going on from it.
        progress = await self._store.progress(shard_of(audience, self._store.shards))
        found = await self._store.before(audience, None, limit + 1, kinds)
        return _page(found[-limit:], older=len(found) > limit, after=stored_to(progress))

    async def before(self, audience: str, than: int, limit: int, kinds: Kinds = ()) -> Page:
        """Return the page that ends before position `than`."""
        found = await self._store.before(audience, than, limit + 1, kinds)
        after = than - 1 if than else None
        return _page(found[-limit:], older=len(found) > limit, after=after)

    async def after(self, audience: str, than: int, limit: int, kinds: Kinds = ()) -> Page:
        """Return the page that begins after position `than`."""
        items = await self._store.after(audience, than, limit, kinds)
        begin = items[0].position if items else min(than + 1, LAST_POSITION)
        older = await self._store.before(audience, begin, 1, kinds)
        end = items[-1].position if items else than
        return Page(items, begin if older else None, end)

    async def around(self, audience: str, centre: int, limit: int, kinds: Kinds = ()) -> Page:
        """Return a page with `centre` in its middle, as far as there is enough on both sides."""
        older = await self._store.before(audience, centre, limit + 1, kinds)
        newer = await self._store.after(audience, centre - 1, limit, kinds)
        wanted_newer = max(limit - limit // 2, limit - len(older))
        newer = newer[:wanted_newer]
        room = limit - len(newer)
        items = older[max(0, len(older) - room) :] + newer
        after = centre - 1 if centre else None
        return _page(items, older=len(older) > room, after=after)


def _page(items: Sequence[Stored], *, older: bool, after: int | None) -> Page:
    """Return the page of `items`, or one without any from which `after` leads on."""
    if not items:
        return Page((), None, after)
    return Page(items, items[0].position if older else None, items[-1].position)
