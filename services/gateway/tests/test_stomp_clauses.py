"""The STOMP specifications clause by clause, on the protocol object; docs/stomp.md is the index.

Each test's docstring begins with the versions and the section of the specification it is for. What
concerns a whole connection is in test_stomp_clauses_connection.py.
"""

from collections.abc import Mapping

import pytest

from madang_gateway.protocol.stomp import events
from madang_gateway.protocol.stomp.connection import ServerConnection
from madang_gateway.protocol.stomp.errors import (
    Duplicate,
    Malformed,
    MissingHeader,
    NotOpen,
    OutOfOrder,
    ProtocolError,
    TooLarge,
    UnexpectedBody,
    UnknownCommand,
    UnsupportedVersion,
)
from madang_gateway.protocol.stomp.frame import HEARTBEAT
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.stomp.negotiation import offered_versions
from madang_gateway.protocol.stomp.serializer import message_frame
from tests.support.stomp_frames import read_frames

VERSIONS = ("1.0", "1.1", "1.2")
SINCE_1_1 = ("1.1", "1.2")
LIMITS = Limits(header_count=5, header_line_bytes=100, body_bytes=50)

every_version = pytest.mark.parametrize("version", VERSIONS)
since_1_1 = pytest.mark.parametrize("version", SINCE_1_1)


def opening(version: str, **headers: str) -> bytes:
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    return f"CONNECT\naccept-version:{version}\nhost:x\n{lines}\n\0".encode()


def connected(version: str, limits: Limits = LIMITS) -> ServerConnection:
    """Return a connection whose CONNECT was accepted."""
    connection = ServerConnection(limits)
    list(connection.receive(opening(version)))
    connection.connected("session", "mina", "madang")
    return connection


def read(version: str, data: bytes) -> list[events.Event]:
    """Return the events of a connected client's `data`."""
    return list(connected(version).receive(data))


def one(version: str, data: bytes) -> events.Event:
    (event,) = read(version, data)
    return event


def send(version: str, data: bytes) -> events.Send:
    event = next(iter(read(version, data)))
    assert isinstance(event, events.Send)
    return event


def error_frame(
    connection: ServerConnection, error: ProtocolError
) -> tuple[Mapping[str, str], bytes]:
    """Return the headers and the body of the ERROR for `error`."""
    (frame,) = read_frames(connection.error(error))
    assert frame.command == "ERROR"
    return frame.headers, frame.body


def refused(version: str, data: bytes, kind: type[ProtocolError]) -> Mapping[str, str]:
    """Return the headers of the ERROR in response to `data`."""
    connection = connected(version)
    with pytest.raises(kind) as found:
        list(connection.receive(data))
    headers, body = error_frame(connection, found.value)
    assert headers["message"]
    assert body
    assert list(connection.receive(b"SEND\ndestination:/a\n\n\0")) == []
    return headers


# STOMP Frames


@every_version
def test_a_frame_is_a_command_headers_a_blank_line_a_body_and_a_nul(version: str) -> None:
    """1.0, 1.1, 1.2 STOMP Frames."""
    event = send(version, b"SEND\ndestination:/a\nx:y\n\nbody\0")

    assert (event.destination, event.headers["x"], event.body) == ("/a", "y", b"body")


def test_a_line_may_end_in_crlf_in_1_2() -> None:
    """1.2 STOMP Frames."""
    event = send("1.2", b"SEND\r\ndestination:/a\r\nx:y\r\n\r\nbody\r\n\0\r\n")

    assert (event.headers, event.body) == ({"destination": "/a", "x": "y"}, b"body\r\n")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_carriage_return_belongs_to_the_value_before_1_2(version: str) -> None:
    """1.0, 1.1 STOMP Frames."""
    assert send(version, b"SEND\ndestination:/a\nx:y\r\n\n\0").headers["x"] == "y\r"


@pytest.mark.parametrize(
    ("version", "line_ends"),
    [("1.0", b"\n\n\n"), ("1.1", b"\n\n\n"), ("1.2", b"\n\r\n\n\r\n")],
)
def test_line_ends_may_follow_a_frame(version: str, line_ends: bytes) -> None:
    """1.0, 1.1, 1.2 STOMP Frames."""
    frame = b"SEND\ndestination:/a\n\n\0"

    found = read(version, line_ends + frame + line_ends + frame)

    assert [type(event) for event in found if event is not HEARTBEAT] == [events.Send] * 2
    assert HEARTBEAT in found


