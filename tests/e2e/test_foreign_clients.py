"""Two people talk through clients that nobody here wrote."""

import time
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from tests.e2e.foreign_clients import Kind, StompJs, StompPy, Tutorial
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


@pytest.mark.parametrize(
    "options",
    [
        {"splitLargeFrames": True, "maxWebSocketChunkSize": 100},
        {"forceBinaryWSFrames": True},
        {"splitLargeFrames": True, "forceBinaryWSFrames": True},
        {"appendMissingNULLonIncoming": True},
    ],
    ids="-".join,
)
def test_stompjs_may_cut_its_frames_and_send_bytes(
    product: Product, minji: Person, junho: Person, options: dict[str, object]
) -> None:
    room = shared_room(minji, junho)
    with (
        closing(StompJs(product, minji.token, room, **options)) as hers,
        closing(StompPy(product, junho.token, room)) as his,
    ):
        hers.next("subscribed")
        his.next("subscribed")

        for text in ("short", "마당 👋 " * 900, "x" * 16_000):
            hers.say(text)
            heard = his.next("message")
            assert heard["message"]["data"] == {"text": text}
            assert hers.next("message") == heard
            assert hers.next("receipt")["id"] == heard["id"]


def test_stompjs_keeps_its_heartbeats_and_notices_when_ours_stop(
    with_settings: Callable[..., Product],
) -> None:
    quick = with_settings(MADANG_HEARTBEAT_SECONDS="0.5")
    with httpx.Client(base_url=quick.url, timeout=10) as client:
        minji = register(client, "minji")
        room = shared_room(minji)
    beats = {"heartbeatIncoming": 500, "heartbeatOutgoing": 500}
    # It would wait for the answer to its close frame, which nobody gives.
    beats |= {"discardWebsocketOnCommFailure": True}
    with closing(StompJs(quick, minji.token, room, **beats)) as hers:
        hers.next("subscribed")
        # Longer than either side puts up with silence.
        time.sleep(2.5)
        hers.say("still the same connection")
        assert hers.next("message")["id"] == hers.next("receipt")["id"]
        assert hers.empty("closed")

        quick.pause()
        try:
            hers.next("closed")
        finally:
            quick.resume()

        hers.next("subscribed")
        hers.say("back again")
        assert hers.next("message")["id"] == hers.next("receipt")["id"]


@pytest.mark.parametrize("family", ["topic", "exchange"])
@pytest.mark.parametrize("transport", ["sockjs", "websocket"])
@pytest.mark.parametrize("library", ["stompjs", "webstomp"])
def test_the_tutorials_client_talks_with_todays(
    product: Product, minji: Person, junho: Person, library: str, transport: str, family: str
) -> None:
    room = shared_room(minji, junho)
    old = {"library": library, "transport": transport, "family": family, "name": "Mallory"}
    with (
        closing(StompJs(product, junho.token, room)) as his,
        closing(Tutorial(product, minji.token, room, **old)) as hers,
    ):
        his.next("subscribed")
        hers.next("subscribed")
        entered = hers.next("ENTER")["ENTER"]
        assert entered["roomId"] == room
        assert entered["sender"] == "Minji"

        for text in ("hello", "안녕하세요 👋", "a: colon\n and a \\ backslash"):
            hers.say(text)
            talk, heard = hers.next("TALK"), his.next("message")
            assert talk["id"] == heard["id"]
            # The name is the token's, whatever the client says.
            said = {"type": "TALK", "roomId": room, "sender": "Minji", "message": text}
            assert talk["TALK"] == said | {"userCount": talk["TALK"]["userCount"]}
            assert heard["message"]["data"] == {"text": text}
            hers.next("receipt")

            his.say(f"I heard {text}")
            talk, heard = hers.next("TALK"), his.next("message")
            assert talk["id"] == heard["id"]
            assert (talk["TALK"]["sender"], talk["TALK"]["message"]) == ("Junho", f"I heard {text}")
            his.next("receipt")
    hers.next("disconnected")


@pytest.mark.parametrize("library", ["stompjs", "webstomp"])
def test_two_tutorial_clients_see_each_other_come_talk_and_go(
    product: Product, minji: Person, junho: Person, library: str
) -> None:
    room = shared_room(minji, junho)
    with closing(Tutorial(product, minji.token, room, library=library)) as hers:
        hers.next("subscribed")
        assert hers.next("ENTER")["ENTER"]["sender"] == "Minji"
        with closing(Tutorial(product, junho.token, room, library=library)) as his:
            his.next("subscribed")
            assert hers.next("ENTER")["ENTER"]["message"] == "Junho entered the room."
            his.say("hi")
            assert hers.next("TALK")["TALK"] == his.next("TALK")["TALK"]
        assert hers.next("QUIT")["QUIT"]["message"] == "Junho left the room."


@pytest.mark.parametrize("library", ["stompjs", "webstomp"])
def test_a_tutorial_client_without_a_good_token_is_told_so(
    product: Product, minji: Person, library: str
) -> None:
    room = shared_room(minji)

    with closing(Tutorial(product, "nonsense", room, library=library)) as hers:
        assert "token" in hers.next("error")["error"]


@pytest.mark.parametrize("path", ["/000/abc/xhr_streaming", "/000/abc/xhr"])
def test_sockjs_has_no_other_transport(product: Product, path: str) -> None:
    with httpx.Client(base_url=product.url, timeout=10) as client:
        assert client.get("/ws-stomp/info").json()["websocket"] is True
        assert client.post(f"/ws-stomp{path}").status_code == 404
