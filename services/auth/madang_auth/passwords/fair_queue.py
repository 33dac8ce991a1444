"""A bounded queue that is fair by site: first come, first served at a site, the sites in rotation.

An item that is alone at its site waits for at most one turn of each other site. When the queue is
full, the site with the most items gives up its newest for a site with fewer.
"""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class SiteFull(Exception):  # noqa: N818 - reads as the state it tells
    """The site has as many items as one may have."""


class QueueFull(Exception):  # noqa: N818 - reads as the state it tells
    """The queue is full, and no site has more items than this one would have."""


class FairQueue(Generic[T]):
    """Items by site; pure, with neither a clock nor a lock."""

    def __init__(self, *, per_site: int, most: int) -> None:
        """Hold at most `per_site` items of one site, and `most` in all."""
        self._per_site = per_site
        self._most = most
        self._count = 0
        self._sites: OrderedDict[str, deque[T]] = OrderedDict()
        """Sites with items, in the order of their turns."""

    def __len__(self) -> int:
        return self._count

    def push(self, site: str, item: T) -> T | None:
        """Add `item`; return the item that was displaced, if any.

        Raise SiteFull or QueueFull, with nothing changed, if there is no place for it.
        """
        here = len(self._sites.get(site, ()))
        if here >= self._per_site:
            raise SiteFull
        displaced = self._displaced(here) if self._count >= self._most else None
        self._sites.setdefault(site, deque()).append(item)
        self._count += 1
        return displaced

    def pop(self) -> T | None:
        """Remove and return the next item; None if there is none."""
        if not self._sites:
            return None
        site, items = self._sites.popitem(last=False)
        item = items.popleft()
        self._count -= 1
        if items:
            self._sites[site] = items
        return item

    def remove(self, site: str, item: T) -> None:
        """Remove `item` of `site`, if it is there."""
        items = self._sites.get(site)
        if items is not None and item in items:
            items.remove(item)
            self._removed_from(site)

    def _displaced(self, here: int) -> T:
        """Remove and return the newest item of the longest site, for a site that has `here`."""
        longest = max(self._sites, key=lambda site: len(self._sites[site]), default=None)
        if longest is None or len(self._sites[longest]) <= here + 1:
            raise QueueFull
        item = self._sites[longest].pop()
        self._removed_from(longest)
        return item

    def _removed_from(self, site: str) -> None:
        self._count -= 1
        if not self._sites[site]:
            del self._sites[site]
