import pytest

from madang_gateway.protocol.destinations import (
    Action,
    SendTarget,
    Source,
    Topic,
    send_target,
    topic,
)


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("/app/rooms.abc.send", SendTarget(Action.MESSAGE, "abc")),
        ("/app/rooms.abc.typing", SendTarget(Action.TYPING, "abc")),
        ("/app/rooms.abc.read", SendTarget(Action.READ, "abc")),
        ("/app/rooms.A_b-9.send", SendTarget(Action.MESSAGE, "A_b-9")),
        ("/app/token", SendTarget(Action.TOKEN)),
    ],
)
def test_the_destination_of_a_send_has_a_target(destination: str, expected: SendTarget) -> None:
    assert send_target(destination) == expected


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "/app",
        "/app/rooms.abc",
        "/app/rooms..send",
        "/app/rooms.abc.enter",
        "/app/rooms.abc.shout",
        "/app/rooms.abc.send ",
        "/app/rooms.abc.send\n",
        "/app/rooms.a/b.send",
        "/app/rooms.a.b.send",
        "/app/rooms.마당.send",
        f"/app/rooms.{'a' * 65}.send",
        "/topic/rooms.abc",
        "/app/token/",
    ],
)
def test_other_destinations_of_a_send_are_unknown(destination: str) -> None:
    assert send_target(destination) is None


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("/topic/rooms.abc", Topic(Source.ROOM, "rooms.abc", "abc")),
        ("/topic/rooms.abc.live", Topic(Source.ROOM_LIVE, "rooms.abc.live", "abc")),
        ("/user/queue/events", Topic(Source.USER, "users.mina")),
        ("/user/queue/errors", Topic(Source.ERRORS, "")),
    ],
)
def test_the_destination_of_a_subscribe_has_a_topic(destination: str, expected: Topic) -> None:
    assert topic(destination, "mina") == expected


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "/topic/rooms.",
        "/topic/rooms.*",
        "/topic/rooms.abc.dead",
        "/topic/rooms.abc\n",
        "/topic/users.jun",
        "/user/jun/queue/events",
        "/user/queue/events/",
    ],
)
def test_other_destinations_of_a_subscribe_are_unknown(destination: str) -> None:
    assert topic(destination, "mina") is None
