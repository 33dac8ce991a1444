"""Who is here, and what of it is yet to be written."""

from madang_gateway.presence.here import Here
from madang_gateway.presence.port import Place, Stay
from services.gateway.tests.core import Time

GRACE_SECONDS = 3.0
MINA = Stay("yard", "mina", "Mina")


class Scene:
    """What is to be tested, on a clock that stands still."""

    def __init__(self) -> None:
        self.time = Time()
        self.here = Here(GRACE_SECONDS, self.time)
        self.stirred = 0
        self.here.on_change = self._stir

    def _stir(self) -> None:
        self.stirred += 1

    def enter(self, user: str = "mina", name: str | None = None) -> None:
        self.here.enter("yard", user, user.title() if name is None else name)

    def leave(self, user: str = "mina") -> None:
        self.here.leave("yard", user)

    def written(self, *users: str) -> "Scene":
        for user in users:
            self.enter(user)
        self.here.take(100)
        return self


def users(stays: tuple[Stay, ...]) -> list[str]:
    return [stay.user for stay in stays]


def test_who_enters_is_written_once() -> None:
    scene = Scene()

    scene.enter()
    scene.enter()

    assert scene.here.next_at() == scene.time.now
    assert scene.here.take(100) == ((MINA,), ())
    assert scene.here.take(100) == ((), ())
    assert scene.here.next_at() is None
    assert (scene.stirred, len(scene.here)) == (1, 1)


def test_who_leaves_is_written_after_a_moment_and_with_the_last_subscription() -> None:
    scene = Scene().written("mina")
    scene.enter()

    scene.leave()
    assert scene.here.next_at() is None
    scene.leave()

    assert scene.here.next_at() == scene.time.now + GRACE_SECONDS
    assert scene.here.take(100) == ((), ())
    scene.time.now += GRACE_SECONDS
    assert scene.here.take(100) == ((), (MINA,))
    assert (scene.here.next_at(), len(scene.here)) == (None, 0)


def test_who_comes_back_in_time_never_left() -> None:
    scene = Scene().written("mina")

    scene.leave()
    scene.time.now += GRACE_SECONDS / 2
    scene.enter()
    scene.time.now += GRACE_SECONDS * 2

    assert scene.here.take(100) == ((), ())
    assert (scene.here.next_at(), len(scene.here)) == (None, 1)


def test_who_left_before_anything_was_written_never_came() -> None:
    scene = Scene()

    scene.enter()
    scene.leave()

    assert (scene.here.take(100), len(scene.here)) == (((), ()), 0)


def test_who_is_expelled_leaves_at_once() -> None:
    scene = Scene().written("mina", "jun")

    scene.leave()
    scene.here.expel("yard", "mina")

    assert scene.here.next_at() == scene.time.now
    assert scene.here.take(100) == ((), (MINA,))


def test_to_expel_who_is_not_leaving_changes_nothing() -> None:
    scene = Scene().written("mina")

    scene.here.expel("yard", "mina")
    scene.here.expel("yard", "jun")

    assert (scene.here.take(100), len(scene.here)) == (((), ()), 1)


def test_a_new_name_is_written() -> None:
    scene = Scene().written("mina")

    scene.enter(name="Min-a")

    assert scene.here.take(100) == ((Stay("yard", "mina", "Min-a"),), ())


def test_a_name_can_always_be_written() -> None:
    scene = Scene()

    scene.enter("a", name="")
    scene.enter("b", name="half \ud83c pair")
    scene.enter("c", name="x" * 1000)

    names = [stay.name for stay in scene.here.take(100)[0]]
    assert names == ["a", "half ? pair", "x" * 128]


def test_changes_come_in_portions_those_who_came_first() -> None:
    scene = Scene().written("a", "b", "c")
    for user in "abc":
        scene.leave(user)
    for user in "defg":
        scene.enter(user)
    scene.time.now += GRACE_SECONDS

    portions = [scene.here.take(3) for _ in range(4)]

    assert [(users(joined), users(left)) for joined, left in portions] == [
        (["d", "e", "f"], []),
        (["g"], ["a", "b"]),
        ([], ["c"]),
        ([], []),
    ]


def test_who_leaves_can_be_held_back() -> None:
    scene = Scene().written("mina", "jun")
    scene.leave("mina")
    scene.leave("jun")
    scene.here.expel("yard", "jun")
    scene.time.now += GRACE_SECONDS

    assert scene.here.take(100, leaving=False) == ((), ())
    assert scene.here.next_at(leaving=False) is None
    assert users(scene.here.take(100)[1]) == ["jun", "mina"]


def test_to_start_over_writes_everyone_again_who_leaves_too() -> None:
    scene = Scene().written("mina", "jun")
    scene.leave("jun")
    scene.enter("ara")
    scene.time.now += GRACE_SECONDS

    noted = scene.here.start_over()

    assert noted == {Place("yard", "mina"), Place("yard", "jun")}
    joined, left = scene.here.take(100)
    assert (users(joined), left) == (["mina", "jun", "ara"], ())
    assert users(scene.here.take(100)[1]) == ["jun"]


def test_what_was_perhaps_not_written_is_written_again() -> None:
    scene = Scene().written("jun", "ara")
    scene.enter("mina")
    for user in ("jun", "ara"):
        scene.leave(user)
    scene.time.now += GRACE_SECONDS
    joined, left = scene.here.take(100)
    scene.enter("ara")

    scene.here.put_back(joined, left)
    noted = scene.here.start_over()

    assert noted == {Place("yard", "jun")}
    assert sorted(users(scene.here.take(100)[0])) == ["ara", "jun", "mina"]
    assert users(scene.here.take(100)[1]) == ["jun"]
    assert len(scene.here) == 2
