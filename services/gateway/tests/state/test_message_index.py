"""The index of recent events by the message that they target."""

from hypothesis import given
from hypothesis import strategies as st

from madang_gateway.state.message_index import MessageIndex


def test_events_are_found_by_message_oldest_first() -> None:
    index = MessageIndex()
    for at, message in ((1, "a"), (2, "b"), (3, "a")):
        index.add(at, message, deletes=False)

    assert list(index.positions("a")) == [1, 3]
    assert list(index.positions("b")) == [2]
    assert list(index.positions("c")) == []


def test_a_message_is_deleted_while_its_deletion_is_there() -> None:
    index = MessageIndex()
    index.add(1, "a", deletes=True)
    index.add(2, "a", deletes=False)

    assert index.is_deleted("a")
    assert not index.is_deleted("b")
    index.drop(1)
    assert not index.is_deleted("a")


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30),
    st.lists(st.integers(-1, 31)),
)
def test_dropped_events_leave_nothing_behind(
    events: list[tuple[str, bool]], drops: list[int]
) -> None:
    index = MessageIndex()
    for at, (message, deletes) in enumerate(events):
        index.add(at, message, deletes=deletes)

    dropped = -1
    for upto in drops:
        left = index.drop(upto)
        dropped = max(dropped, upto)
        kept = [(at, *event) for at, event in enumerate(events) if at > dropped]
        assert left == bool(kept)
        for message in "abc":
            assert list(index.positions(message)) == [at for at, name, _ in kept if name == message]
            assert index.is_deleted(message) == any(
                deletes for _, name, deletes in kept if name == message
            )
