"""Who is here, and what of it is yet to be written."""

from madang_gateway.presence.local import LocalPresence
from madang_gateway.presence.port import Place, PresenceEntry
from services.gateway.tests.event_pipeline import ManualClock

GRACE_SECONDS = 3.0
MINA = PresenceEntry("yard", "mina", "Mina")


class Harness:
    """What is to be tested, on a clock that stands still."""

    def __init__(self) -> None:
        self.time = ManualClock()
        self.here = LocalPresence(GRACE_SECONDS, self.time)
        self.stirred = 0
        self.here.on_change = self._stir

    def _stir(self) -> None:
        self.stirred += 1

    def enter(self, user: str = "mina", name: str | None = None) -> None:
        self.here.enter("yard", user, user.title() if name is None else name)

    def leave(self, user: str = "mina") -> None:
        self.here.leave("yard", user)

    def written(self, *users: str) -> "Harness":
        for user in users:
            self.enter(user)
        self.here.take(100)
        return self


def users(stays: tuple[PresenceEntry, ...]) -> list[str]:
    return [stay.user for stay in stays]


def test_who_enters_is_written_once() -> None:
    harness = Harness()

    harness.enter()
    harness.enter()

    assert harness.here.next_at() == harness.time.now
    assert harness.here.take(100) == ((MINA,), ())
    assert harness.here.take(100) == ((), ())
    assert harness.here.next_at() is None
    assert (harness.stirred, len(harness.here)) == (1, 1)


def test_who_leaves_is_written_after_a_moment_and_with_the_last_subscription() -> None:
    harness = Harness().written("mina")
    harness.enter()

    harness.leave()
    assert harness.here.next_at() is None
    harness.leave()

    assert harness.here.next_at() == harness.time.now + GRACE_SECONDS
    assert harness.here.take(100) == ((), ())
    harness.time.now += GRACE_SECONDS
    assert harness.here.take(100) == ((), (MINA,))
    assert (harness.here.next_at(), len(harness.here)) == (None, 0)


def test_who_comes_back_in_time_never_left() -> None:
    harness = Harness().written("mina")

    harness.leave()
    harness.time.now += GRACE_SECONDS / 2
    harness.enter()
    harness.time.now += GRACE_SECONDS * 2

    assert harness.here.take(100) == ((), ())
    assert (harness.here.next_at(), len(harness.here)) == (None, 1)


def test_who_left_before_anything_was_written_never_came() -> None:
    harness = Harness()

    harness.enter()
    harness.leave()

    assert (harness.here.take(100), len(harness.here)) == (((), ()), 0)


def test_who_is_expelled_leaves_at_once() -> None:
    harness = Harness().written("mina", "jun")

    harness.leave()
    harness.here.expel("yard", "mina")

    assert harness.here.next_at() == harness.time.now
    assert harness.here.take(100) == ((), (MINA,))


def test_to_expel_who_is_not_leaving_changes_nothing() -> None:
    harness = Harness().written("mina")

    harness.here.expel("yard", "mina")
    harness.here.expel("yard", "jun")

    assert (harness.here.take(100), len(harness.here)) == (((), ()), 1)


def test_a_new_name_is_written() -> None:
    harness = Harness().written("mina")

    harness.enter(name="Min-a")

    assert harness.here.take(100) == ((PresenceEntry("yard", "mina", "Min-a"),), ())


def test_a_name_can_always_be_written() -> None:
    harness = Harness()

    harness.enter("a", name="")
    harness.enter("b", name="half \ud83c pair")
    harness.enter("c", name="x" * 1000)

    names = [stay.name for stay in harness.here.take(100)[0]]
    assert names == ["a", "half ? pair", "x" * 128]


def test_changes_come_in_portions_those_who_came_first() -> None:
    harness = Harness().written("a", "b", "c")
    for user in "abc":
        harness.leave(user)
    for user in "defg":
        harness.enter(user)
    harness.time.now += GRACE_SECONDS

    portions = [harness.here.take(3) for _ in range(4)]

    assert [(users(joined), users(left)) for joined, left in portions] == [
        (["d", "e", "f"], []),
        (["g"], ["a", "b"]),
        ([], ["c"]),
        ([], []),
    ]


def test_who_leaves_can_be_held_back() -> None:
    harness = Harness().written("mina", "jun")
    harness.leave("mina")
    harness.leave("jun")
    harness.here.expel("yard", "jun")
    harness.time.now += GRACE_SECONDS

    assert harness.here.take(100, leaving=False) == ((), ())
    assert harness.here.next_at(leaving=False) is None
    assert users(harness.here.take(100)[1]) == ["jun", "mina"]


def test_to_start_over_writes_everyone_again_who_leaves_too() -> None:
    harness = Harness().written("mina", "jun")
    harness.leave("jun")
    harness.enter("ara")
    harness.time.now += GRACE_SECONDS

    noted = harness.here.start_over()

    assert noted == {Place("yard", "mina"), Place("yard", "jun")}
    joined, left = harness.here.take(100)
    assert (users(joined), left) == (["mina", "jun", "ara"], ())
    assert users(harness.here.take(100)[1]) == ["jun"]


def test_what_was_perhaps_not_written_is_written_again() -> None:
    harness = Harness().written("jun", "ara")
    harness.enter("mina")
    for user in ("jun", "ara"):
        harness.leave(user)
    harness.time.now += GRACE_SECONDS
    joined, left = harness.here.take(100)
    harness.enter("ara")

    harness.here.put_back(joined, left)
    noted = harness.here.start_over()

    assert noted == {Place("yard", "jun")}
    assert sorted(users(harness.here.take(100)[0])) == ["ara", "jun", "mina"]
    assert users(harness.here.take(100)[1]) == ["jun"]
    assert len(harness.here) == 2