@every_version
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"send\ndestination:/a\n\n\0", UnknownCommand),
        (b"SEND\nDestination:/a\n\n\0", MissingHeader),
    ],
)
def test_commands_and_header_names_are_case_sensitive(
    version: str, data: bytes, kind: type[ProtocolError]
) -> None:
    """1.0, 1.1, 1.2 STOMP Frames."""
    refused(version, data, kind)


@every_version
@pytest.mark.parametrize(
    "data",
    [
        b"SEND\ndestination\n\n\0",
        b"SEND\n:/a\n\n\0",
        b"SEND\ndestination:/a\0",
        b"SEND\ndestination:/a\nx:\xff\n\n\0",
    ],
)
def test_what_the_grammar_does_not_know_is_fatal(version: str, data: bytes) -> None:
    """1.0, 1.1, 1.2 Augmented BNF."""
    refused(version, data, Malformed)


# Value Encoding


@since_1_1
def test_headers_are_utf_8(version: str) -> None:
    """1.1, 1.2 Value Encoding."""
    assert send(version, "SEND\ndestination:/a\n이름:마당\n\n\0".encode()).headers["이름"] == "마당"


@pytest.mark.parametrize(
    ("version", "meaning"), [("1.1", "a\nb:c\\d"), ("1.2", "a\nb:c\\d"), ("1.0", r"a\nb\cc\\d")]
)
def test_escapes_are_translated_where_there_are_escapes(version: str, meaning: str) -> None:
    """1.0, 1.1, 1.2 Value Encoding."""
    assert send(version, b"SEND\ndestination:/a\nx:a\\nb\\cc\\\\d\n\n\0").headers["x"] == meaning


def test_a_carriage_return_has_an_escape_in_1_2() -> None:
    """1.2 Value Encoding."""
    assert send("1.2", b"SEND\ndestination:/a\nx\\r:\\r\n\n\0").headers["x\r"] == "\r"


@pytest.mark.parametrize(
    ("version", "escape"), [("1.1", b"\\t"), ("1.1", b"\\r"), ("1.2", b"\\t"), ("1.2", b"\\")]
)
def test_an_undefined_escape_is_fatal(version: str, escape: bytes) -> None:
    """1.1, 1.2 Value Encoding."""
    refused(version, b"SEND\ndestination:/a\nx:" + escape + b"\n\n\0", Malformed)


@pytest.mark.parametrize(
    ("version", "written"),
    [("1.0", b"x:a b:c\\d\n"), ("1.1", b"x:a\\nb\\cc\\\\d\n"), ("1.2", b"x:a\\nb\\cc\\\\d\n")],
)
def test_what_the_server_writes_is_escaped_likewise(version: str, written: bytes) -> None:
    """1.0, 1.1, 1.2 Value Encoding."""
    frame = connected(version).receipt("1", {"x": "a\nb:c\\d"})

    assert written in frame


@since_1_1
def test_the_connecting_frames_are_never_escaped(version: str) -> None:
    """1.1, 1.2 Value Encoding."""
    connection = ServerConnection(LIMITS)

    (event,) = connection.receive(opening(version, passcode="a:\\n\\t"))

    assert isinstance(event, events.Connect)
    assert event.passcode == "a:\\n\\t"
    assert b"server:a:b\\c\n" in connection.connected("s", "mina", "a:b\\c")


@pytest.mark.parametrize(("version", "value"), [("1.0", "y"), ("1.1", " y "), ("1.2", " y ")])
def test_spaces_around_a_value_stay_since_1_1(version: str, value: str) -> None:
    """1.1, 1.2 Value Encoding; 1.0 pads its own examples."""
    assert send(version, b"SEND\ndestination:/a\nx: y \n\n\0").headers["x"] == value


# Body


