import pytest

from madang_fold import Message, RoomEvent, RoomMessages, fold_events


def created(number: int, **data: object) -> RoomEvent:
    event_id = f"{number:012d}"
    return RoomEvent(event_id, "message.created", "minji", "Minji", "at", {"text": "hi", **data})


def test_apply_returns_the_messages_that_changed() -> None:
    room = RoomMessages()

    first = room.apply(created(1))
    second = room.apply(created(2, thread=created(1).id))
    repeated = room.apply(created(2, thread=created(1).id))

    assert [message.id for message in first] == [created(1).id]
    assert [message.id for message in second] == [created(2).id, created(1).id]
    assert second == (room.messages[created(2).id], room.messages[created(1).id])
    assert repeated == ()


def test_apply_does_not_return_a_message_that_it_drops() -> None:
    room = RoomMessages(limit=1)
    room.apply(created(1))

    changed = room.apply(created(2, thread=created(1).id))

    assert [message.id for message in changed] == [created(2).id]
    assert list(room.messages) == [created(2).id]


def test_a_message_older_than_all_returns_nothing_if_there_is_no_room_for_it() -> None:
    room = RoomMessages(limit=2)
    room.apply(created(3))

    assert [message.id for message in room.apply(created(1))] == [created(1).id]
    assert list(room.messages) == [created(1).id, created(3).id]
    assert room.apply(created(0)) == ()
    assert [message.id for message in room.apply(created(2))] == [created(2).id]
    assert list(room.messages) == [created(2).id, created(3).id]


def test_the_messages_are_a_view_that_cannot_be_written() -> None:
    room = RoomMessages()
    view = room.messages
    room.apply(created(1))

    assert list(view) == [created(1).id]
    with pytest.raises(TypeError):
        view["x"] = view[created(1).id]  # type: ignore[index]


def test_the_states_before_are_sorted_and_kept() -> None:
    before = [Message(f"{number:012d}", f"{number:012d}", "m", "M", "at") for number in (3, 1, 2)]

    assert list(fold_events([], before)) == [before[1].id, before[2].id, before[0].id]
    assert fold_events([created(3)], before)[before[0].id] is before[0]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_leaves_room_for_a_message(limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        RoomMessages(limit=limit)
