"""Presence in a room, over all gateways."""

import time
from typing import Any

import httpx

from tests.e2e.people import Person, register, shared_room
from tests.e2e.product import Product
from tests.e2e.stomp_socket import StompSocket

_GONE_SECONDS = 40
"""More than it takes until those of a gateway that died are gone."""


def present(person: Person, room: str) -> dict[str, Any]:
    path = f"/api/gateway/v1/rooms/{room}/presence"
    found: dict[str, Any] = person.call("GET", path, status=200)
    return found


def shows(person: Person, room: str, *others: Person) -> dict[str, Any]:
    """Wait until exactly `others` are present, and return that answer."""
    wanted = sorted(other.id for other in others)
    found: dict[str, Any] = {}
    deadline = time.monotonic() + _GONE_SECONDS
    while time.monotonic() < deadline:
        found = present(person, room)
        if [item["user"] for item in found["items"]] == wanted:
            return found
        time.sleep(0.05)
    raise AssertionError(f"present are {found}, not {wanted}")


def notice(socket: StompSocket, user: Person) -> str:
    """Return the kind of the next presence notice about `user`."""
    while True:
        frame = socket.next()
        if frame.command == "MESSAGE" and frame.json["data"].get("user") == user.id:
            return str(frame.json["kind"])


def follow(socket: StompSocket, room: str) -> None:
    """Follow the live events of a room."""
    topic = f"/topic/rooms.{room}.live"
    socket.send("SUBSCRIBE", id="live", destination=topic, receipt="following")
    while socket.next().headers.get("receipt-id") != "following":
        pass


def test_everyone_sees_and_hears_who_comes_and_goes(
    product: Product, minji: Person, junho: Person
) -> None:
    room = shared_room(minji, junho)
    with StompSocket.open(product.ws_url, minji.token) as hers:
        follow(hers, room)
        assert notice(hers, minji) == "presence.joined"
        with (
            StompSocket.open(product.ws_url, junho.token) as his,
            StompSocket.open(product.ws_url, junho.token) as his_other,
        ):
            his.subscribe(room)
            assert notice(hers, junho) == "presence.joined"
            his_other.subscribe(room)
            found = shows(junho, room, minji, junho)
            assert found["count"] == 2
            assert {item["name"] for item in found["items"]} == {"Minji", "Junho"}
        assert notice(hers, junho) == "presence.left"
        shows(junho, room, minji)
    shows(junho, room)


def test_a_removed_member_is_not_present_any_more(
    product: Product, minji: Person, junho: Person
) -> None:
    room = shared_room(minji, junho)
    with (
        StompSocket.open(product.ws_url, minji.token) as hers,
        StompSocket.open(product.ws_url, junho.token) as his,
    ):
        follow(hers, room)
        follow(his, room)
        shows(minji, room, minji, junho)

        minji.call("DELETE", f"/api/rooms/v1/rooms/{room}/members/{junho.id}", status=204)

        shows(minji, room, minji)
        junho.call("GET", f"/api/gateway/v1/rooms/{room}/presence", status=403)


def test_after_a_crash_only_those_who_come_back_are_present(mortal: Product) -> None:
    with httpx.Client(base_url=mortal.url, timeout=10) as client:
        minji, junho = register(client, "minji"), register(client, "junho")
        room = shared_room(minji, junho)
        with (
            StompSocket.open(mortal.ws_url, minji.token) as hers,
            StompSocket.open(mortal.ws_url, junho.token) as his,
        ):
            hers.subscribe(room)
            his.subscribe(room)
            shows(minji, room, minji, junho)
            mortal.kill()
        mortal.launch()

        with StompSocket.open(mortal.ws_url, junho.token) as his:
            his.subscribe(room)

            shows(junho, room, junho)