@since_1_1
@pytest.mark.parametrize(
    "frame",
    [
        b"SUBSCRIBE\nid:1\ndestination:/a\n\nbody\0",
        b"BEGIN\ntransaction:t\n\nbody\0",
        b"DISCONNECT\n\nbody\0",
    ],
)
def test_only_send_may_have_a_body(version: str, frame: bytes) -> None:
    """1.1, 1.2 Body."""
    refused(version, frame, UnexpectedBody)


def test_the_body_of_a_subscribe_is_ignored_in_1_0() -> None:
    """1.0 SUBSCRIBE."""
    event = one("1.0", b"SUBSCRIBE\ndestination:/a\n\nbody\0")

    assert isinstance(event, events.Subscribe)


# Standard Headers


@every_version
def test_so_many_bytes_are_read_as_content_length_says_nuls_among_them(version: str) -> None:
    """1.0, 1.1, 1.2 Header content-length."""
    event = send(version, b"SEND\ndestination:/a\ncontent-length:5\n\na\0b\0c\0")

    assert event.body == b"a\0b\0c"


@every_version
def test_a_nul_still_ends_a_frame_with_content_length(version: str) -> None:
    """1.0, 1.1, 1.2 Header content-length."""
    refused(version, b"SEND\ndestination:/a\ncontent-length:1\n\nab\0", Malformed)


@every_version
def test_without_content_length_the_first_nul_ends_the_body(version: str) -> None:
    """1.0, 1.1, 1.2 Header content-length."""
    assert send(version, b"SEND\ndestination:/a\n\na\0\n").body == b"a"


@every_version
def test_what_the_server_writes_tells_its_length_and_its_type(version: str) -> None:
    """1.0, 1.1, 1.2 Header content-length, Header content-type."""
    frame = message_frame(
        "s", "/a", "1", {}, b"a\0b", version=version, content_type="application/json"
    )
    (message,) = read_frames(frame)
    assert message.body == b"a\0b"
    assert message.headers["content-length"] == "3"
    assert message.headers["content-type"] == "application/json"

    connection = connected(version)
    (error,) = read_frames(connection.error("no", b"because"))
    assert (error.headers["content-length"], error.headers["content-type"]) == ("7", "text/plain")


@every_version
@pytest.mark.parametrize(
    "frame",
    [
        b"SUBSCRIBE\nid:1\ndestination:/a\nreceipt:r\n\n\0",
        b"SEND\ndestination:/a\nreceipt:r\n\n\0",
        b"BEGIN\ntransaction:t\nreceipt:r\n\n\0",
        b"DISCONNECT\nreceipt:r\n\n\0",
    ],
)
def test_any_frame_may_ask_for_a_receipt(version: str, frame: bytes) -> None:
    """1.0, 1.1, 1.2 Header receipt, RECEIPT."""
    connection = connected(version)

    (event,) = connection.receive(frame)

    assert getattr(event, "receipt", None) == "r"
    (receipt,) = read_frames(connection.receipt("r"))
    assert (receipt.command, receipt.headers, receipt.body) == ("RECEIPT", {"receipt-id": "r"}, b"")


@every_version
def test_the_first_of_repeated_headers_counts(version: str) -> None:
    """1.1, 1.2 Repeated Header Entries."""
    assert send(version, b"SEND\ndestination:/a\nx:World\nx:Hello\n\n\0").headers["x"] == "World"


@every_version
@pytest.mark.parametrize(
    "frame",
    [
        b"SEND\ndestination:/a\n" + b"".join(b"h%d:\n" % n for n in range(5)) + b"\n\0",
        b"SEND\ndestination:/a\nx:" + b"y" * 100 + b"\n\n\0",
        b"SEND\ndestination:/a\n\n" + b"b" * 51 + b"\0",
        b"SEND\ndestination:/a\ncontent-length:51\n\n",
        b"SEND\nx:" + b"y" * 101,
    ],
    ids=["headers", "line", "body", "length", "unfinished line"],
)
def test_a_frame_past_the_limits_is_an_error(version: str, frame: bytes) -> None:
    """1.1, 1.2 Size Limits."""
    refused(version, frame, TooLarge)


# Connecting


@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
def test_stomp_is_handled_as_connect(command: str) -> None:
    """1.1, 1.2 CONNECT or STOMP Frame."""
    connection = ServerConnection(LIMITS)

    (event,) = connection.receive(f"{command}\naccept-version:1.2\nhost:x\n\n\0".encode())

    assert isinstance(event, events.Connect)


