from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_auth.passwords.fair_queue import FairQueue, QueueFull, SiteFull


def filled(*sites: str, per_site: int = 100, most: int = 100) -> FairQueue[str]:
    """Return a queue with one item after another of those sites, named like `a0`, `a1`, `b0`."""
    queue: FairQueue[str] = FairQueue(per_site=per_site, most=most)
    counts: Counter[str] = Counter()
    for site in sites:
        queue.push(site, f"{site}{counts[site]}")
        counts[site] += 1
    return queue


def emptied(queue: FairQueue[str]) -> list[str]:
    items = []
    while (item := queue.pop()) is not None:
        items.append(item)
    return items


def test_the_sites_are_served_round_robin_and_each_in_order() -> None:
    assert emptied(filled(*"aaaabbc")) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]


def test_an_empty_queue_returns_none() -> None:
    assert filled().pop() is None


def test_a_site_has_a_maximum_of_items() -> None:
    queue = filled(*"aa", per_site=2)

    with pytest.raises(SiteFull):
        queue.push("a", "a2")

    assert queue.push("b", "b0") is None
    assert emptied(queue) == ["a0", "b0", "a1"]


def test_a_full_queue_displaces_the_newest_item_of_the_longest_site() -> None:
    queue = filled(*"aaaabb", most=6)

    assert queue.push("c", "c0") == "a3"
    assert len(queue) == 6
    assert emptied(queue) == ["a0", "b0", "c0", "a1", "b1", "a2"]


def test_a_full_queue_refuses_an_item_of_a_longest_site() -> None:
    queue = filled(*"aabb", most=4)

    for site in "ab":
        with pytest.raises(QueueFull):
            queue.push(site, "more")
    assert queue.push("c", "c0") in {"a1", "b1"}
    with pytest.raises(QueueFull):
        queue.push("c", "c1")


def test_a_removed_item_is_not_returned() -> None:
    queue = filled(*"aab")

    queue.remove("a", "a0")
    queue.remove("a", "a0")
    queue.remove("nobody", "x")
    queue.remove("b", "b0")

    assert len(queue) == 1
    assert emptied(queue) == ["a1"]


SITES = st.sampled_from("abcde")


@given(st.lists(SITES | st.none(), max_size=200), st.integers(1, 10), st.integers(1, 20))
def test_the_queue_keeps_its_bounds_and_loses_no_item(
    steps: list[str | None], per_site: int, most: int
) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(per_site=per_site, most=most)
    waiting: set[tuple[str, int]] = set()
    for number, site in enumerate(steps):
        if site is None:
            item = queue.pop()
            assert (item is None) == (not waiting)
            waiting -= {item} if item is not None else set()
            continue
        try:
            displaced = queue.push(site, (site, number))
        except (SiteFull, QueueFull):
            continue
        waiting.add((site, number))
        if displaced is not None:
            waiting.remove(displaced)
        assert len(queue) == len(waiting) <= most
        assert max(Counter(one for one, _ in waiting).values()) <= per_site


@given(st.lists(SITES, min_size=1, max_size=50))
def test_a_single_item_waits_for_one_item_of_each_other_site(sites: list[str]) -> None:
    queue = filled(*sites)
    queue.push("alone", "alone")

    assert emptied(queue).index("alone") <= len(set(sites))
