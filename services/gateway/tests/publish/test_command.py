"""The command of a SEND."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_common.events.data import Data
from madang_common.events.kinds import PresenceEntered, PresenceQuit, RoomRead, RoomTyping, document
from madang_common.events.message_kinds import MessageCreated
from madang_common.problems import InvalidBody, InvalidRequest, NotFound, Problem
from madang_gateway.protocol.destinations import Action
from madang_gateway.protocol.stomp.events import Send
from madang_gateway.publish.command import ACTION_EVENTS, SendCommand, bearer, read_send

SEND = "/app/rooms.abc.send"
ID = "000000000800"


def read(body: bytes, destination: str = SEND, **headers: str) -> SendCommand:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named["destination"] = destination
    command = read_send(Send(destination, named, body, None), with_aliases=True)
    assert command is not None
    return command


def with_headers(headers: dict[str, str]) -> SendCommand:
    command = read_send(Send(SEND, headers, b"hi", None), with_aliases=False)
    assert command is not None
    return command


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b'{"text":"hi"}', "application/json", "hi"),
        (b'{"text":"hi"}', "application/json;charset=utf-8", "hi"),
        (b'{"text":"hi"}', "", "hi"),
        (b"hi", "text/plain", "hi"),
        (b"hi", "", "hi"),
        (b'{"text":"hi"}', "text/plain", '{"text":"hi"}'),
        (b'{"text":"hi"}', "Text/Plain", '{"text":"hi"}'),
        (b'{"text":"hi"}', "Application/JSON", "hi"),
        (b"{ not json", "", "{ not json"),
        (b'{"text":"hi","more":1}', "", '{"text":"hi","more":1}'),
        (b'"hi"', "", '"hi"'),
        ("안녕 🙂".encode(), "", "안녕 🙂"),
        (b"a\0b\nc", "text/plain", "a\0b\nc"),
    ],
)
def test_a_body_is_json_or_plain_text(body: bytes, content_type: str, text: str) -> None:
    command = read(body, content_type=content_type) if content_type else read(body)

    assert command.data == {"text": text}
    assert (command.action, command.room, command.size) == (Action.MESSAGE, "abc", len(body))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_text_is_the_same_message_as_through_the_model(text: str) -> None:
    command = read(text.encode(), content_type="text/plain")

    assert command.data == document(MessageCreated(text=text))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", ""),
        (b"", "text/plain"),
        (b"", "application/json"),
        (b'{"text":""}', "application/json"),
        (b'{"text":5}', "application/json"),
        (b'{"text":5}', "Application/JSON"),
        (b'{"text":"a","x":1}', "application/json"),
        (b'{"text":"\\ud800"}', "application/json"),
        (b"[" * 9000, "application/json"),
        (b"hi", "application/json"),
        (b"\xff", ""),
        (b"\xff", "text/plain"),
        (b'{"text":"\xff"}', "application/json"),
    ],
)
def test_a_body_without_text_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(InvalidBody):
        read(body, content_type=content_type)


def test_many_unknown_fields_are_one_error() -> None:
    body = orjson.dumps({f"field-{number}": 1 for number in range(1000)})

    with pytest.raises(InvalidBody) as refused:
        read(body, content_type="application/json")

    assert refused.value.detail == "Body: at most 16 fields."
    assert "errors" not in refused.value.members


@pytest.mark.parametrize(
    ("destination", "body", "data"),
    [
        ("/app/rooms.abc.typing", b"", RoomTyping()),
        ("/app/rooms.abc.typing", b"{}", RoomTyping()),
        ("/app/rooms.abc.read", b'{"upto":"000000000001"}', RoomRead(upto="000000000001")),
        ("/pub/chat.message.abc", b'{"type":"ENTER"}', PresenceEntered()),
        ("/pub/chat.message.abc", b'{"type":"QUIT","message":"x"}', PresenceQuit()),
        ("/pub/chat.message.abc", b'{"type":"TALK","message":"x"}', MessageCreated(text="x")),
    ],
)
def test_each_destination_has_data_of_its_own(destination: str, body: bytes, data: Data) -> None:
    sent = read(body, destination)

    assert (sent.kind, sent.data) == (data.kind, document(data))


@pytest.mark.parametrize(
    ("destination", "body"),
    [
        ("/app/rooms.abc.typing", b"hi"),
        ("/app/rooms.abc.typing", b'{"x":1}'),
        ("/app/rooms.abc.read", b""),
        ("/app/rooms.abc.read", b'{"upto":"1"}'),
    ],
)
def test_data_that_does_not_fit_the_destination_is_refused(destination: str, body: bytes) -> None:
    with pytest.raises(InvalidBody):
        read(body, destination)


@pytest.mark.parametrize("body", [b"hi", b'{"type":"TALK"}', b'{"type":"WAVE","message":"hi"}'])
def test_an_unknown_send_of_a_tutorial_is_none(body: bytes) -> None:
    assert read_send(Send("/pub/chat.message.abc", {}, body, None), with_aliases=True) is None


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "x/y"])
def test_a_tutorials_text_is_its_message_whatever_the_content_type(content_type: str) -> None:
    body = b'{"type":"TALK","message":"{\\"text\\":\\"x\\"}"}'

    command = read(body, "/pub/chat.message.abc", content_type=content_type)

    assert command.data == {"text": '{"text":"x"}'}


def test_an_unknown_destination_is_not_found() -> None:
    with pytest.raises(NotFound):
        read(b"hi", "/queue/anything")
    with pytest.raises(NotFound):
        read_send(Send("/pub/chat.message.abc", {}, b"{}", None), with_aliases=False)


def test_a_token_is_no_message() -> None:
    with pytest.raises(InvalidRequest):
        read(b"a.b.c", "/app/token")


def test_a_send_without_a_key_gets_one_of_its_own() -> None:
    first, second = read(b"hi"), read(b"hi")

    assert first.key != second.key
    assert not first.retry


@pytest.mark.parametrize("key", ["k", "k" * 64, "with spaces", "열쇠"])
def test_a_key_is_taken_as_it_is(key: str) -> None:
    assert read(b"hi", key=key).key == key


@pytest.mark.parametrize("key", ["", "k" * 65, "a\nb", "a\0b", "\u202e"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest):
        read(b"hi", key=key)


@pytest.mark.parametrize(
    ("headers", "retry"),
    [
        ({"key": "k", "retry": "true"}, True),
        ({"key": "k", "retry": "false"}, False),
        ({"key": "k", "retry": "TRUE"}, False),
        ({"retry": "true"}, False),
    ],
)
def test_only_a_send_with_a_key_can_be_a_retry(headers: dict[str, str], *, retry: bool) -> None:
    assert read(b"hi", **headers).retry is retry


def test_headers_of_the_senders_own_are_passed_on() -> None:
    assert dict(with_headers({"x-color": "red", "Reply-To": "42", "": "odd"}).headers) == {
        "x-color": "red",
        "Reply-To": "42",
        "": "odd",
    }


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "authorization",
        "AUTHORIZATION",
        "token",
        "Token",
        "passcode",
        "login",
        "key",
        "retry",
        "receipt",
        "transaction",
        "destination",
        "content-type",
        "content-length",
        "subscription",
        "message-id",
        "Message-ID",
        "ack",
        "Authorization ",
        "message-id\r",
        "\rcontent-length",
    ],
)
def test_tokens_and_headers_for_the_gateway_alone_are_never_passed_on(name: str) -> None:
    assert with_headers({name: "k", "x": "y"}).headers == {"x": "y"}


def test_headers_to_pass_on_are_bounded() -> None:
    assert with_headers({"x": "y" * 4088}).headers
    for headers in ({"x": "y" * 4089}, {"x": "\x01" * 700}, {"x": "가" * 1400}):
        with pytest.raises(InvalidRequest):
            with_headers(headers)
    assert with_headers({"authorization": "y" * 10_000}).headers == {}


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        (None, None),
        ("", None),
        ("a.b.c", "a.b.c"),
        ("Bearer a.b.c", "a.b.c"),
        ("bearer   a.b.c ", "a.b.c"),
        ("Bearer", ""),
        ("Bearer ", ""),
    ],
)
def test_a_token_comes_with_or_without_its_scheme(
    authorization: str | None, token: str | None
) -> None:
    assert bearer(authorization) == token


def test_a_send_may_carry_a_token_of_its_own() -> None:
    assert read(b"hi", Authorization="Bearer a.b.c").token == "a.b.c"
    assert read(b"hi", authorization="a.b.c").token == "a.b.c"
    assert read(b"hi").token is None


def test_a_refusal_says_which_field_is_wrong_but_not_its_value() -> None:
    with pytest.raises(Problem) as refused:
        read(b'{"text":5,"secret":"hunter2"}', content_type="application/json")

    response = orjson.dumps(refused.value.document())
    assert b'"field":"text"' in response
    assert b"hunter2" not in response


def test_the_size_of_a_refusal_is_bounded() -> None:
    body = orjson.dumps({str(number): 0 for number in range(5000)})

    with pytest.raises(Problem) as refused:
        read(body, content_type="application/json")

    assert len(orjson.dumps(refused.value.document())) < 5000


@pytest.mark.parametrize(
    ("action", "body", "kind", "data"),
    [
        ("edit", {"message": ID, "text": "ho"}, "message.edited", None),
        ("edit", {"message": ID, "meta": {}}, "message.edited", None),
        ("edit", {"message": ID, "text": "ho", "meta": {"a": [1]}}, "message.edited", None),
        ("delete", {"message": ID}, "message.deleted", None),
        ("delete", {"message": ID, "reason": "oops"}, "message.deleted", None),
        ("delete", {"message": ID, "reason": None}, "message.deleted", {"message": ID}),
        ("react", {"message": ID, "emoji": "👍"}, "reaction.added", None),
        (
            "react",
            {"message": ID, "emoji": "❤"},
            "reaction.added",
            {"message": ID, "emoji": "❤\ufe0f"},
        ),
        ("unreact", {"message": ID, "emoji": "👍"}, "reaction.removed", None),
        ("pin", {"message": ID}, "message.pinned", None),
        ("unpin", {"message": ID}, "message.unpinned", None),
        (
            "send",
            {"text": "hi", "type": "poll", "meta": {"a": 1}, "reply_to": ID, "thread": ID},
            "message.created",
            None,
        ),
        ("send", {"text": "hi", "thread": None}, "message.created", {"text": "hi"}),
    ],
)
def test_each_change_of_a_message_has_a_destination(
    action: str, body: dict[str, Any], kind: str, data: dict[str, Any] | None
) -> None:
    command = read(orjson.dumps(body), f"/app/rooms.abc.{action}")

    assert (command.kind, command.data) == (kind, body if data is None else data)
    ACTION_EVENTS[command.action].data.model_validate(command.data)


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("edit", {"message": ID}),
        ("edit", {"message": ID, "text": ""}),
        ("edit", {"message": ID, "text": None}),
        ("edit", {"text": "ho"}),
        ("edit", {"message": "1", "text": "ho"}),
        ("edit", {"message": ID, "text": "ho", "mentions": []}),
        ("edit", {"message": ID, "text": "ho", "redacted": True}),
        ("edit", {"message": ID, "meta": []}),
        ("edit", {"message": ID, "meta": {"a": "x" * 9000}}),
        ("delete", {"message": ID, "reason": ""}),
        ("delete", {"message": ID, "reason": "x" * 257}),
        ("react", {"message": ID}),
        ("react", {"message": ID, "emoji": "a"}),
        ("react", {"message": ID, "emoji": "👍👍"}),
        ("react", {"message": ID, "emoji": "👍" * 1000}),
        ("pin", {}),
        ("pin", {"message": ID, "text": "x"}),
        ("send", {"text": "hi", "type": "no spaces"}),
        ("send", {"text": "hi", "mentions": ["mina"]}),
        ("send", {"text": "hi", "redacted": True}),
        ("send", {"text": "hi", "reply_to": "1"}),
        ("send", {"text": "hi", "meta": 1}),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(action: str, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidBody):
        read(orjson.dumps(body), f"/app/rooms.abc.{action}", content_type="application/json")


@pytest.mark.parametrize(
    "meta",
    [
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
    ],
)
def test_meta_that_is_no_json_is_refused(meta: bytes) -> None:
    with pytest.raises(InvalidBody):
        read(b'{"text":"hi","meta":' + meta + b"}", content_type="application/json")
