import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_client import Event, OutOfOrder
from madang_client.sequence import Sequence


def event(number: int, *, key: str = "", sender: str = "bob") -> Event:
    return Event(
        id=f"{number:012d}",
        key=key or f"k{number}",
        kind="message.created",
        sender=sender,
        sender_name=sender,
        at="",
        data={},
    )


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 5)), min_size=1, max_size=20))
def test_replays_from_anywhere_admit_each_event_once_and_in_order(
    replays: list[tuple[int, int]],
) -> None:
    sequence = Sequence(None, capacity=50)
    admitted: list[str] = []
    newest = 0

    for fresh, back in replays:
        start = max(1, newest + 1 - back)
        newest += fresh
        seen = [event(number) for number in range(start, newest + 1)]
        admitted += [found.id for found in seen if sequence.admit(found)]

    assert admitted == [event(number).id for number in range(1, newest + 1)]


def test_events_up_to_since_count_as_seen() -> None:
    sequence = Sequence(event(5).id, capacity=10)

    assert [sequence.admit(event(number)) for number in (4, 5, 6)] == [False, False, True]


def test_a_new_event_before_the_last_is_out_of_order() -> None:
    sequence = Sequence(None, capacity=10)
    sequence.admit(event(3))
    sequence.admit(event(7))

    with pytest.raises(OutOfOrder):
        sequence.admit(event(5))


def test_evicted_events_count_as_seen() -> None:
    sequence = Sequence(None, capacity=3)
    for number in range(10, 20):
        sequence.admit(event(number))

    assert not sequence.admit(event(11))
    assert not sequence.admit(event(5))


def test_the_memory_is_bounded() -> None:
    sequence = Sequence(None, capacity=3)

    for number in range(1, 100):
        sequence.admit(event(number))

    assert (len(sequence._seen), len(sequence._keys)) == (3, 3)


def test_a_duplicate_key_is_never_new() -> None:
    sequence = Sequence(None, capacity=10)
    sequence.admit(event(1, key="k"))

    assert not sequence.admit(event(2, key="k"))
    assert not sequence.admit(event(2, key="k"))
    assert sequence.admit(event(3, key="k", sender="eve"))
    assert sequence.position == event(3).id


def test_an_event_without_an_id_is_always_new() -> None:
    sequence = Sequence(None, capacity=10)
    live = Event("", "k", "login.ended", "ada", "ada", "", {})

    assert sequence.admit(live)
    assert sequence.admit(live)
    assert sequence.position is None


def test_a_position_before_the_first_event_is_a_valid_start() -> None:
    sequence = Sequence("start", capacity=10)

    assert sequence.position == "start"
    assert sequence.admit(event(0))
    assert sequence.position == event(0).id


def test_an_end_before_the_last_event_restarts_the_sequence() -> None:
    sequence = Sequence(event(500).id, capacity=10)

    sequence.rewind(None)
    sequence.rewind(event(600).id)
    assert sequence.position == event(500).id
    sequence.rewind("start")

    assert sequence.position == "start"
    assert sequence.admit(event(0))


def test_after_a_restart_only_the_new_position_counts() -> None:
    sequence = Sequence(None, capacity=10)
    sequence.admit(event(500, key="k"))

    sequence.restart(event(5).id)

    assert not sequence.admit(event(5))
    assert sequence.admit(event(6, key="k"))
    assert sequence.position == event(6).id