def test_a_client_that_names_no_host_is_served() -> None:
    """1.1, 1.2 CONNECT or STOMP Frame: clients MUST set `host`; many do not."""
    connection = ServerConnection(LIMITS)

    (event,) = connection.receive(b"CONNECT\naccept-version:1.2\n\n\0")

    assert isinstance(event, events.Connect)


@pytest.mark.parametrize(
    "frame", [b"SEND\ndestination:/a\n\n\0", b"SUBSCRIBE\nid:1\ndestination:/a\n\n\0"]
)
def test_nothing_comes_before_connect(frame: bytes) -> None:
    """1.0, 1.1, 1.2 Connecting."""
    connection = ServerConnection(LIMITS)

    with pytest.raises(OutOfOrder):
        list(connection.receive(frame))


@every_version
def test_there_is_one_connect(version: str) -> None:
    """1.0, 1.1, 1.2 Connecting."""
    refused(version, opening(version), OutOfOrder)


@every_version
def test_connected_tells_the_version_the_session_and_the_server(version: str) -> None:
    """1.0, 1.1, 1.2 CONNECTED Frame."""
    connection = ServerConnection(LIMITS)
    list(connection.receive(opening(version)))

    (frame,) = read_frames(connection.connected("abc", "mina", "madang"))

    assert frame.command == "CONNECTED"
    assert frame.headers["version"] == version
    assert frame.headers["session"] == "abc"
    assert frame.headers["server"] == "madang"
    assert "heart-beat" in frame.headers


# Protocol Negotiation


def test_without_accept_version_a_client_speaks_1_0() -> None:
    """1.1, 1.2 Protocol Negotiation."""
    connection = ServerConnection(LIMITS)

    list(connection.receive(b"CONNECT\nlogin: mina\npasscode: x\n\n\0"))

    assert connection.version == "1.0"


@pytest.mark.parametrize(
    ("accepted", "agreed"),
    [("1.0,1.1,2.0", "1.1"), ("1.2", "1.2"), ("1.0,1.1,1.2", "1.2"), ("1.2,1.0", "1.2")],
)
def test_the_highest_common_version_is_spoken(accepted: str, agreed: str) -> None:
    """1.1, 1.2 Protocol Negotiation."""
    assert connected(accepted).version == agreed


def test_without_a_common_version_the_error_lists_those_that_are_spoken() -> None:
    """1.1, 1.2 Protocol Negotiation."""
    connection = ServerConnection(LIMITS)
    with pytest.raises(UnsupportedVersion) as found:
        list(connection.receive(opening("2.0,3.1")))

    headers, body = error_frame(connection, found.value)

    assert headers["version"] == "1.0,1.1,1.2"
    assert headers["content-type"] == "text/plain"
    assert body == b"Supported protocol versions are 1.0 1.1 1.2"


@pytest.mark.parametrize(
    ("offered", "accepted", "version"),
    [
        ("v10.stomp", "1.0,1.1,1.2", "1.0"),
        ("v11.stomp", "1.0,1.1,1.2", "1.1"),
        ("v12.stomp", "1.0,1.1,1.2", "1.2"),
        ("v10.stomp v11.stomp v12.stomp", "1.1,1.0", "1.1"),
        ("v10.stomp v12.stomp", "1.1,1.0", "1.0"),
    ],
)
def test_subprotocols_leave_the_versions_that_were_offered(
    offered: str, accepted: str, version: str
) -> None:
    """1.1, 1.2 Protocol Negotiation, within what the client offered for the WebSocket."""
    connection = ServerConnection(LIMITS, offered_versions(offered.split()))

    list(connection.receive(opening(accepted)))

    assert connection.version == version


# Heart-beating


@since_1_1
@pytest.mark.parametrize("header", ["", "1", "1,2,3", "a,b", "-1,0", "1.5,0", "1;2"])
def test_heartbeat_is_two_whole_numbers(version: str, header: str) -> None:
    """1.1, 1.2 Heart-beating."""
    connection = ServerConnection(LIMITS)

    with pytest.raises(Malformed):
        list(connection.receive(opening(version, **{"heart-beat": header})))


