"""The sites where a username has logged in lately, each known until a time."""

from collections.abc import Mapping

KnownSites = Mapping[str, float]
"""Until when each site is known."""


def add(known: KnownSites, site: str, *, until: float, most: int, now: float) -> KnownSites:
    """Return `known` with `site`, without expired ones: the `most` that are known for longest."""
    added = {**known, site: max(until, known.get(site, until))}
    left = sorted(((end, one) for one, end in added.items() if end > now), reverse=True)
    return {one: end for end, one in left[:most]}


def holds(known: KnownSites, site: str, *, now: float) -> bool:
    """Return whether `site` is one of `known` still."""
    return known.get(site, now) > now
