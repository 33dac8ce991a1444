"""The life of a message from outside: edits, deletes, reactions, replies, pins."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from stack.servers.deadline import wait_until
from tests.e2e.people import Person, shared_room
from tests.e2e.product import Product
from tests.e2e.stomp_socket import StompSocket

SECRET = "the surprise party is on friday"


@contextmanager
def followed(product: Product, person: Person, room: str, **headers: str) -> Iterator[StompSocket]:
    """Give a connection of `person` that is subscribed to `room` and to its refusals."""
    with StompSocket.open(product.ws_url, person.token) as socket:
        socket.send("SUBSCRIBE", id="errors", destination="/user/queue/errors")
        assert socket.subscribe(room, **headers).command == "RECEIPT"
        yield socket


def messages_path(room: str, *parts: str) -> str:
    """Return where messages of `room` are changed."""
    return "/".join((f"/api/gateway/v1/rooms/{room}/messages", *parts))


def say(person: Person, room: str, text: str, **fields: Any) -> str:
    body = {"text": text, **fields}
    return str(person.call("POST", messages_path(room), status=201, json=body)["id"])


def history(person: Person, room: str, path: str, **query: Any) -> Any:
    return person.call("GET", f"/api/history/v1/rooms/{room}/{path}", status=200, params=query)


def until_stored(person: Person, room: str, event: str) -> None:
    """Wait until history has the event."""

    def is_stored() -> bool:
        items = history(person, room, "events", limit=1)["items"]
        return bool(items) and items[-1]["id"] >= event

    assert wait_until(is_stored, seconds=20)


def state(person: Person, room: str, message: str) -> dict[str, Any]:
    found: dict[str, Any] = history(person, room, f"messages/{message}")
    return found


def change(socket: StompSocket, room: str, action: str, **body: Any) -> str:
    """Send a change over STOMP and return the id of its event."""
    socket.send(
        "SEND",
        json.dumps(body),
        destination=f"/app/rooms.{room}.{action}",
        receipt=action,
        **{"content-type": "application/json"},
    )
    while (frame := socket.next()).command != "RECEIPT":
        assert frame.json.get("status") is None, frame.json
    return frame.headers["message-id"]


def test_a_message_is_changed_over_rest_and_read_in_its_present_state(
    minji: Person, junho: Person
) -> None:
    room = shared_room(minji, junho)
    root = say(minji, room, "lunch?", type="poll", meta={"$options": ["김밥", "pho"], "a.b": 1})
    answer = say(junho, room, "yes", reply_to=root, thread=root)
    path = messages_path(room, root)

    minji.call("PATCH", path, status=200, json={"text": "lunch at noon?"})
    for emoji in ("👍", "❤"):
        junho.call("PUT", f"{path}/reactions/{emoji}", status=200)
    minji.call("PUT", f"{path}/reactions/👍", status=200)
    junho.call("DELETE", f"{path}/reactions/❤️", status=200)
    pinned = minji.call("PUT", f"{path}/pin", status=200)["id"]
    until_stored(minji, room, pinned)

    shown = state(junho, room, root)
    assert shown["text"] == "lunch at noon?"
    assert shown["type"] == "poll"
    assert shown["meta"] == {"$options": ["김밥", "pho"], "a.b": 1}
    assert shown["edited_at"] > shown["at"]
    assert shown["pinned_by"] == minji.id
    assert [(found["emoji"], found["count"], found["mine"]) for found in shown["reactions"]] == [
        ("👍", 2, True)
    ]
    assert shown["thread_summary"]["replies"] == 1
    assert [found["id"] for found in history(junho, room, f"messages/{root}/thread")["items"]] == [
        answer
    ]
    assert [found["id"] for found in history(junho, room, "pins")["items"]] == [root]
    assert [
        found["data"]["text"]
        for found in history(minji, room, f"messages/{root}/versions")["items"]
    ] == ["lunch?", "lunch at noon?"]


def test_all_see_the_changes_that_are_made_over_stomp(
    product: Product, minji: Person, junho: Person
) -> None:
    room = shared_room(minji, junho)
    message = say(minji, room, "hello")
    with (
        followed(product, minji, room) as hers,
        followed(product, junho, room) as his,
        followed(product, junho, room) as listening,
    ):
        changes = [
            change(hers, room, "edit", message=message, text="hello, all"),
            change(his, room, "react", message=message, emoji="🎉"),
            change(his, room, "unreact", message=message, emoji="🎉"),
            change(hers, room, "pin", message=message),
            change(hers, room, "unpin", message=message),
            change(hers, room, "delete", message=message, reason="a test"),
        ]
        heard: list[tuple[str, str]] = []
        while len(heard) < len(changes):
            frame = listening.next()
            heard.append((frame.headers["message-id"], frame.json["kind"]))
    until_stored(minji, room, changes[-1])

    assert [kind for _, kind in heard] == [
        "message.edited",
        "reaction.added",
        "reaction.removed",
        "message.pinned",
        "message.unpinned",
        "message.deleted",
    ]
    assert {event for event, _ in heard} == set(changes)
    deleted = state(junho, room, message)
    assert deleted["deleted"] is True
    assert (deleted["deleted_by"], deleted["reason"]) == (minji.id, "a test")


def test_what_was_deleted_is_in_no_answer(product: Product, minji: Person, junho: Person) -> None:
    room = shared_room(minji, junho)
    message = say(minji, room, SECRET, meta={"note": SECRET}, key="secret")
    minji.call("PATCH", messages_path(room, message), status=200, json={"text": f"{SECRET}!"})
    deleted = junho_is_told_and_it_is_deleted(product, minji, junho, room, message)
    until_stored(minji, room, deleted)

    for path in ("messages", "events", f"messages/{message}", f"messages/{message}/versions"):
        answer = history(minji, room, path)
        assert SECRET not in json.dumps(answer), path
    for socket_since in ("start", message):
        with followed(product, junho, room, since=socket_since) as his:
            frames = his.barrier()
            assert frames
            assert all(SECRET not in json.dumps(frame.json) for frame in frames)
    # The key still names the first event, whose content is gone.
    assert say(minji, room, SECRET, meta={"note": SECRET}, key="secret") == message


def junho_is_told_and_it_is_deleted(
    product: Product, minji: Person, junho: Person, room: str, message: str
) -> str:
    """Return the id of the deletion, once junho has received it."""
    with followed(product, junho, room) as his:
        deleted = minji.call("DELETE", messages_path(room, message), status=200)["id"]
        while (frame := his.next()).headers.get("message-id") != deleted:
            assert frame.command == "MESSAGE"
    return str(deleted)


def test_who_may_not_change_a_message_is_told_why(minji: Person, junho: Person) -> None:
    room, other_room = shared_room(minji, junho), shared_room(minji, junho)
    message = say(minji, room, "mine")
    path = messages_path(room, message)

    junho.call("PATCH", path, status=403, json={"text": "his"})
    junho.call("DELETE", path, status=403)
    junho.call("PUT", f"{path}/pin", status=403)
    junho.call("PUT", f"{path}/reactions/thumbs", status=422)
    junho.call("PUT", f"{messages_path(other_room, message)}/reactions/👍", status=404)
    minji.call("DELETE", path, status=200)
    minji.call("PATCH", path, status=409, json={"text": "again"})
    junho.call("PUT", f"{path}/reactions/👍", status=409)


@pytest.mark.parametrize("by", ["author", "owner"])
def test_the_author_and_the_owner_delete_a_message(minji: Person, junho: Person, by: str) -> None:
    room = shared_room(minji, junho)
    message = say(junho, room, "off topic")
    person = junho if by == "author" else minji

    deleted = person.call("DELETE", messages_path(room, message), status=200)

    until_stored(minji, room, deleted["id"])
    assert state(minji, room, message)["deleted_by"] == person.id