@since_1_1
def test_no_heartbeat_header_is_no_heartbeats(version: str) -> None:
    """1.1, 1.2 Heart-beating."""
    connection = ServerConnection(LIMITS, heartbeat=(10_000, 10_000))

    list(connection.receive(opening(version)))

    assert connection.heartbeat == (0, 0)


@since_1_1
@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        ((0, 0), "5,5", (0, 0)),
        ((10, 10), "0,0", (0, 0)),
        ((10, 10), "5,20", (20, 10)),
        ((10, 10), "20,5", (10, 20)),
        ((10, 0), "5,0", (0, 0)),
        ((10, 10), "0,5", (10, 0)),
    ],
)
def test_heartbeats_go_at_the_slower_pace_where_both_want_them(
    version: str, ours: tuple[int, int], theirs: str, agreed: tuple[int, int]
) -> None:
    """1.1, 1.2 Heart-beating."""
    connection = ServerConnection(LIMITS, heartbeat=ours)

    list(connection.receive(opening(version, **{"heart-beat": theirs})))

    assert connection.heartbeat == agreed


# Client Frames


@every_version
@pytest.mark.parametrize("command", ["MESSAGE", "RECEIPT", "ERROR", "CONNECTED", "HELLO", "x:y"])
def test_any_other_frame_is_an_error(version: str, command: str) -> None:
    """1.0, 1.1, 1.2 Client Frames."""
    refused(version, f"{command}\nx:y\n\n\0".encode(), UnknownCommand)


@every_version
@pytest.mark.parametrize(
    "frame",
    [
        b"SEND\n\nhi\0",
        b"SUBSCRIBE\nid:1\n\n\0",
        b"UNSUBSCRIBE\n\n\0",
        b"ACK\n\n\0",
        b"BEGIN\n\n\0",
        b"COMMIT\n\n\0",
        b"ABORT\n\n\0",
    ],
    ids=lambda frame: frame.partition(b"\n")[0].decode(),
)
def test_a_frame_without_a_header_that_it_must_have_is_an_error(version: str, frame: bytes) -> None:
    """1.0, 1.1, 1.2 SEND, SUBSCRIBE, UNSUBSCRIBE, ACK, BEGIN, COMMIT, ABORT."""
    refused(version, frame, MissingHeader)


@since_1_1
def test_a_subscription_needs_an_id_since_1_1(version: str) -> None:
    """1.1, 1.2 SUBSCRIBE id Header."""
    refused(version, b"SUBSCRIBE\ndestination:/a\n\n\0", MissingHeader)


def test_a_subscription_may_go_without_an_id_in_1_0() -> None:
    """1.0 SUBSCRIBE."""
    event = one("1.0", b"SUBSCRIBE\ndestination: /a\nack: client\n\n\0")

    assert isinstance(event, events.Subscribe)
    assert (event.id, event.destination, event.ack) == ("/a", "/a", "client")


@every_version
def test_two_subscriptions_have_two_ids(version: str) -> None:
    """1.1, 1.2 SUBSCRIBE id Header."""
    frame = b"SUBSCRIBE\nid:1\ndestination:/a\n\n\0"
    headers = refused(
        version, frame + b"SUBSCRIBE\nid:1\ndestination:/b\nreceipt:r\n\n\0", Duplicate
    )

    assert headers["receipt-id"] == "r"


@every_version
@pytest.mark.parametrize(
    ("header", "mode"),
    [
        (b"", "auto"),
        (b"ack:auto\n", "auto"),
        (b"ack:client\n", "client"),
        (b"ack:client-individual\n", "client-individual"),
    ],
)
def test_there_are_three_ack_modes_and_auto_is_the_default(
    version: str, header: bytes, mode: str
) -> None:
    """1.0, 1.1, 1.2 SUBSCRIBE ack Header."""
    event = one(version, b"SUBSCRIBE\nid:1\ndestination:/a\n" + header + b"\n\0")

    assert isinstance(event, events.Subscribe)
    assert event.ack == mode


@every_version
def test_another_ack_mode_is_an_error(version: str) -> None:
    """1.0, 1.1, 1.2 SUBSCRIBE ack Header."""
    refused(version, b"SUBSCRIBE\nid:1\ndestination:/a\nack:maybe\n\n\0", Malformed)


