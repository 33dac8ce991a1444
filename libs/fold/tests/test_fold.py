import pytest

from madang_fold import MAX_EMOJI, MAX_REACTIONS, RoomEvent, changes, fold, targets
from madang_fold.message import Message

CREATED = RoomEvent(
    "000000000800", "message.created", "minji", "Minji", "2026-11-30T09:00:00.000Z", {"text": "hi"}
)
MESSAGE = Message("000000000800", "000000000800", "minji", "Minji", CREATED.at, text="hi")


def later(kind: str, message: str = MESSAGE.id, **data: object) -> RoomEvent:
    return RoomEvent("000000000c00", kind, "minji", "Minji", "later", {"message": message, **data})


def test_a_creation_makes_a_message_of_nothing() -> None:
    assert fold(None, CREATED) == MESSAGE


@pytest.mark.parametrize("kind", ["message.edited", "message.deleted", "reaction.added"])
def test_no_other_event_makes_a_message(kind: str) -> None:
    assert fold(None, later(kind, text="x", emoji="👍")) is None


@pytest.mark.parametrize(
    "event",
    [
        CREATED,
        CREATED._replace(id="000000000c00"),
        CREATED._replace(id="000000000c00", data={"text": "re", "thread": "000000000400"}),
        later("message.edited", "000000000400", text="x"),
        later("message.edited", text=5),
        later("room.updated"),
    ],
    ids=["repeated", "another message", "another thread", "another target", "malformed", "kind"],
)
def test_an_event_that_does_not_target_a_message_returns_the_same_object(event: RoomEvent) -> None:
    assert fold(MESSAGE, event) is MESSAGE


def test_an_unknown_root_is_not_made_of_a_reply() -> None:
    reply = CREATED._replace(id="000000000c00", data={"text": "re", "thread": MESSAGE.id})

    assert targets(reply) == (reply.id, MESSAGE.id)
    assert [message.id for message in changes({}, reply)] == [reply.id]
    assert [message.id for message in changes({MESSAGE.id: MESSAGE}, reply)] == [
        reply.id,
        MESSAGE.id,
    ]


def test_a_message_cannot_be_changed_in_place() -> None:
    message = fold(MESSAGE, later("reaction.added", emoji="👍"))
    assert message is not None

    with pytest.raises(TypeError):
        message.reactions["👍"] = ()  # type: ignore[index]
    with pytest.raises(TypeError):
        MESSAGE.reactions["👍"] = ()  # type: ignore[index]
    with pytest.raises(AttributeError):
        message.text = "x"  # type: ignore[misc]


def test_the_bounds_are_those_of_the_vectors() -> None:
    assert (MAX_EMOJI, MAX_REACTIONS) == (20, 5000)
