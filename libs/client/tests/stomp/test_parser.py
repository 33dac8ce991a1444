import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_client import ProtocolError
from madang_client.stomp.frame import HEARTBEAT, Frame, encode
from madang_client.stomp.parser import Limits, Parser

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NAMES = TEXT.filter(lambda name: name != "content-length")
FRAMES = st.builds(
    Frame,
    st.sampled_from(["MESSAGE", "RECEIPT", "ERROR", "SEND"]),
    st.dictionaries(NAMES, TEXT, max_size=4),
    st.binary(max_size=30),
)


def parse(data: bytes, limits: Limits | None = None) -> list[Frame]:
    return Parser(limits or Limits()).feed(data)


def without_length(frame: Frame) -> Frame:
    headers = {name: value for name, value in frame.headers.items() if name != "content-length"}
    return Frame(frame.command, headers, frame.body)


@given(st.lists(FRAMES, max_size=4), st.integers(0, 3))
def test_frames_round_trip_for_any_split_of_the_bytes(frames: list[Frame], beats: int) -> None:
    data = b"".join(HEARTBEAT * beats + encode(frame) for frame in frames)

    for split in range(len(data) + 1):
        parser = Parser(Limits())
        found = parser.feed(data[:split]) + parser.feed(data[split:])
        assert [without_length(frame) for frame in found] == frames


@given(st.lists(FRAMES, max_size=3))
def test_frames_round_trip_byte_by_byte(frames: list[Frame]) -> None:
    parser = Parser(Limits())

    found: list[Frame] = []
    for byte in b"".join(encode(frame) for frame in frames):
        found += parser.feed(bytes([byte]))

    assert [without_length(frame) for frame in found] == frames


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_a_protocol_error(data: bytes) -> None:
    try:
        parse(data)
    except ProtocolError:
        return


def test_lines_may_end_with_carriage_returns() -> None:
    data = b"\r\nMESSAGE\r\nsubscription:s1\r\n\r\nhello\0\r\n\n"

    for split in range(len(data)):
        parser = Parser(Limits())
        found = parser.feed(data[:split]) + parser.feed(data[split:])
        assert found == [Frame("MESSAGE", {"subscription": "s1"}, b"hello")]


def test_the_first_of_repeated_headers_counts() -> None:
    assert parse(b"MESSAGE\na:1\na:2\n\n\0") == [Frame("MESSAGE", {"a": "1"})]


def test_connected_is_not_unescaped() -> None:
    found = parse(b"CONNECTED\nserver:a\\b:c\n\n\0")

    assert found == [Frame("CONNECTED", {"server": "a\\b:c"})]


@pytest.mark.parametrize(
    "data",
    [
        b"MESSAGE\nno colon\n\n\0",
        b"MESSAGE\na:\\t\n\n\0",
        b"MESSAGE\na:\\\n\n\0",
        b"MESSAGE\n\xff:a\n\n\0",
        b"MESS\0AGE\n\n\0",
        b"MESSAGE\ncontent-length:-1\n\n\0",
        b"MESSAGE\ncontent-length:\xc2\xb2\n\n\0",
        b"MESSAGE\ncontent-length:" + b"9" * 5_000 + b"\n\n\0",
        b"MESSAGE\ncontent-length:1\n\nab\0",
    ],
)
def test_malformed_frames_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"M" * 101,
        b"MESSAGE\na:" + b"b" * 100 + b"\n\n\0",
        b"MESSAGE\n\n" + b"b" * 11,
        b"MESSAGE\n\n" + b"b" * 11 + b"\0",
        b"MESSAGE\ncontent-length:11\n\n",
    ],
)
def test_buffers_are_limited(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="exceeds the limit"):
        parse(data, Limits(head_bytes=100, body_bytes=10))