@every_version
def test_unsubscribe_names_an_open_subscription(version: str) -> None:
    """1.0, 1.1, 1.2 UNSUBSCRIBE."""
    frames = b"SUBSCRIBE\nid:1\ndestination:/a\n\n\0UNSUBSCRIBE\nid:1\n\n\0"

    assert isinstance(read(version, frames)[1], events.Unsubscribe)
    refused(version, frames + b"UNSUBSCRIBE\nid:1\n\n\0", NotOpen)


def test_unsubscribe_may_name_a_destination_in_1_0() -> None:
    """1.0 UNSUBSCRIBE."""
    frames = b"SUBSCRIBE\ndestination:/a\n\n\0UNSUBSCRIBE\ndestination: /a\n\n\0"

    event = read("1.0", frames)[1]

    assert isinstance(event, events.Unsubscribe)
    assert event.id == "/a"


@pytest.mark.parametrize(
    ("version", "headers", "subscription"),
    [
        ("1.0", b"message-id:m\n", None),
        ("1.1", b"message-id:m\nsubscription:1\n", "1"),
        ("1.2", b"id:m\n", None),
    ],
)
def test_an_ack_names_its_message_as_its_version_does(
    version: str, headers: bytes, subscription: str | None
) -> None:
    """1.0, 1.1, 1.2 ACK."""
    event = one(version, b"ACK\n" + headers + b"\n\0")

    assert isinstance(event, events.Ack)
    assert (event.id, event.subscription, event.nack) == ("m", subscription, False)


def test_an_ack_of_1_1_needs_its_subscription() -> None:
    """1.1 ACK."""
    refused("1.1", b"ACK\nmessage-id:m\n\n\0", MissingHeader)


@pytest.mark.parametrize(
    ("version", "headers"), [("1.1", b"message-id:m\nsubscription:1\n"), ("1.2", b"id:m\n")]
)
def test_a_nack_takes_the_headers_of_an_ack(version: str, headers: bytes) -> None:
    """1.1, 1.2 NACK."""
    event = one(version, b"NACK\n" + headers + b"\n\0")

    assert isinstance(event, events.Ack)
    assert event.nack
    refused(version, b"NACK\n\n\0", MissingHeader)


def test_1_0_has_no_nack() -> None:
    """1.0 Client Commands."""
    refused("1.0", b"NACK\nmessage-id:m\n\n\0", UnknownCommand)


# Transactions


@every_version
def test_what_is_sent_in_a_transaction_comes_with_its_commit(version: str) -> None:
    """1.0, 1.1, 1.2 BEGIN, COMMIT."""
    frames = (
        b"BEGIN\ntransaction:t\n\n\0"
        b"SEND\ndestination:/a\ntransaction:t\n\n1\0"
        b"SEND\ndestination:/b\n\nat once\0"
        b"SEND\ndestination:/a\ntransaction:t\n\n2\0"
        b"COMMIT\ntransaction:t\n\n\0"
    )

    _, first, at_once, second, commit = read(version, frames)

    assert first == second == events.Held("t", None)

    assert isinstance(at_once, events.Send)
    assert isinstance(commit, events.Commit)
    assert [held.body for held in commit.sends] == [b"1", b"2"]


def test_an_ack_in_a_transaction_comes_with_its_commit() -> None:
    """1.0, 1.1, 1.2 ACK, BEGIN."""
    frames = (
        b"BEGIN\ntransaction:t\n\n\0"
        b"ACK\nid:a\ntransaction:t\n\n\0"
        b"NACK\nid:b\ntransaction:t\n\n\0"
        b"COMMIT\ntransaction:t\n\n\0"
    )

    _, ack, nack, commit = read("1.2", frames)

    assert ack == nack == events.Held("t", None)
    assert isinstance(commit, events.Commit)
    assert [(ack.id, ack.nack) for ack in commit.acks] == [("a", False), ("b", True)]


