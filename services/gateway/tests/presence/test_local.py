"""Presence on one gateway, and its changes for the store."""

from madang_gateway.presence.local import LocalPresence
from madang_gateway.presence.port import PresenceEntry, PresenceKey
from services.gateway.tests.event_pipeline import ManualClock

GRACE_SECONDS = 3.0
MINA = PresenceEntry("yard", "mina", "Mina")


class Harness:
    """A local presence with a fixed clock."""

    def __init__(self) -> None:
        self.time = ManualClock()
        self.local = LocalPresence(GRACE_SECONDS, self.time)
        self.changes = 0
        self.local.on_change = self._count_change

    def _count_change(self) -> None:
        self.changes += 1

    def enter(self, user: str = "mina", name: str | None = None) -> None:
        self.local.enter("yard", user, user.title() if name is None else name)

    def leave(self, user: str = "mina") -> None:
        self.local.leave("yard", user)

    def with_written(self, *users: str) -> "Harness":
        for user in users:
            self.enter(user)
        self.local.take_changes(100)
        return self


def users(entries: tuple[PresenceEntry, ...]) -> list[str]:
    return [entry.user for entry in entries]


def test_a_join_is_written_once() -> None:
    harness = Harness()

    harness.enter()
    harness.enter()

    assert harness.local.next_change_at() == harness.time.now
    assert harness.local.take_changes(100) == ((MINA,), ())
    assert harness.local.take_changes(100) == ((), ())
    assert harness.local.next_change_at() is None
    assert (harness.changes, len(harness.local)) == (1, 1)


def test_a_leave_is_written_a_grace_period_after_the_last_subscription_ends() -> None:
    harness = Harness().with_written("mina")
    harness.enter()

    harness.leave()
    assert harness.local.next_change_at() is None
    harness.leave()

    assert harness.local.next_change_at() == harness.time.now + GRACE_SECONDS
    assert harness.local.take_changes(100) == ((), ())
    harness.time.now += GRACE_SECONDS
    assert harness.local.take_changes(100) == ((), (MINA,))
    assert (harness.local.next_change_at(), len(harness.local)) == (None, 0)


def test_a_user_who_comes_back_within_the_grace_period_did_not_leave() -> None:
    harness = Harness().with_written("mina")

    harness.leave()
    harness.time.now += GRACE_SECONDS / 2
    harness.enter()
    harness.time.now += GRACE_SECONDS * 2

    assert harness.local.take_changes(100) == ((), ())
    assert (harness.local.next_change_at(), len(harness.local)) == (None, 1)


def test_a_user_who_leaves_before_the_join_is_written_is_never_written() -> None:
    harness = Harness()

    harness.enter()
    harness.leave()

    assert (harness.local.take_changes(100), len(harness.local)) == (((), ()), 0)


def test_an_expelled_user_has_no_grace_period() -> None:
    harness = Harness().with_written("mina", "jun")

    harness.leave()
    harness.local.expel("yard", "mina")

    assert harness.local.next_change_at() == harness.time.now
    assert harness.local.take_changes(100) == ((), (MINA,))


def test_expelling_a_user_with_subscriptions_changes_nothing() -> None:
    harness = Harness().with_written("mina")

    harness.local.expel("yard", "mina")
    harness.local.expel("yard", "jun")

    assert (harness.local.take_changes(100), len(harness.local)) == (((), ()), 1)


def test_a_new_name_is_written() -> None:
    harness = Harness().with_written("mina")

    harness.enter(name="Min-a")

    assert harness.local.take_changes(100) == ((PresenceEntry("yard", "mina", "Min-a"),), ())


def test_any_name_is_made_storable() -> None:
    harness = Harness()

    harness.enter("a", name="")
    harness.enter("b", name="half \ud83c pair")
    harness.enter("c", name="x" * 1000)

    names = [entry.name for entry in harness.local.take_changes(100)[0]]
    assert names == ["a", "half ? pair", "x" * 128]


def test_changes_are_limited_and_joins_come_first() -> None:
    harness = Harness().with_written("a", "b", "c")
    for user in "abc":
        harness.leave(user)
    for user in "defg":
        harness.enter(user)
    harness.time.now += GRACE_SECONDS

    portions = [harness.local.take_changes(3) for _ in range(4)]

    assert [(users(joined), users(left)) for joined, left in portions] == [
        (["d", "e", "f"], []),
        (["g"], ["a", "b"]),
        ([], ["c"]),
        ([], []),
    ]


def test_leaves_can_be_held_back() -> None:
    harness = Harness().with_written("mina", "jun")
    harness.leave("mina")
    harness.leave("jun")
    harness.local.expel("yard", "jun")
    harness.time.now += GRACE_SECONDS

    assert harness.local.take_changes(100, leaving=False) == ((), ())
    assert harness.local.next_change_at(leaving=False) is None
    assert users(harness.local.take_changes(100)[1]) == ["jun", "mina"]


def test_rewrite_all_writes_leaving_users_too() -> None:
    harness = Harness().with_written("mina", "jun")
    harness.leave("jun")
    harness.enter("ara")
    harness.time.now += GRACE_SECONDS

    written = harness.local.rewrite_all()

    assert written == {PresenceKey("yard", "mina"), PresenceKey("yard", "jun")}
    joined, left = harness.local.take_changes(100)
    assert (users(joined), left) == (["mina", "jun", "ara"], ())
    assert users(harness.local.take_changes(100)[1]) == ["jun"]


def test_restored_changes_are_written_again() -> None:
    harness = Harness().with_written("jun", "ara")
    harness.enter("mina")
    for user in ("jun", "ara"):
        harness.leave(user)
    harness.time.now += GRACE_SECONDS
    joined, left = harness.local.take_changes(100)
    harness.enter("ara")

    harness.local.restore_changes(joined, left)
    written = harness.local.rewrite_all()

    assert written == {PresenceKey("yard", "jun")}
    assert sorted(users(harness.local.take_changes(100)[0])) == ["ara", "jun", "mina"]
    assert users(harness.local.take_changes(100)[1]) == ["jun"]
    assert len(harness.local) == 2
