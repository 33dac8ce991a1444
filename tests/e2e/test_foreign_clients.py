"""Two users chat through third-party clients."""

import time
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from tests.e2e.foreign_clients import Kind, StompJs, StompPy, Tutorial
from tests.e2e.people import Person, register, shared_room
from tests.e2e.product import Product
from tests.e2e.stomp_socket import StompSocket


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
        assert his.next("error")["error"] == "You are not a member of this room."
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


# What public clients of the tutorials send, with the type that others are shown, or None.
_TUTORIALS_SENDS = [
    ("/pub/chat.enter.{room}", '{"memberId":1,"nickname":"x"}', "ENTER"),
    ("/pub/chat.enter.{room}", "", "ENTER"),
    ("/pub/chat/enter", '{"roomId":"{room}","writer":"x"}', "ENTER"),
    ("/pub/chat/enterUser", '{"type":"ENTER","roomId":"{room}","sender":"x"}', "ENTER"),
    ("/pub/chat/message", '{"type":"ENTER","roomId":"{room}","message":null}', "ENTER"),
    ("/pub/chat/message", '{"type":"JOIN","roomId":"{room}"}', "ENTER"),
    ("/pub/chat/message", '{"type":"CHAT","content":"hi","roomId":"{room}"}', "TALK"),
    ("/pub/chat/message", '{"chatRoomId":"{room}","message":"hi"}', "TALK"),
    ("/pub/chat.message.{room}", '{"memberId":1,"nickname":"x","message":"hi"}', "TALK"),
    ("/pub/chat.message.{room}", '{"name":"x","content":"hi"}', "TALK"),
    ("/pub/chat", '{"roomId":"{room}","writer":"x","msg":"hi"}', "TALK"),
    ("/pub/chat/{room}", '{"type":"talk","content":"hi","room":7}', "TALK"),
    ("/pub/chat/message", '{"type":"LEAVE","roomId":"{room}"}', "QUIT"),
    ("/pub/chat.leave.{room}", "{}", "QUIT"),
    ("/pub/chat/message", '{"type":"TALK","roomId":"{room}","message":""}', None),
    ("/pub/chat/message", '{"type":"GAME","roomId":"{room}","message":"hi"}', None),
    ("/pub/chat/message", "hi", None),
    ("/pub/chat/messageList/7", '{"page":1}', None),
]


def test_what_tutorials_send_is_understood_or_ignored(
    product: Product, minji: Person, junho: Person
) -> None:
    room = shared_room(minji, junho)
    with (
        StompSocket.open(product.ws_url, junho.token) as his,
        StompSocket.open(product.ws_url, minji.token) as hers,
    ):
        topic = f"/sub/chat/room/{room}"
        his.send("SUBSCRIBE", id="0", destination=topic, since="start")
        while his.next().json["sender"] != "Junho":
            pass  # until he sees himself join

        for number, (destination, body, said) in enumerate(_TUTORIALS_SENDS):
            target = destination.replace("{room}", room)
            sent = body.replace("{room}", room)
            hers.send("SEND", sent, destination=target, receipt=str(number))
            receipt = hers.next()
            assert (receipt.command, receipt.headers["receipt-id"]) == ("RECEIPT", str(number))
            if said is not None:
                heard = his.next().json
                assert (heard["type"], heard["roomId"], heard["sender"]) == (said, room, "Minji")
                assert said != "TALK" or heard["message"] == "hi"
            # Nothing else came of it.
            assert his.barrier() == []


def test_a_stranger_who_sends_as_tutorials_do_is_refused(
    product: Product, minji: Person, junho: Person
) -> None:
    room = shared_room(minji)
    with StompSocket.open(product.ws_url, junho.token) as his:
        his.send("SEND", "{}", destination=f"/pub/chat.enter.{room}")

        frames, code = his.rest()

    assert [frame.command for frame in frames] == ["ERROR"]
    assert code == 4403


@pytest.mark.parametrize(
    ("offers", "accepts", "agreed"),
    [
        (("v10.stomp", "v11.stomp", "v12.stomp"), "1.1,1.0", "1.1"),
        (("v10.stomp", "v11.stomp", "v12.stomp"), None, "1.0"),
        (("v10.stomp", "v11.stomp", "v12.stomp"), "1.0,1.1,1.2", "1.2"),
        (("v10.stomp", "v11.stomp"), "1.2,1.1,1.0", "1.1"),
        (("v12.stomp", "v10.stomp"), "1.1,1.0", "1.0"),
        ((), "1.1,1.0", "1.1"),
        ((), None, "1.0"),
    ],
)
def test_the_version_is_one_of_those_that_the_subprotocols_offer(
    product: Product, minji: Person, offers: tuple[str, ...], accepts: str | None, agreed: str
) -> None:
    room = shared_room(minji)

    with StompSocket.open(product.ws_url, minji.token, offers=offers, accepts=accepts) as hers:
        assert hers.version == agreed
        assert hers.subscribe(room).command == "RECEIPT"
        hers.say(room, "hi")
        assert "MESSAGE" in {hers.next().command, hers.next().command}


def test_a_sender_gives_no_header_with_a_meaning_to_the_receivers(
    product: Product, minji: Person, junho: Person
) -> None:
    room = shared_room(minji, junho)
    names = ["receipt-id", "user-name", "session", "server", "version", "heart-beat", "host"]
    names += ["ack", "id", "selector", "x-stream-offset", "since", "Receipt-Id", " session "]
    with (
        StompSocket.open(product.ws_url, junho.token) as his,
        StompSocket.open(product.ws_url, minji.token) as hers,
    ):
        assert his.subscribe(room).command == "RECEIPT"

        hers.say(room, "hi", **dict.fromkeys(names, "forged"), priority="9")

        heard = his.next()
        while heard.json["kind"] != "message.created":
            heard = his.next()  # what rooms told of the two may come only now
        assert "forged" not in heard.headers.values()
        assert heard.headers["priority"] == "9"


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