@every_version
def test_an_aborted_transaction_is_forgotten(version: str) -> None:
    """1.0, 1.1, 1.2 ABORT."""
    frames = (
        b"BEGIN\ntransaction:t\n\n\0"
        b"SEND\ndestination:/a\ntransaction:t\n\n1\0"
        b"ABORT\ntransaction:t\n\n\0"
    )

    kinds = [type(event) for event in read(version, frames)]

    assert kinds == [events.Begin, events.Held, events.Abort]
    refused(version, frames + b"COMMIT\ntransaction:t\n\n\0", NotOpen)


@every_version
def test_two_open_transactions_have_two_names(version: str) -> None:
    """1.1, 1.2 BEGIN."""
    begin = b"BEGIN\ntransaction:t\n\n\0"

    refused(version, begin + begin, Duplicate)
    assert len(read(version, begin + b"COMMIT\ntransaction:t\n\n\0" + begin)) == 3


@every_version
@pytest.mark.parametrize(
    "frame",
    [
        b"SEND\ndestination:/a\ntransaction:t\n\n\0",
        b"COMMIT\ntransaction:t\n\n\0",
        b"ABORT\ntransaction:t\n\n\0",
        b"ACK\nid:m\nmessage-id:m\nsubscription:s\ntransaction:t\n\n\0",
    ],
)
def test_a_transaction_must_be_in_progress(version: str, frame: bytes) -> None:
    """1.0, 1.1, 1.2 SEND, COMMIT, ABORT, ACK."""
    refused(version, frame, NotOpen)


@every_version
def test_what_a_transaction_holds_is_bounded(version: str) -> None:
    """1.1, 1.2 Conformance: limits on inputs."""
    frame = b"SEND\ndestination:/a\ntransaction:t\n\n\0"

    refused(version, b"BEGIN\ntransaction:t\n\n\0" + frame * 101, TooLarge)


@every_version
def test_disconnect_ends_open_transactions_and_what_follows_is_not_read(version: str) -> None:
    """1.0, 1.1, 1.2 DISCONNECT, BEGIN."""
    frames = (
        b"BEGIN\ntransaction:t\n\n\0"
        b"SEND\ndestination:/a\ntransaction:t\n\n1\0"
        b"DISCONNECT\nreceipt:77\n\n\0"
        b"COMMIT\ntransaction:t\n\n\0"
    )
    connection = connected(version)

    assert [type(event) for event in connection.receive(frames)] == [
        events.Begin,
        events.Held,
        events.Disconnect,
    ]
    assert b"receipt-id:77\n" in connection.receipt("77")


# Server Frames


@every_version
def test_a_message_names_its_destination_its_id_and_its_subscription(version: str) -> None:
    """1.0, 1.1, 1.2 MESSAGE."""
    frame = message_frame(
        "s", "/a", "007", {"x": "y"}, b"hi", version=version, content_type="text/plain"
    )

    (message,) = read_frames(frame)

    assert message.headers["destination"] == "/a"
    assert message.headers["message-id"] == "007"
    assert message.headers["subscription"] == "s"
    assert message.headers["x"] == "y"
    assert message.body == b"hi"


@every_version
@pytest.mark.parametrize(
    "frame",
    [
        b"SUBSCRIBE\nid:1\nreceipt:r\n\n\0",
        b"HELLO\nreceipt:r\n\n\0",
        b"SEND\ndestination:/a\nreceipt:r\ncontent-length:x\n\n\0",
        b"COMMIT\ntransaction:t\nreceipt:r\n\n\0",
    ],
)
def test_an_error_names_the_frame_that_is_to_blame(version: str, frame: bytes) -> None:
    """1.1, 1.2 ERROR."""
    connection = connected(version)
    with pytest.raises(ProtocolError) as found:
        list(connection.receive(frame))

    headers, body = error_frame(connection, found.value)

    assert headers["receipt-id"] == "r"
    assert 0 < len(headers["message"]) < 60
    assert len(body) > len(headers["message"]) / 2
    assert headers["content-type"] == "text/plain"


@every_version
def test_nothing_follows_an_error(version: str) -> None:
    """1.0, 1.1, 1.2 ERROR."""
    connection = connected(version)
    connection.error("no")

    assert connection.receipt("1") == connection.error("again") == b""
    assert list(connection.receive(b"SEND\ndestination:/a\n\n\0")) == []
