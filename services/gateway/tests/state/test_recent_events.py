"""The recent events in memory."""

from hypothesis import given
from hypothesis import strategies as st

from madang_common.log.position import position, to_id
from madang_gateway.state.recent_events import RecentEvents

ROOM = "rooms.a"


def recent_events(limit_bytes: int = 1000, limit_seconds: float = 60) -> RecentEvents:
    events = RecentEvents(1, limit_bytes=limit_bytes, limit_seconds=limit_seconds)
    events.begin(0, 0)
    return events


def add(
    events: RecentEvents, offset: int, now: float = 0, audience: str = ROOM, size: int = 10
) -> None:
    events.add(0, offset, [(audience, (position(offset, 0), b"x" * size))], now)


def offsets(events: RecentEvents, since: int = -1, audience: str = ROOM) -> list[int]:
    return [position >> 12 for position, _ in events.after(audience, since, 1000)]


def test_nothing_is_reached_before_begin() -> None:
    events = RecentEvents(1, limit_bytes=10, limit_seconds=10)

    assert not events.reaches(0, -1)
    assert not events.reaches(0, 10**9)


def test_everything_is_reached_from_the_start_of_the_log() -> None:
    events = recent_events()

    add(events, 0)

    assert events.reaches(0, -1)
    assert offsets(events) == [0]


def test_the_reach_starts_right_before_the_first_offset() -> None:
    events = RecentEvents(1, limit_bytes=10, limit_seconds=10)

    events.begin(0, 5)

    assert events.reaches(0, position(5, 0) - 1)
    assert not events.reaches(0, position(5, 0) - 2)


def test_after_returns_the_events_after_a_position_oldest_first() -> None:
    events = recent_events()
    for offset in range(5):
        add(events, offset)
        add(events, offset, audience="rooms.b")

    assert offsets(events, since=position(2, 0)) == [3, 4]
    assert offsets(events, since=position(4, 0)) == []
    assert offsets(events, audience="rooms.c") == []


def test_the_end_is_after_the_newest_batch() -> None:
    events = recent_events()

    add(events, 0)
    events.add(0, 1, [], 0)

    assert events.end[0] == position(2, 0)


def test_too_many_bytes_drop_the_oldest_of_all_audiences() -> None:
    events = recent_events(limit_bytes=30)
    add(events, 0, audience="rooms.b")
    for offset in range(1, 5):
        add(events, offset)

    events.trim(0)

    assert offsets(events) == [2, 3, 4]
    assert offsets(events, audience="rooms.b") == []
    assert events.bytes == 30
    assert not events.reaches(0, position(0, 0))
    assert events.reaches(0, position(1, 0))


def test_events_past_the_age_limit_are_dropped() -> None:
    events = recent_events(limit_seconds=60)
    add(events, 0, now=100)
    add(events, 1, now=130)

    events.trim(160)
    assert offsets(events) == [0, 1]
    events.trim(161)

    assert offsets(events) == [1]
    assert events.reaches(0, position(0, 0))


def test_an_event_larger_than_the_limit_is_dropped() -> None:
    events = recent_events(limit_bytes=5)

    add(events, 0)
    events.trim(0)

    assert offsets(events) == []
    assert events.bytes == 0
    assert not events.reaches(0, -1)
    assert events.reaches(0, position(0, 0))


def test_each_shard_has_its_own_reach() -> None:
    events = RecentEvents(2, limit_bytes=20, limit_seconds=60)
    events.begin(0, 0)
    events.begin(1, 0)
    events.add(0, 0, [(ROOM, (position(0, 0), b"x" * 15))], 0)
    events.add(1, 0, [("rooms.b", (position(0, 0), b"x" * 15))], 0)

    events.trim(0)

    assert not events.reaches(0, -1)
    assert events.reaches(1, -1)


