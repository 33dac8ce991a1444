"""Hostile bytes: nothing but a ProtocolError comes out, and memory stays within the limits."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_gateway.protocol.stomp.connection import ServerConnection, State
from madang_gateway.protocol.stomp.errors import ProtocolError
from madang_gateway.protocol.stomp.events import Commit, Event, Send
from madang_gateway.protocol.stomp.frame import Frame, HeartBeat
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.stomp.parser import Parser

SMALL = Limits(
    header_count=4,
    header_line_bytes=40,
    head_bytes=120,
    body_bytes=60,
    transactions=2,
    transaction_frames=3,
    transaction_bytes=1000,
    subscriptions=2,
)
HELD = max(SMALL.head_bytes + 2, SMALL.body_bytes)
"""Most bytes that a parser may hold of an unfinished frame."""

CONNECTS = [
    b"CONNECT\n\n\0",
    b"CONNECT\naccept-version:1.1\n\n\0",
    b"STOMP\r\naccept-version:1.2\r\nheart-beat:5,5\r\n\r\n\0",
]
FRAMES = [
    *CONNECTS,
    b"SEND\ndestination:/a\n\nhello\0",
    b"SEND\ndestination:/a\ncontent-length:3\n\n\0\n\0\0",
    b"SEND\ndestination:/a\ntransaction:t\nreceipt:1\n\nhello\0",
    b"SUBSCRIBE\nid:1\ndestination:/a\nack:client\n\n\0",
    b"SUBSCRIBE\ndestination: /a\n\n\0",
    b"UNSUBSCRIBE\nid:1\ndestination:/a\n\n\0",
    b"ACK\nid:1\nmessage-id:1\nsubscription:1\n\n\0",
    b"NACK\nid:1\nmessage-id:1\nsubscription:1\n\n\0",
    b"BEGIN\ntransaction:t\n\n\0",
    b"COMMIT\ntransaction:t\n\n\0",
    b"ABORT\ntransaction:t\n\n\0",
    b"DISCONNECT\nreceipt:7\n\n\0",
    b"\n",
    b"\r\n",
]
TOKENS = [
    *(b"\n \r\n \0 : \\ \\c \\r \\t \xff \xc3 , 0 1.0 1.1 1.2 999999".split(b" ")),
    *(b"SEND CONNECT STOMP MESSAGE content-length: destination: receipt: id:".split(b" ")),
    "마당".encode(),
    b" ",
    b"x" * 30,
    b"\n\n",
]

soup = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=4), max_size=40).map(b"".join)
valid = st.lists(st.sampled_from(FRAMES), max_size=12).map(b"".join)
connected = st.tuples(st.sampled_from(CONNECTS), valid).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw valid frames with a few bytes replaced, inserted or missing."""
    data = bytearray(draw(connected))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 3))
        data[at : at + gone] = draw(st.sampled_from(TOKENS) | st.binary(max_size=2))
    return bytes(data)


hostile = st.one_of(st.binary(max_size=300), soup, connected, mutated())


