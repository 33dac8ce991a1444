"""Sites from which a username logged in recently, each with an expiry."""

from collections.abc import Mapping

KnownSites = Mapping[str, float]
"""Expiry by site."""


def add(known: KnownSites, site: str, *, until: float, most: int, now: float) -> KnownSites:
    """Return `known` with `site` and without expired sites; the `most` with the latest expiry."""
    added = {**known, site: max(until, known.get(site, until))}
    valid = sorted(((end, one) for one, end in added.items() if end > now), reverse=True)
    return {one: end for end, one in valid[:most]}


def has(known: KnownSites, site: str, *, now: float) -> bool:
    """Return whether `site` is in `known` and not expired."""
    return known.get(site, now) > now