def test_the_reach_never_extends_across_a_gap() -> None:
    events = recent_events(limit_bytes=20)
    for offset in range(3):
        add(events, offset)
    events.begin(0, 10)
    add(events, 10)

    events.trim(0)

    assert not events.reaches(0, position(2, 0))
    assert events.reaches(0, position(10, 0) - 1)


def test_the_reach_in_seconds_is_the_age_of_the_newest_event_that_was_dropped() -> None:
    events = recent_events(limit_bytes=20, limit_seconds=60)
    for offset in range(4):
        add(events, offset, now=offset)
    reaches = [events.reach_seconds(3)]

    for now in (3, 62.5):
        events.trim(now)
        reaches.append(events.reach_seconds(now))
    events.note_gap(70)
    reaches.append(events.reach_seconds(75))

    assert reaches == [60, 3 - 1, 60, 5]


Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add a", "add b"]), st.integers(1, 40)),
        st.tuples(st.just("wait"), st.integers(1, 30)),
        st.tuples(st.just("gap"), st.integers(1, 3)),
    )
)


@given(steps)
def test_every_event_within_the_reach_is_returned(steps: list[Step]) -> None:
    events = recent_events(limit_bytes=100, limit_seconds=50)
    logged: list[tuple[int, str]] = []
    offset, now = 0, 0
    for step, amount in steps:
        if step == "wait":
            now += amount
        elif step == "gap":
            # These are in the log too, but this gateway never read them.
            logged += [(position(offset + n, 0), ROOM) for n in range(amount)]
            offset += amount
            events.begin(0, offset)
        else:
            audience = f"rooms.{step[-1]}"
            logged.append((position(offset, 0), audience))
            add(events, offset, now, audience, size=amount)
            offset += 1
        events.trim(now)

    for since in {-1, *(at for at, _ in logged)}:
        if events.reaches(0, since):
            for audience in (ROOM, "rooms.b"):
                expected = [at for at, to in logged if to == audience and at > since]
                assert [at for at, _ in events.after(audience, since, 1000)] == expected
    assert events.bytes <= 100


def add_about(events: RecentEvents, offset: int, message: int, *, deletes: bool = False) -> None:
    """Add an event that targets the message created at the offset `message`."""
    add(events, offset)
    events.index(ROOM, position(offset, 0), to_id(position(message, 0)), deletes=deletes)


def about(events: RecentEvents, message: int, since: int = -1) -> list[int]:
    found = events.about(ROOM, to_id(position(message, 0)), since)
    return [at >> 12 for at, _ in found]


def test_the_events_about_a_message_begin_with_its_creation() -> None:
    events = recent_events()
    for offset in range(3):
        add(events, offset)
    add_about(events, 3, 0)
    add_about(events, 4, 1)
    add_about(events, 5, 0)

    assert about(events, 0) == [0, 3, 5]
    assert about(events, 0, since=position(3, 0)) == [5]
    assert about(events, 1) == [1, 4]
    assert about(events, 2) == [2]
    assert about(events, 9) == []
    assert events.about("rooms.elsewhere", to_id(0), -1) == []


def test_events_that_were_dropped_are_about_nothing() -> None:
    events = recent_events(limit_bytes=25)
    add(events, 0)
    add_about(events, 1, 0, deletes=True)
    assert events.is_deleted(ROOM, to_id(0))

    for offset in range(2, 40):
        add_about(events, offset, 0)
        events.trim(0)

    assert about(events, 0) == [38, 39]
    assert not events.is_deleted(ROOM, to_id(0))


def test_the_events_about_a_message_can_be_replaced() -> None:
    events = recent_events()
    for offset in range(2):
        add(events, offset)
    add_about(events, 2, 0)

    events.replace(ROOM, to_id(0), lambda event: b"%d" % (event[0] >> 12))
    events.replace("rooms.elsewhere", to_id(0), lambda _: b"")

    assert [line for _, line in events.after(ROOM, -1, 10)] == [b"0", b"x" * 10, b"2"]
