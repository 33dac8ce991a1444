"""A bounded queue that is fair by site: first in, first out per site, round robin over the sites.

An item that is alone at its site waits for at most one item of each other site. When the queue is
full, the newest item of the site with the most items is displaced by an item of a site with fewer.
"""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class SiteFull(Exception):  # noqa: N818 - named for the state that it reports
    """The site has its maximum of items."""


class QueueFull(Exception):  # noqa: N818 - named for the state that it reports
    """The queue is full, and no other site has more items to displace."""


class FairQueue(Generic[T]):
    """Items by site; without a clock or a lock."""

    def __init__(self, *, per_site: int, most: int) -> None:
        """Hold at most `per_site` items of one site, and `most` in all."""
        self._per_site = per_site
        self._most = most
        self._count = 0
        self._sites: OrderedDict[str, deque[T]] = OrderedDict()
        """Sites with items, the next to serve first."""

    def __len__(self) -> int:
        return self._count

    def push(self, site: str, item: T) -> T | None:
        """Add `item`; return the item that it displaced, if any.

        Raise SiteFull or QueueFull, and change nothing, if it cannot be added.
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
        """Remove `item` of `site`, if it is queued."""
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
