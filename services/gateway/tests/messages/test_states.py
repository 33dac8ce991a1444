"""The cache of message states."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from madang_common.events.envelope import Event
from madang_common.log.position import position, to_id
from madang_fold import Message, fold
from madang_gateway.messages.lookup import room_event
from madang_gateway.messages.states import MessageStates
from services.gateway.tests.harness import message

ROOM = "rooms.yard"
CREATED = room_event(0, message("hi", sender="mina"))
ID = to_id(0)


def created() -> Message:
    state = fold(None, CREATED)
    assert state is not None
    return state


def event(kind: str, sender: str = "mina", **data: Any) -> Event:
    return message(kind=kind, sender=sender, data={"message": ID, **data})


def test_a_state_has_no_content() -> None:
    states = MessageStates(10_000)

    states.put(ROOM, created()._replace(meta={"a": 1}))

    state = states.get(ROOM, ID)
    assert state is not None
    assert (state.sender, state.text, dict(state.meta)) == ("mina", None, {})


def test_messages_of_different_rooms_may_have_the_same_id() -> None:
    states = MessageStates(10_000)

    states.put(ROOM, created())

    assert states.get("rooms.well", ID) is None


def test_states_that_are_not_cached_stay_unknown() -> None:
    states = MessageStates(10_000)

    states.apply(ROOM, ID, room_event(1, event("message.deleted")))

    assert states.get(ROOM, ID) is None
    assert states.bytes == 0


def test_the_least_recently_used_states_are_dropped() -> None:
    states = MessageStates(2_500)
    for number in range(3):
        states.put(ROOM, created()._replace(id=to_id(number)))
    states.get(ROOM, to_id(0))

    states.put(ROOM, created()._replace(id=to_id(3)))

    assert [states.get(ROOM, to_id(number)) is None for number in range(4)] == [
        False,
        True,
        False,
        False,
    ]


def test_reactions_count_by_users_and_the_last_state_stays() -> None:
    states = MessageStates(2_000)
    states.put(ROOM, created()._replace(id=to_id(9)))
    states.put(ROOM, created())

    for number in range(20):
        added = event("reaction.added", f"user-{number}", emoji="👍")
        states.apply(ROOM, ID, room_event(number + 1, added))

    assert len(states) == 1
    assert states.bytes == 800 + 20 * 100


def test_clear_drops_everything() -> None:
    states = MessageStates(10_000)
    states.put(ROOM, created())

    states.clear()

    assert (states.get(ROOM, ID), states.bytes, len(states)) == (None, 0, 0)


EVENTS = st.lists(
    st.one_of(
        st.builds(event, st.just("message.edited"), text=st.sampled_from("xy")),
        st.builds(event, st.just("message.deleted"), st.sampled_from(["mina", "jun"])),
        st.builds(
            event,
            st.sampled_from(["reaction.added", "reaction.removed"]),
            st.sampled_from(["mina", "jun", "ara"]),
            emoji=st.sampled_from("👍👎"),
        ),
        st.builds(event, st.sampled_from(["message.pinned", "message.unpinned"])),
    ),
    max_size=20,
)


@given(EVENTS, st.integers(0, 20))
def test_what_is_checked_is_as_after_the_whole_fold(events: list[Event], cached_at: int) -> None:
    states, state = MessageStates(1_000_000), created()

    for number, one in enumerate(events):
        if number == cached_at:
            states.put(ROOM, state)
        folded = room_event(position(number + 1, 0), one)
        states.apply(ROOM, ID, folded)
        state = fold(state, folded) or state

    cached = states.get(ROOM, ID)
    if cached is not None:
        assert (cached.sender, cached.at, cached.reactions, cached.deleted) == (
            state.sender,
            state.at,
            state.reactions,
            state.deleted,
        )
