"""Two people talk through clients that nobody here wrote."""

from contextlib import closing

import httpx
import pytest

from tests.e2e.foreign_clients import Kind, StompJs, StompPy
from tests.e2e.people import Person, register, shared_room
from tests.e2e.product import Product


@pytest.mark.parametrize(
    ("first", "second"), [(StompJs, StompJs), (StompPy, StompPy), (StompJs, StompPy)]
)
def test_each_receives_the_others_messages_and_a_receipt(
    product: Product, minji: Person, junho: Person, first: Kind, second: Kind
) -> None:
    room = shared_room(minji, junho)
    with (
        closing(first(product, minji.token, room)) as hers,
        closing(second(product, junho.token, room)) as his,
    ):
        hers.next("subscribed")
        his.next("subscribed")

        for text in ("hello", "안녕하세요 👋", "a: colon\n and a \\ backslash"):
            hers.say(text)
            mine, heard, receipt = hers.next("message"), his.next("message"), hers.next("receipt")
            assert mine == heard
            assert heard["id"] == heard["message"]["id"] == receipt["id"]
            assert heard["message"]["sender"] == minji.id
            assert heard["message"]["data"] == {"text": text}

            his.say(f"I heard {text}")
            heard, receipt = hers.next("message"), his.next("receipt")
            assert his.next("message") == heard
            assert heard["id"] == receipt["id"]
            assert heard["message"]["sender"] == junho.id


def test_stompjs_comes_back_by_itself_after_a_crash(mortal: Product) -> None:
    with httpx.Client(base_url=mortal.url, timeout=10) as client:
        minji = register(client, "minji")
        room = shared_room(minji)
    with closing(StompJs(mortal, minji.token, room)) as hers:
        hers.next("subscribed")

        mortal.restart()

        hers.next("closed")
        hers.next("subscribed")
        hers.say("back again")
        assert hers.next("message")["id"] == hers.next("receipt")["id"]


def test_a_stranger_is_told_so(product: Product, minji: Person, junho: Person) -> None:
    room = shared_room(minji)

    with closing(StompJs(product, junho.token, room)) as his:
        assert his.next("error")["error"] == "Only members of the room may do this"
        assert his.next("closed")["closed"] == 4403
