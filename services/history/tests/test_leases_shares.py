import random

import pytest

from madang_history.leases.shares import LeaseSnapshot, fair_share


def owners(*held: str) -> dict[int, str]:
    """Return the holder of each shard, `-` for none."""
    return {shard: owner for shard, owner in enumerate(held) if owner != "-"}


@pytest.mark.parametrize("shards", [1, 2, 4, 7, 16])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shares_are_even_and_add_up(count: int, shards: int) -> None:
    replicas = [f"r{n}" for n in range(count)]
    fair = [fair_share(name, LeaseSnapshot(replicas, {}), shards).missing for name in replicas]

    assert sum(fair) == shards
    assert max(fair) - min(fair) <= 1


def test_a_single_replica_takes_all_shards() -> None:
    due = fair_share("a", LeaseSnapshot(["a"], {}), 4)

    assert (due.surplus, due.missing, due.free) == ([], 4, [0, 1, 2, 3])


def test_a_new_replica_gets_shards_and_no_other_does() -> None:
    seen = LeaseSnapshot(["a", "b", "c"], owners("a", "a", "b", "b"))

    assert fair_share("a", seen, 4).surplus == []
    assert fair_share("b", seen, 4).surplus == [3]
    joined = fair_share("c", seen, 4)
    assert (joined.missing, joined.free) == (1, [])


def test_shards_of_a_lost_replica_are_shared_by_the_others() -> None:
    seen = LeaseSnapshot(["a", "c"], owners("a", "-", "-", "c"))

    assert fair_share("a", seen, 4) == ([], 1, [1, 2])
    assert fair_share("c", seen, 4) == ([], 1, [1, 2])


def test_more_replicas_than_shards_leave_some_with_none() -> None:
    replicas = ["a", "b", "c"]

    fair = [fair_share(name, LeaseSnapshot(replicas, {}), 2).missing for name in replicas]

    assert fair == [1, 1, 0]


def test_after_any_changes_all_shards_are_held_in_the_end() -> None:
    chance = random.Random(1)
    replicas: list[str] = []
    held: dict[int, str] = {}
    for turn in range(300):
        if len(replicas) < 2 or chance.random() < 0.5:
            replicas.append(f"r{turn}")
        else:
            gone = replicas.pop(chance.randrange(len(replicas)))
            held = {shard: owner for shard, owner in held.items() if owner != gone}
        for _ in range(3):
            for name in chance.sample(replicas, len(replicas)):
                due = fair_share(name, LeaseSnapshot(replicas, held), 7)
                held = {shard: owner for shard, owner in held.items() if shard not in due.surplus}
                held |= dict.fromkeys(due.free[: due.missing], name)
        counts = [list(held.values()).count(name) for name in replicas]
        assert sum(counts) == 7
        assert max(counts) - min(counts) <= 1
