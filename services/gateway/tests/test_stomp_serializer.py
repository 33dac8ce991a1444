"""Frames as bytes."""

import re
from pathlib import Path

import pytest
from stomp.utils import parse_frame

import madang_gateway
from madang_gateway.protocol.stomp.connection import ServerConnection
from madang_gateway.protocol.stomp.errors import UnsupportedVersion
from madang_gateway.protocol.stomp.frame import Frame
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.stomp.parser import Parser
from madang_gateway.protocol.stomp.serializer import OWN_HEADERS, message_frame, serialize

_NAMED = re.compile(
    r'''(?:headers(?:\.get\(|\[)|_required\(frame, |headers[^\n=]* = [^\n]*?\{)"([a-z-]+)"'''
)
"""A header in a source: `headers.get("x")`, `headers["x"]`, `_required(frame, "x")`, `{"x": …}`."""


def read(data: bytes, version: str) -> Frame:
    parser = Parser(Limits())
    parser.version = version
    (frame,) = parser.receive(data)
    assert isinstance(frame, Frame)
    return frame


def test_a_frame_with_a_body_has_a_content_length() -> None:
    data = serialize("ERROR", [("message", "no")], b"a\0b", "1.2")

    assert data == b"ERROR\nmessage:no\ncontent-length:3\n\na\0b\0"


def test_a_frame_without_a_body_has_no_content_length() -> None:
    assert serialize("RECEIPT", [("receipt-id", "1")], b"", "1.2") == b"RECEIPT\nreceipt-id:1\n\n\0"


@pytest.mark.parametrize("command", ["CONNECT", "STOMP", "CONNECTED"])
def test_connecting_frames_are_never_escaped(command: str) -> None:
    data = serialize(command, [("session", "a:b\\c")], b"", "1.2")

    assert data == f"{command}\nsession:a:b\\c\n\n\0".encode()


def test_headers_are_escaped_as_the_version_says() -> None:
    headers = [("a", "b:c\r")]

    assert serialize("RECEIPT", headers, b"", "1.0") == b"RECEIPT\na:b:c \n\n\0"
    assert serialize("RECEIPT", headers, b"", "1.1") == b"RECEIPT\na:b\\cc\r\n\n\0"
    assert serialize("RECEIPT", headers, b"", "1.2") == b"RECEIPT\na:b\\cc\\r\n\n\0"


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_a_message_has_a_content_type_and_length(version: str) -> None:
    data = message_frame(
        "sub-1",
        "/topic/rooms.1",
        "00000000001g",
        {"priority": "9"},
        b'{"text":"\0"}',
        version=version,
        content_type="application/json",
    )

    assert read(data, version) == Frame(
        "MESSAGE",
        {
            "subscription": "sub-1",
            "message-id": "00000000001g",
            "destination": "/topic/rooms.1",
            "content-type": "application/json",
            "content-length": "12",
            "priority": "9",
        },
        b'{"text":"\0"}',
    )


def test_an_empty_message_has_a_content_length_too() -> None:
    data = message_frame("1", "/a", "2", {}, b"", version="1.2", content_type="text/plain")

    assert read(data, "1.2").headers["content-length"] == "0"


def test_a_message_has_the_ack_header_of_its_version() -> None:
    data = message_frame("1", "/a", "2", {}, b"", version="1.2", content_type="a/b", ack="1:2")

    assert read(data, "1.2").headers["ack"] == "1:2"


@pytest.mark.parametrize("name", sorted(OWN_HEADERS))
def test_a_sender_cannot_choose_headers_with_a_meaning(name: str) -> None:
    spellings = [
        name,
        name.upper(),
        name.title(),
        f" {name}",
        f"{name}\t",
        f"{name[:1]}\r{name[1:]}",
    ]
    headers = dict.fromkeys(spellings, "forged") | {"mine": "kept"}

    data = message_frame("1", "/a", "2", headers, b"", version="1.1", content_type="text/plain")

    assert b"forged" not in data
    assert read(data, "1.1").headers["mine"] == "kept"


@pytest.mark.parametrize(
    "name", ["priority", "correlation-id", "reply-to", "x-mine", "ids", "my-id"]
)
def test_headers_without_a_meaning_here_are_passed_on(name: str) -> None:
    data = message_frame("1", "/a", "2", {name: "x"}, b"", version="1.2", content_type="text/plain")

    assert read(data, "1.2").headers[name] == "x"


def test_no_header_that_the_server_writes_is_left_to_a_sender() -> None:
    connection = ServerConnection(Limits(), heartbeat=(10, 10))
    list(connection.receive(b"CONNECT\naccept-version:1.2\n\n\0"))
    mistaken = UnsupportedVersion("no", "No.", headers={"version": "1.2"})
    mistaken.receipt_id = "1"
    frames = [
        connection.connected("session", "user", "server"),
        connection.receipt("1"),
        message_frame("1", "/a", "2", {}, b"x", version="1.2", content_type="a/b", ack="1:2"),
        connection.error(mistaken),
    ]

    written = {name for data in frames for name in read(data, "1.2").headers}

    assert {"user-name", "receipt-id", "ack", "message", "version"} <= written <= OWN_HEADERS


def test_no_header_that_the_gateway_names_is_left_to_a_sender() -> None:
    """Headers that the sources read or write by name."""
    sources = [path.read_text() for path in Path(madang_gateway.__file__).parent.rglob("*.py")]

    named = {name for source in sources for name in _NAMED.findall(source)}

    assert {"since", "prefetch-count", "resumed", "receipt"} <= named <= OWN_HEADERS


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_a_sender_cannot_forge_headers_or_frames(version: str) -> None:
    forged = "x\nmessage-id:forged\r\n\r\n\0MESSAGE\n\n\0"

    data = message_frame(
        forged,
        forged,
        forged,
        {forged: forged, "x": forged},
        b"",
        version=version,
        content_type="a",
    )

    frame = read(data, version)
    assert frame.headers["message-id"] != "forged"
    assert frame.body == b""


def test_a_message_is_read_by_a_third_party_client() -> None:
    data = message_frame(
        "sub:1",
        "/topic/rooms.1",
        "00000000001g",
        {"text": "a:b\nc\\d\re"},
        "마당".encode(),
        version="1.2",
        content_type="text/plain",
    )

    frame = parse_frame(data.removesuffix(b"\0"))

    assert frame.cmd == "MESSAGE"
    assert frame.headers["subscription"] == "sub:1"
    assert frame.headers["text"] == "a:b\nc\\d\re"
    assert frame.body == "마당".encode()
