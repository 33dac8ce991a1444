"""Order and completeness of delivery, over a real socket."""

import httpx

from tests.e2e.people import Person, register, shared_room
from tests.e2e.product import Product
from tests.e2e.stomp_socket import StompSocket
from tests.support.stomp_frames import Frame


def ids(frames: list[Frame]) -> list[str]:
    return [frame.headers["message-id"] for frame in frames if frame.command == "MESSAGE"]


def test_a_removed_member_receives_the_removal_and_nothing_after_it(
    product: Product, minji: Person, junho: Person
) -> None:
    room = shared_room(minji, junho)
    with (
        StompSocket.open(product.ws_url, minji.token) as hers,
        StompSocket.open(product.ws_url, junho.token) as his,
    ):
        hers.subscribe(room)
        his.subscribe(room)

        minji.call("DELETE", f"/api/rooms/v1/rooms/{room}/members/{junho.id}", status=204)
        while hers.next().json["kind"] != "member.removed":
            pass
        hers.say(room, "now we are alone")
        while hers.next().command != "RECEIPT":
            pass

        kinds = [frame.json["kind"] for frame in his.barrier() if frame.command == "MESSAGE"]
        assert kinds[-1] == "member.removed"
        assert "message.created" not in kinds
        assert his.subscribe(room).command == "ERROR"


def test_since_brings_exactly_what_was_missed_once_and_in_order(mortal: Product) -> None:
    with httpx.Client(base_url=mortal.url, timeout=10) as client:
        minji, junho = register(client, "minji"), register(client, "junho")
        room = shared_room(minji, junho)
    with StompSocket.open(mortal.ws_url, minji.token) as hers:
        hers.subscribe(room)
        with StompSocket.open(mortal.ws_url, junho.token) as his:
            his.subscribe(room)
            seen = hers.say(room, "seen by both")
            last = next(
                frame.headers["message-id"]
                for frame in iter(hers.next, None)
                if frame.headers.get("receipt-id") == seen
            )
        receipts = [hers.say(room, f"missed {number}") for number in range(30)]
        said = []
        while receipts:
            frame = hers.next()
            if frame.command == "RECEIPT":
                receipts.remove(frame.headers["receipt-id"])
                said.append(frame.headers["message-id"])

    mortal.restart()

    with StompSocket.open(mortal.ws_url, junho.token) as his:
        receipt = his.subscribe(room, since=last)
        assert receipt.headers["resumed"] == "true"
        assert ids(his.barrier()) == said
        his.say(room, "and on it goes")
        assert his.next().json["data"] == {"text": "and on it goes"}


def test_a_key_counts_once_even_across_a_crash(mortal: Product) -> None:
    with httpx.Client(base_url=mortal.url, timeout=10) as client:
        minji = register(client, "minji")
        room = shared_room(minji)
    with StompSocket.open(mortal.ws_url, minji.token) as hers:
        hers.say(room, "once", key="k")
        first = hers.next().headers["message-id"]

    mortal.restart()

    with StompSocket.open(mortal.ws_url, minji.token) as hers:
        hers.subscribe(room)
        hers.say(room, "once", key="k", retry="true")
        again = hers.next()
        assert (again.command, again.headers["message-id"]) == ("RECEIPT", first)
        hers.say(room, "something else", key="k")
        assert hers.next().json["type"] == "urn:madang:problem:key-conflict"
