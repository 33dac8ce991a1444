from hypothesis import given
from hypothesis import strategies as st

from madang_common.log.position import position
from madang_gateway.state.recent_events import RecentEvents

ROOM = "rooms.a"


def tail(limit_bytes: int = 1000, limit_seconds: float = 60) -> RecentEvents:
    made = RecentEvents(1, limit_bytes=limit_bytes, limit_seconds=limit_seconds)
    made.begin(0, 0)
    return made


def add(
    tail: RecentEvents, offset: int, now: float = 0, audience: str = ROOM, size: int = 10
) -> None:
    tail.add(0, offset, [(audience, (position(offset, 0), b"x" * size))], now)


def offsets(tail: RecentEvents, since: int = -1, audience: str = ROOM) -> list[int]:
    return [position >> 12 for position, _ in tail.after(audience, since, 1000)]


def test_a_tail_that_was_never_begun_reaches_nothing() -> None:
    made = RecentEvents(1, limit_bytes=10, limit_seconds=10)

    assert not made.reaches(0, -1)
    assert not made.reaches(0, 10**9)


def test_a_tail_begun_at_the_start_of_the_log_reaches_everything() -> None:
    made = tail()

    add(made, 0)

    assert made.reaches(0, -1)
    assert offsets(made) == [0]


def test_a_tail_reaches_back_to_just_before_where_it_began() -> None:
    made = RecentEvents(1, limit_bytes=10, limit_seconds=10)

    made.begin(0, 5)

    assert made.reaches(0, position(5, 0) - 1)
    assert not made.reaches(0, position(5, 0) - 2)


def test_after_gives_what_is_newer_than_a_position_oldest_first() -> None:
    made = tail()
    for offset in range(5):
        add(made, offset)
        add(made, offset, audience="rooms.b")

    assert offsets(made, since=position(2, 0)) == [3, 4]
    assert offsets(made, since=position(4, 0)) == []
    assert offsets(made, audience="rooms.c") == []


def test_the_end_is_after_the_newest_whole_batch() -> None:
    made = tail()

    add(made, 0)
    made.add(0, 1, [], 0)

    assert made.end[0] == position(2, 0)


def test_too_many_bytes_drop_the_oldest_over_all_audiences() -> None:
    made = tail(limit_bytes=30)
    add(made, 0, audience="rooms.b")
    for offset in range(1, 5):
        add(made, offset)

    made.trim(0)

    assert offsets(made) == [2, 3, 4]
    assert offsets(made, audience="rooms.b") == []
    assert made.bytes == 30
    assert not made.reaches(0, position(0, 0))
    assert made.reaches(0, position(1, 0))


def test_what_is_too_old_is_dropped() -> None:
    made = tail(limit_seconds=60)
    add(made, 0, now=100)
    add(made, 1, now=130)

    made.trim(160)
    assert offsets(made) == [0, 1]
    made.trim(161)

    assert offsets(made) == [1]
    assert made.reaches(0, position(0, 0))


def test_an_event_larger_than_the_tail_is_not_kept() -> None:
    made = tail(limit_bytes=5)

    add(made, 0)
    made.trim(0)

    assert offsets(made) == []
    assert made.bytes == 0
    assert not made.reaches(0, -1)
    assert made.reaches(0, position(0, 0))


def test_shards_reach_each_on_their_own() -> None:
    made = RecentEvents(2, limit_bytes=20, limit_seconds=60)
    made.begin(0, 0)
    made.begin(1, 0)
    made.add(0, 0, [(ROOM, (position(0, 0), b"x" * 15))], 0)
    made.add(1, 0, [("rooms.b", (position(0, 0), b"x" * 15))], 0)

    made.trim(0)

    assert not made.reaches(0, -1)
    assert made.reaches(1, -1)


def test_after_a_gap_the_tail_never_claims_to_reach_over_it() -> None:
    made = tail(limit_bytes=20)
    for offset in range(3):
        add(made, offset)
    made.begin(0, 10)
    add(made, 10)

    made.trim(0)

    assert not made.reaches(0, position(2, 0))
    assert made.reaches(0, position(10, 0) - 1)


def test_the_tail_remembers_when_the_newest_came_that_it_dropped() -> None:
    made = tail(limit_bytes=20, limit_seconds=60)
    for offset in range(4):
        add(made, offset, now=offset)
    dropped_at = [made.dropped_at]

    for now in (3, 62.5):
        made.trim(now)
        dropped_at.append(made.dropped_at)

    assert dropped_at == [None, 1, 2]


def test_find_gives_exactly_the_event_at_a_position() -> None:
    made = tail(limit_bytes=30)
    for offset in range(4):
        add(made, offset)
    made.trim(0)

    found = made.find(ROOM, position(2, 0))

    assert found == (position(2, 0), b"x" * 10)
    assert made.find(ROOM, position(0, 0)) is None
    assert made.find(ROOM, position(2, 1)) is None
    assert made.find("rooms.b", position(2, 0)) is None


Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add a", "add b"]), st.integers(1, 40)),
        st.tuples(st.just("wait"), st.integers(1, 30)),
        st.tuples(st.just("gap"), st.integers(1, 3)),
    )
)


@given(steps)
def test_whatever_the_tail_reaches_it_gives_whole(steps: list[Step]) -> None:
    made = tail(limit_bytes=100, limit_seconds=50)
    logged: list[tuple[int, str]] = []
    offset, now = 0, 0
    for step, amount in steps:
        if step == "wait":
            now += amount
        elif step == "gap":
            # These stand in the log too, but were never seen here.
            logged += [(position(offset + n, 0), ROOM) for n in range(amount)]
            offset += amount
            made.begin(0, offset)
        else:
            audience = f"rooms.{step[-1]}"
            logged.append((position(offset, 0), audience))
            add(made, offset, now, audience, size=amount)
            offset += 1
        made.trim(now)

    for since in {-1, *(at for at, _ in logged)}:
        if made.reaches(0, since):
            for audience in (ROOM, "rooms.b"):
                expected = [at for at, to in logged if to == audience and at > since]
                assert [kept_at for kept_at, _ in made.after(audience, since, 1000)] == expected
    assert made.bytes <= 100