@st.composite
def in_pieces(draw: st.DrawFn, streams: st.SearchStrategy[bytes] = hostile) -> list[bytes]:
    """Draw a stream cut at random places, or into single bytes."""
    data = draw(streams)
    if draw(st.booleans()):
        return [bytes([byte]) for byte in data]
    edges = [0, *sorted(draw(st.lists(st.integers(0, len(data)), max_size=5))), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def parse(pieces: Sequence[bytes], version: str | None) -> tuple[list[Frame], bool]:
    """Return the frames of `pieces` and whether a ProtocolError ended them."""
    parser = Parser(SMALL)
    parser.version = version
    items: list[Frame | HeartBeat] = []
    failed = False
    for piece in pieces:
        try:
            items.extend(parser.receive(piece))
        except ProtocolError:
            failed = True
        assert len(parser._buffer) <= (0 if failed else HELD)
    return [item for item in items if isinstance(item, Frame)], failed


@pytest.mark.parametrize("version", [None, "1.0", "1.1", "1.2"])
@given(pieces=in_pieces())
def test_bytes_split_anywhere_give_the_same_frames_and_errors(
    version: str | None, pieces: list[bytes]
) -> None:
    whole = parse([b"".join(pieces)], version)

    assert parse(pieces, version) == whole


@pytest.mark.parametrize("version", [None, "1.0", "1.1", "1.2"])
@given(data=hostile)
def test_every_frame_that_comes_out_is_within_the_limits(version: str | None, data: bytes) -> None:
    frames, _ = parse([data], version)

    for frame in frames:
        assert len(frame.headers) <= SMALL.header_count
        assert len(frame.body) <= SMALL.body_bytes
        assert "\0" not in "".join([frame.command, *frame.headers, *frame.headers.values()])


def held_bytes(connection: ServerConnection) -> int:
    interpreter = connection._interpreter
    return 0 if interpreter is None else interpreter.transactions.bytes


@given(pieces=in_pieces())
def test_a_connection_answers_any_bytes_with_events_or_one_readable_error(
    pieces: list[bytes],
) -> None:
    connection = ServerConnection(SMALL, heartbeat=(10, 10))
    answers: list[bytes] = []
    events: list[Event] = []

    for piece in pieces:
        try:
            for event in connection.receive(piece):
                events.append(event)
                receipt = getattr(event, "receipt", None)
                if receipt is not None:
                    answers.append(connection.receipt(receipt))
        except ProtocolError as error:
            answers.append(connection.error(error))
            assert connection.state is State.CLOSED
        assert len(connection._parser._buffer) <= HELD
        assert open_subscriptions(connection) <= SMALL.subscriptions
        assert held_bytes(connection) <= SMALL.transaction_bytes

    reader = Parser(Limits())
    reader.version = connection.version
    frames = list(reader.receive(b"".join(answers)))
    assert len(frames) == len(answers)
    commands = [frame.command for frame in frames if isinstance(frame, Frame)]
    assert commands.count("ERROR") <= 1
    assert "ERROR" not in commands[:-1]


@given(stream=connected, data=st.data())
def test_however_bytes_are_cut_a_connection_gives_the_same_events(
    stream: bytes, data: st.DataObject
) -> None:
    pieces = data.draw(in_pieces(st.just(stream)))

    assert run(pieces) == run([stream])


@given(before=connected, data=st.data())
def test_the_fast_path_of_a_send_equals_the_general_path(
    before: bytes, data: st.DataObject
) -> None:
    frame = data.draw(st.one_of(st.sampled_from(FRAMES), hostile))
    general, fast = ServerConnection(SMALL), ServerConnection(SMALL)
    for target in (general, fast):
        take(target, before)

    sent = fast.receive_send(frame)

    if sent is not None:
        assert take(general, frame) == ([sent], None)
        assert take(fast, b"") == ([], None)
    else:
        assert take(fast, frame) == take(general, frame)


@given(stream=connected)
def test_no_held_send_comes_out_before_its_commit_and_none_comes_out_twice(stream: bytes) -> None:
    events, _ = run([stream])

    committed = [send for event in events if isinstance(event, Commit) for send in event.sends]
    alone = [event for event in events if isinstance(event, Send)]
    assert all("transaction" not in send.headers for send in alone)
    assert all("transaction" in send.headers for send in committed)
    assert len({id(send) for send in committed}) == len(committed)
    assert len(committed) <= stream.count(b"transaction:t\nreceipt:1")


def open_subscriptions(connection: ServerConnection) -> int:
    interpreter = connection._interpreter
    return 0 if interpreter is None else len(interpreter.subscriptions._open)


def run(pieces: Sequence[bytes]) -> tuple[list[Event], type[ProtocolError] | None]:
    """Return the events of `pieces` on a new connection, without heart-beats."""
    connection = ServerConnection(SMALL, heartbeat=(10, 10))
    events: list[Event] = []
    failure: type[ProtocolError] | None = None
    for piece in pieces:
        found, failed = take(connection, piece)
        events += found
        assert failure is None or failed is None
        failure = failure or failed
    return events, failure


def take(
    connection: ServerConnection, data: bytes
) -> tuple[list[Event], type[ProtocolError] | None]:
    """Return the events of `data`, without heart-beats."""
    events: list[Event] = []
    failure: type[ProtocolError] | None = None
    try:
        events.extend(connection.receive(data))
    except ProtocolError as error:
        failure = type(error)
    return [event for event in events if not isinstance(event, HeartBeat)], failure
