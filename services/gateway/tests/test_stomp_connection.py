"""The life cycle of a connection: CONNECT, replies, errors, close."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_gateway.protocol.stomp.connection import TRANSITIONS, ServerConnection, State
from madang_gateway.protocol.stomp.errors import (
    Malformed,
    OutOfOrder,
    ProtocolError,
    TooLarge,
    UnexpectedBody,
    UnknownCommand,
    UnsupportedVersion,
)
from madang_gateway.protocol.stomp.events import Connect, Disconnect, Event, Send, Subscribe
from madang_gateway.protocol.stomp.frame import HEARTBEAT, Command, Frame
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.stomp.parser import Parser
from madang_gateway.protocol.stomp.serializer import serialize

CONNECT = b"CONNECT\naccept-version:1.0,1.1,1.2\n\n\0"
VERSIONS = ["1.0", "1.1", "1.2"]


def connection(version: str | None = None, limits: Limits | None = None) -> ServerConnection:
    """Return a new connection, connected with `version` if there is one."""
    made = ServerConnection(limits or Limits(), heartbeat=(10_000, 20_000))
    if version is not None:
        list(made.receive(f"CONNECT\naccept-version:{version}\n\n\0".encode()))
    return made


def feed(target: ServerConnection, data: bytes) -> tuple[list[Event], ProtocolError | None]:
    events: list[Event] = []
    try:
        events.extend(target.receive(data))
    except ProtocolError as error:
        return events, error
    return events, None


def fail(target: ServerConnection, data: bytes) -> ProtocolError:
    error = feed(target, data)[1]
    assert error is not None
    return error


def read(data: bytes, version: str | None = "1.2") -> Frame:
    parser = Parser(Limits())
    parser.version = version
    (frame,) = parser.receive(data)
    assert isinstance(frame, Frame)
    return frame


@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
def test_connect_and_stomp_both_connect(command: str) -> None:
    target = connection()

    events, error = feed(
        target, f"{command}\naccept-version:1.1,1.2\nlogin:a\npasscode:b:c\n\n\0".encode()
    )

    headers = {"accept-version": "1.1,1.2", "login": "a", "passcode": "b:c"}
    assert (events, error) == ([Connect("1.2", "a", "b:c", headers)], None)
    assert target.version == "1.2"
    assert target.state is State.CONNECTED


def test_a_connect_without_accept_version_is_1_0_and_needs_no_host() -> None:
    target = connection()

    events, _ = feed(target, b"CONNECT\nlogin: a \n\nignored\0")

    assert events == [Connect("1.0", "a", None, {"login": "a"})]
    assert target.version == "1.0"


def test_a_connect_may_use_crlf_whatever_the_version() -> None:
    events, _ = feed(connection(), b"CONNECT\r\naccept-version:1.1\r\n\r\n\0")

    assert events == [Connect("1.1", None, None, {"accept-version": "1.1"})]


def test_frames_right_behind_connect_are_read_in_the_agreed_version() -> None:
    data = b"CONNECT\naccept-version:1.1\n\n\0\nSEND\ndestination:a\\cb\nx:y\r\n\nhi\0"

    events, error = feed(connection(), data)

    assert error is None
    assert events[1:] == [HEARTBEAT, Send("a:b", {"destination": "a:b", "x": "y\r"}, b"hi", None)]


def test_a_connect_beside_the_offered_versions_is_refused_with_them() -> None:
    target = ServerConnection(Limits(), ("1.2",), (0, 0))

    error = fail(target, b"CONNECT\naccept-version:1.0,1.1\n\n\0")

    assert isinstance(error, UnsupportedVersion)
    assert read(target.error(error)).headers["version"] == "1.2"


def test_no_common_version_gets_the_error_frame_of_the_spec() -> None:
    target = connection()

    error = fail(target, b"CONNECT\naccept-version:3.0\n\n\0")
    frame = read(target.error(error), None)

    assert frame.headers["version"] == "1.0,1.1,1.2"
    assert frame.headers["content-type"] == "text/plain"
    assert frame.body == b"Supported protocol versions are 1.0 1.1 1.2"


def test_a_connect_with_a_body_is_refused_from_1_1_on() -> None:
    assert isinstance(fail(connection(), b"CONNECT\naccept-version:1.1\n\nbody\0"), UnexpectedBody)


def test_a_malformed_heartbeat_header_is_refused() -> None:
    assert isinstance(
        fail(connection(), b"CONNECT\naccept-version:1.2\nheart-beat:often\n\n\0"), Malformed
    )


def test_connected_contains_the_negotiated_heartbeats() -> None:
    target = connection()
    list(target.receive(b"CONNECT\naccept-version:1.2\nheart-beat:30000,5000\n\n\0"))

    frame = read(target.connected("s1", "u1", "madang/0.1.0"))

    assert target.heartbeat == (10_000, 30_000)
    assert frame == Frame(
        "CONNECTED",
        {
            "version": "1.2",
            "heart-beat": "10000,30000",
            "session": "s1",
            "server": "madang/0.1.0",
            "user-name": "u1",
        },
    )


def test_a_client_that_wants_no_heartbeats_gets_none() -> None:
    target = connection("1.2")

    assert target.heartbeat == (0, 0)
    assert read(target.connected("s", "u", "madang")).headers["heart-beat"] == "0,0"


def test_1_0_has_no_heartbeats_and_ignores_the_header() -> None:
    target = connection()

    _, error = feed(target, b"CONNECT\nheart-beat:nonsense\n\n\0")

    assert error is None
    assert target.heartbeat == (0, 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_connected_is_never_escaped_and_cannot_be_forged(version: str) -> None:
    data = connection(version).connected("a:b", "c\\d\nforged:1", "madang")

    assert b"\nsession:a:b\n" in data
    assert b"\nuser-name:c\\d forged:1\n" in data


def test_connected_before_a_connect_raises() -> None:
    with pytest.raises(RuntimeError):
        connection().connected("s", "u", "madang")


@pytest.mark.parametrize(
    "command", ["SEND", "SUBSCRIBE", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT", "DISCONNECT"]
)
def test_nothing_may_come_before_connect(command: str) -> None:
    target = connection()

    error = fail(target, f"{command}\nreceipt:7\ndestination:/a\n\n\0".encode())

    assert isinstance(error, OutOfOrder)
    assert read(target.error(error), None).headers["receipt-id"] == "7"


@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
def test_a_second_connect_is_refused(command: str) -> None:
    target = connection("1.2")

    error = fail(target, f"{command}\naccept-version:1.2\n\n\0".encode())

    assert isinstance(error, OutOfOrder)


@pytest.mark.parametrize(
    "command", ["MESSAGE", "RECEIPT", "ERROR", "CONNECTED", "send", " SEND", "GET / HTTP/1.1", ""]
)
@pytest.mark.parametrize("version", [None, "1.2"])
def test_a_command_that_clients_do_not_send_is_refused(command: str, version: str | None) -> None:
    error = fail(connection(version), f"{command}\nreceipt:7\n\n\0".removeprefix("\n").encode())

    assert isinstance(error, UnknownCommand | Malformed)


def test_1_0_has_no_nack_and_says_so() -> None:
    assert isinstance(fail(connection("1.0"), b"NACK\nmessage-id:1\n\n\0"), UnknownCommand)


def test_a_carriage_return_after_the_command_is_unknown_before_1_2() -> None:
    assert isinstance(fail(connection("1.1"), b"SEND\r\ndestination:/a\n\n\0"), UnknownCommand)


@pytest.mark.parametrize("version", VERSIONS)
def test_events_before_an_error_are_yielded_first(version: str) -> None:
    target = connection(version)

    events, error = feed(
        target, b"SEND\ndestination:/a\n\n1\0\nSEND\nreceipt:7\n\n2\0SEND\ndestination:/a\n\n3\0"
    )

    assert events == [Send("/a", {"destination": "/a"}, b"1", None), HEARTBEAT]
    assert error is not None
    assert error.receipt_id == "7"


def test_after_an_error_nothing_is_read_and_the_error_frame_can_be_sent() -> None:
    target = connection("1.2")
    error = fail(target, b"SEND\nreceipt:a:b\n\n\0")

    assert feed(target, b"SEND\ndestination:/a\n\n\0") == ([], None)
    frame = read(target.error(error))

    assert frame == Frame(
        "ERROR",
        {
            "message": "missing header destination",
            "receipt-id": "a:b",
            "content-type": "text/plain",
            "content-length": "32",
        },
        b"SEND needs a destination header.",
    )
    assert target.state is State.CLOSED


def test_a_parser_error_is_reported_likewise() -> None:
    target = connection("1.2", Limits(body_bytes=4))

    error = fail(target, b"SEND\nreceipt:7\ndestination:/a\n\n12345")

    assert isinstance(error, TooLarge)
    assert read(target.error(error)).headers["receipt-id"] == "7"


def test_an_error_may_be_a_refusal_in_words_and_a_document() -> None:
    target = connection("1.2")

    frame = read(
        target.error(
            "token expired",
            b'{"status":401}',
            content_type="application/problem+json",
            receipt_id="7",
            headers={"code": "4001"},
        )
    )

    assert frame.headers == {
        "message": "token expired",
        "code": "4001",
        "receipt-id": "7",
        "content-type": "application/problem+json",
        "content-length": "14",
    }
    assert frame.body == b'{"status":401}'


@pytest.mark.parametrize("version", [None, *VERSIONS])
def test_an_error_needs_no_body_and_no_receipt(version: str | None) -> None:
    assert connection(version).error("no") == b"ERROR\nmessage:no\n\n\0"


def test_an_error_is_the_last_frame_in_every_state() -> None:
    for data in (b"", CONNECT, CONNECT + b"DISCONNECT\nreceipt:7\n\n\0"):
        target = connection()
        list(target.receive(data))

        assert target.error("first")
        assert target.error("second") == b""
        assert target.receipt("7") == b""
        assert target.connected("s", "u", "madang") == b""
        assert feed(target, CONNECT) == ([], None)
        assert target.state is State.CLOSED


def test_an_error_in_the_midst_of_reading_stops_it() -> None:
    target = connection()
    events = target.receive(CONNECT + b"SEND\ndestination:/a\n\n\0")
    next(events)

    target.error("not welcome")

    assert list(events) == []


def test_close_ends_everything_without_a_word() -> None:
    target = connection("1.2")
    list(target.receive(b"SUBSCRIBE\nid:1\ndestination:/a\n\n\0SEND\ndest"))

    target.close()

    assert target.state is State.CLOSED
    assert feed(target, CONNECT) == ([], None)
    assert target.error("late") == b""


def test_frames_after_disconnect_are_ignored() -> None:
    target = connection("1.2")

    events, error = feed(target, b"DISCONNECT\nreceipt:7\n\n\0\nSEND\ndestination:/a\n\n\0broken\0")

    assert (events, error) == ([Disconnect({"receipt": "7"}, "7")], None)
    assert target.state is State.DISCONNECTING
    assert feed(target, b"\nbroken\0") == ([], None)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_receipt_of_a_disconnect_can_be_given(version: str) -> None:
    target = connection(version)
    list(target.receive(b"DISCONNECT\nreceipt:7\n\n\0"))

    assert target.receipt("7") == b"RECEIPT\nreceipt-id:7\n\n\0"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_receipt_carries_its_id_as_it_came_and_extra_headers(version: str) -> None:
    target = connection(version)
    events, _ = feed(target, b"SEND\ndestination:/a\nreceipt:a\\\\b\n\n\0")
    assert isinstance(events[0], Send)
    assert events[0].receipt is not None

    data = target.receipt(events[0].receipt, {"message-id": "00000000001g"})

    assert data == b"RECEIPT\nreceipt-id:a\\\\b\nmessage-id:00000000001g\n\n\0"


def test_an_empty_receipt_id_is_a_receipt_id() -> None:
    target = connection("1.2")

    events, _ = feed(target, b"SEND\ndestination:/a\nreceipt:\n\n\0")

    assert isinstance(events[0], Send)
    assert events[0].receipt == ""
    assert target.receipt("") == b"RECEIPT\nreceipt-id:\n\n\0"


@pytest.mark.parametrize("version", VERSIONS)
@given(receipt_id=st.text(max_size=20), extra=st.dictionaries(st.text(), st.text(), max_size=2))
def test_a_receipt_equals_the_general_path(
    version: str, receipt_id: str, extra: dict[str, str]
) -> None:
    fast = connection(version).receipt(receipt_id, extra)

    headers = [("receipt-id", receipt_id), *extra.items()]
    assert fast == serialize(Command.RECEIPT, headers, b"", version)


def test_heartbeats_are_seen_in_every_state_that_reads() -> None:
    target = connection()

    assert feed(target, b"\n") == ([HEARTBEAT], None)
    list(target.receive(CONNECT))
    assert feed(target, b"\n") == ([HEARTBEAT], None)


def test_a_refused_subscription_frees_its_id_and_may_still_be_unsubscribed() -> None:
    target = connection("1.2")
    subscribe = b"SUBSCRIBE\nid:1\ndestination:/a\n\n\0"
    list(target.receive(subscribe))

    target.end_subscription("1")
    _, unsubscribed = feed(target, b"UNSUBSCRIBE\nid:1\n\n\0")
    events, again = feed(target, subscribe)

    assert unsubscribed is again is None
    assert isinstance(events[0], Subscribe)


def test_ending_a_subscription_before_connect_or_after_close_does_nothing() -> None:
    target = connection()
    target.end_subscription("1")
    target.close()

    target.end_subscription("1")

    assert not target.ended("1")


def test_a_transaction_ends_with_its_connection() -> None:
    target = connection("1.2")
    list(target.receive(b"BEGIN\ntransaction:t\n\n\0SEND\ntransaction:t\ndestination:/a\n\n\0"))

    events, error = feed(target, b"DISCONNECT\n\n\0COMMIT\ntransaction:t\n\n\0")

    assert (events, error) == ([Disconnect({}, None)], None)


def test_the_transitions_contain_every_client_command() -> None:
    server = {Command.CONNECTED, Command.MESSAGE, Command.RECEIPT, Command.ERROR}

    assert {command for _, command in TRANSITIONS} == set(Command) - server
    assert not any(state in {State.DISCONNECTING, State.CLOSED} for state, _ in TRANSITIONS)
