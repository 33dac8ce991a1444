"""Framing: the ends of frames, heads and bodies, and malformed frames."""

from collections.abc import Iterable

import pytest

from madang_gateway.protocol.stomp.errors import Malformed, ProtocolError, TooLarge
from madang_gateway.protocol.stomp.frame import HEARTBEAT, Frame, HeartBeat
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.stomp.parser import Parser

SMALL = Limits(header_count=3, header_line_bytes=20, head_bytes=50, body_bytes=10)


def parser(version: str | None = "1.2", limits: Limits = SMALL) -> Parser:
    made = Parser(limits)
    made.version = version
    return made


def parse(
    data: bytes, version: str | None = "1.2", limits: Limits | None = None
) -> list[Frame | HeartBeat]:
    return list(parser(version, limits or Limits()).receive(data))


def feed(
    target: Parser, pieces: Iterable[bytes]
) -> tuple[list[Frame | HeartBeat], ProtocolError | None]:
    items: list[Frame | HeartBeat] = []
    for piece in pieces:
        try:
            items.extend(target.receive(piece))
        except ProtocolError as error:
            return items, error
    return items, None


def test_a_frame_is_a_command_headers_and_a_body_up_to_the_nul() -> None:
    items = parse(b"SEND\ndestination:/a\nkey:1\n\nhello\0")

    assert items == [Frame("SEND", {"destination": "/a", "key": "1"}, b"hello")]


def test_a_frame_may_have_neither_headers_nor_body() -> None:
    assert parse(b"DISCONNECT\n\n\0") == [Frame("DISCONNECT", {}, b"")]


def test_several_frames_come_out_of_one_call_in_order() -> None:
    items = parse(b"A\n\n1\0B\n\n2\0C\n\n3\0")

    assert items == [Frame("A", {}, b"1"), Frame("B", {}, b"2"), Frame("C", {}, b"3")]


def test_an_incomplete_frame_waits_for_the_rest() -> None:
    target = parser()

    assert list(target.receive(b"SEND\ndestin")) == []
    assert list(target.receive(b"ation:/a\n\nhe")) == []
    assert list(target.receive(b"llo\0")) == [Frame("SEND", {"destination": "/a"}, b"hello")]


def test_line_ends_between_frames_are_one_heartbeat() -> None:
    items = parse(b"\n\n\nA\n\n\0\nB\n\n\0\r\n\n")

    assert items == [HEARTBEAT, Frame("A", {}), HEARTBEAT, Frame("B", {}), HEARTBEAT]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", None])
def test_a_single_line_feed_is_a_heartbeat_at_once(version: str | None) -> None:
    assert parse(b"\n", version) == [HEARTBEAT]


def test_a_carriage_return_waits_for_its_line_feed() -> None:
    target = parser()

    assert list(target.receive(b"\r")) == []
    assert list(target.receive(b"\nA\n\n\0")) == [HEARTBEAT, Frame("A", {})]


def test_a_flood_of_line_ends_is_one_heartbeat_and_leaves_nothing_behind() -> None:
    target = parser()

    items = list(target.receive(b"\n" * 100_000))

    assert items == [HEARTBEAT]
    assert not target._buffer


def test_an_empty_piece_gives_nothing() -> None:
    assert parse(b"") == []


@pytest.mark.parametrize("version", ["1.2", None])
def test_lines_may_end_in_crlf_in_1_2_and_before_a_version_is_agreed(version: str | None) -> None:
    items = parse(b"SEND\r\ndestination:/a\r\n\r\na\r\n\r\nb\0", version)

    assert items == [Frame("SEND", {"destination": "/a"}, b"a\r\n\r\nb")]


@pytest.mark.parametrize(
    "data", [b"A\na:1\r\n\nx\0", b"A\r\na:1\n\r\nx\0", b"A\na:1\n\r\nx\0", b"A\r\na:1\r\n\nx\0"]
)
def test_both_line_ends_may_mix_in_one_frame(data: bytes) -> None:
    assert parse(data) == [Frame("A", {"a": "1"}, b"x")]


@pytest.mark.parametrize("data", [b"A\n\r\n\n\r\n\0", b"A\r\n\r\n\n\r\n\0"])
def test_the_first_blank_line_ends_the_head_and_later_ones_are_body(data: bytes) -> None:
    assert parse(data) == [Frame("A", {}, b"\n\r\n")]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_before_1_2_a_carriage_return_belongs_to_the_value(version: str) -> None:
    assert parse(b"A\na:1\r\n\n\0", version) == [Frame("A", {"a": "1\r"})]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_before_1_2_a_blank_line_with_a_carriage_return_is_malformed(version: str) -> None:
    with pytest.raises(Malformed):
        parse(b"A\r\na:1\r\n\r\n\n\n\0", version)


@pytest.mark.parametrize("data", [b"A\na:1\r2\n\n\0", b"A\rB\n\n\0", b"\rA\n\n\0", b"A\r\r\n\n\0"])
def test_a_carriage_return_inside_a_line_is_malformed_in_1_2(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data)


def test_with_content_length_a_body_may_hold_nuls() -> None:
    assert parse(b"A\ncontent-length:5\n\na\0b\0\n\0") == [
        Frame("A", {"content-length": "5"}, b"a\0b\0\n")
    ]


def test_with_content_length_zero_only_the_nul_follows() -> None:
    assert parse(b"A\ncontent-length:0\n\n\0") == [Frame("A", {"content-length": "0"})]


def test_without_content_length_the_first_nul_ends_the_body() -> None:
    assert parse(b"A\n\na\0\nB\n\n\0") == [Frame("A", {}, b"a"), HEARTBEAT, Frame("B", {})]


def test_a_body_longer_than_its_content_length_is_malformed() -> None:
    with pytest.raises(Malformed) as caught:
        parse(b"SEND\nreceipt:7\ncontent-length:2\n\nabc\0")

    assert caught.value.receipt_id == "7"


def test_a_body_shorter_than_its_content_length_takes_the_following_bytes() -> None:
    target = parser()

    assert list(target.receive(b"A\ncontent-length:4\n\nab\0")) == []
    with pytest.raises(Malformed):
        list(target.receive(b"B\n\n\0"))


@pytest.mark.parametrize(
    "length", ["", "-1", "+1", "1.0", "0x1", "1_0", "a", "1 2", "٣", "²", "9" * 16, "9" * 5000]
)
def test_a_content_length_that_is_no_number_is_malformed(length: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(f"SEND\nreceipt:7\ncontent-length:{length}\n\n\0".encode())

    assert caught.value.message == "malformed content-length"
    assert caught.value.receipt_id == "7"


def test_the_first_of_repeated_content_lengths_counts() -> None:
    assert parse(b"A\ncontent-length:1\ncontent-length:9\n\nx\0") == [
        Frame("A", {"content-length": "1"}, b"x")
    ]


def test_the_first_of_repeated_headers_counts() -> None:
    assert parse(b"MESSAGE\nfoo:World\nfoo:Hello\n\n\0") == [Frame("MESSAGE", {"foo": "World"})]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_the_first_of_repeated_headers_counts_however_its_name_is_written(version: str) -> None:
    assert parse(b"A\na\\nb:1\na\\nb:2\nc:\\c\n\n\0", version) == [
        Frame("A", {"a\nb": "1", "c": ":"})
    ]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", None])
def test_only_the_first_colon_of_a_line_divides_it(version: str | None) -> None:
    assert parse(b"A\nurl:http://x\n\n\0", version) == [Frame("A", {"url": "http://x"})]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", None])
def test_a_value_may_be_empty(version: str | None) -> None:
    assert parse(b"A\na:\n\n\0", version) == [Frame("A", {"a": ""})]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_values_are_never_trimmed_from_1_1_on(version: str) -> None:
    assert parse(b"A\na: b \n c :d\n\n\0", version) == [Frame("A", {"a": " b ", " c ": "d"})]


def test_values_of_1_0_are_trimmed_as_its_examples_pad_them() -> None:
    assert parse(b"SEND\ndestination: /a \n\n\0", "1.0") == [Frame("SEND", {"destination": "/a"})]


def test_values_of_1_0_have_no_escapes() -> None:
    assert parse(b"A\na:\\c\\t\\\n\n\0", "1.0") == [Frame("A", {"a": "\\c\\t\\"})]


@pytest.mark.parametrize("command", ["CONNECT", "STOMP", "CONNECTED"])
@pytest.mark.parametrize("version", [None, "1.1", "1.2"])
def test_headers_of_the_connecting_frames_are_never_unescaped(
    command: str, version: str | None
) -> None:
    assert parse(f"{command}\npasscode:a\\cb\\t\n\n\0".encode(), version) == [
        Frame(command, {"passcode": "a\\cb\\t"})
    ]


def test_an_undefined_escape_in_a_header_is_malformed() -> None:
    with pytest.raises(Malformed, match="undefined escape"):
        parse(b"SEND\ndestination:/a\\t\n\n\0")


def test_headers_are_utf_8() -> None:
    assert parse("SEND\n방:마당 🏡\n\n\0".encode()) == [Frame("SEND", {"방": "마당 🏡"})]


@pytest.mark.parametrize("broken", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
def test_headers_that_are_no_utf_8_are_malformed(broken: bytes) -> None:
    with pytest.raises(Malformed, match="malformed header"):
        parse(b"SEND\ndestination:" + broken + b"\n\n\0")


def test_a_body_may_be_any_bytes() -> None:
    assert parse(b"A\n\n\xff\xfe\n\n\r\n:\\\0") == [Frame("A", {}, b"\xff\xfe\n\n\r\n:\\")]


@pytest.mark.parametrize(
    "data",
    [
        b"SEND\nno colon\n\n\0",
        b"SEND\n:no name\n\n\0",
        b"SEND\0",
        b"\0",
        b"SEND\ndestination:/a\0",
        b"SEND\ndestination:/a\n\0",
        b"SEND\ndestination:/a\n\0\n\n",
        b"SEND\na:\0\n\n\0",
    ],
)
def test_bytes_that_are_not_a_frame_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data)


def test_a_nul_in_the_head_is_refused_before_the_blank_line() -> None:
    with pytest.raises(Malformed):
        parse(b"SEND\nfoo:bar\0")


def test_frames_before_an_error_are_yielded_first() -> None:
    target = parser()

    items, error = feed(target, [b"A\n\n\0\nB\n\n\0broken\0C\n\n\0"])

    assert items == [Frame("A", {}), HEARTBEAT, Frame("B", {})]
    assert isinstance(error, Malformed)


def test_nothing_is_yielded_after_an_error() -> None:
    target = parser()
    feed(target, [b"broken\0"])

    assert list(target.receive(b"A\n\n\0")) == []
    assert not target._buffer


def test_nothing_is_yielded_or_buffered_after_stop() -> None:
    target = parser()
    items = target.receive(b"A\n\n\0B\n\n\0C\n\nhal")

    first = next(items)
    target.stop()

    assert first == Frame("A", {})
    assert list(items) == []
    assert list(target.receive(b"f\0")) == []
    assert not target._buffer


def test_frames_left_by_one_iterator_are_yielded_by_the_next() -> None:
    target = parser()

    first = next(iter(target.receive(b"A\n\n\0B\n\n\0C\n\n1")))
    rest = list(target.receive(b"2\0D\n\n\0"))

    assert [first, *rest] == [
        Frame("A", {}),
        Frame("B", {}),
        Frame("C", {}, b"12"),
        Frame("D", {}),
    ]


def test_two_iterators_at_once_share_the_frames_without_loss() -> None:
    target = parser()
    first = target.receive(b"A\n\n\0B\n\n\0")
    items = [next(first)]
    second = target.receive(b"C\n\n\0D\n\n\0")

    items += [next(second), next(first), *second, *first]

    assert [item.command for item in items if isinstance(item, Frame)] == ["A", "B", "C", "D"]


def test_the_version_may_change_between_two_frames() -> None:
    target = parser(None)
    items = target.receive(b"CONNECT\na:\\c\n\n\0SEND\na:\\c\n\n\0")

    first = next(items)
    target.version = "1.2"
    second = next(items)

    assert (first, second) == (Frame("CONNECT", {"a": "\\c"}), Frame("SEND", {"a": ":"}))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_taken_and_may_change_afterwards(
    kind: type[bytes] | type[bytearray] | type[memoryview],
) -> None:
    target, data = parser(), bytearray(b"A\n\nbody")

    assert list(target.receive(kind(data))) == []
    data[:] = b"x" * len(data)
    items = list(target.receive(kind(b"\0")))

    assert items == [Frame("A", {}, b"body")]
    assert isinstance(items[0], Frame)
    assert type(items[0].body) is bytes


def test_exactly_the_limits_are_allowed_whole_and_byte_by_byte() -> None:
    lines = b"SEND\n123456789:1234567890\na:1234567890\nb:12345678"
    data = lines + b"\r\n\r\n" + b"x" * 10 + b"\0"
    limits = Limits(header_count=3, header_line_bytes=20, head_bytes=len(lines) + 1, body_bytes=10)

    whole = list(parser(limits=limits).receive(data))
    bytewise, error = feed(parser(limits=limits), [bytes([byte]) for byte in data])

    assert len(whole) == 1
    assert error is None
    assert bytewise == whole


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"A\na:\nb:\nc:\nd:\n\n\0", "too many headers"),
        (b"A\na:12345678901234567890\n\n\0", "header too long"),
        (b"A" * 21 + b"\n\n\0", "header too long"),
        (b"A\na:123456789012345678\nb:123456789012345678\nc:1234567890\n\n\0", "headers too large"),
        (b"A\n\n12345678901\0", "body too large"),
        (b"A\ncontent-length:11\n\n12345678901\0", "body too large"),
    ],
)
def test_one_more_than_a_limit_is_too_large_whole_and_byte_by_byte(
    data: bytes, message: str
) -> None:
    whole, error = feed(parser(), [data])
    bytewise, later_error = feed(parser(), [bytes([byte]) for byte in data])

    assert whole == bytewise == []
    assert isinstance(error, TooLarge)
    assert isinstance(later_error, TooLarge)
    assert error.message == message


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"", b"A"),
        (b"A\n", b"a:1\n"),
        (b"A\na:", b"x"),
        (b"A\n\n", b"x"),
        (b"A\n\n", b"\n"),
        (b"A\n", b"a"),
        (b"\r", b"\r"),
    ],
)
def test_an_endless_frame_is_refused_as_soon_as_it_passes_a_limit(
    start: bytes, endless: bytes
) -> None:
    target = parser()
    largest = 0

    _, error = feed(target, [start])
    for _ in range(100):
        if error is None:
            _, error = feed(target, [endless])
            largest = max(largest, len(target._buffer))

    assert isinstance(error, TooLarge)
    assert largest <= SMALL.head_bytes + 2
    assert not target._buffer


def test_a_content_length_of_exactly_the_limit_is_allowed() -> None:
    items = parse(b"SEND\ncontent-length:10\n\n1234567890\0", limits=SMALL)

    assert items == [Frame("SEND", {"content-length": "10"}, b"1234567890")]


def test_line_ends_before_a_frame_do_not_count_as_its_headers() -> None:
    target = parser()

    items, error = feed(target, [b"\n" * 20 + b"A\na:1\n", b"b:2\nc:3\n\n\0"])

    assert error is None
    assert items == [HEARTBEAT, Frame("A", {"a": "1", "b": "2", "c": "3"})]


def test_a_long_line_is_refused_before_the_head_ends() -> None:
    with pytest.raises(TooLarge, match="header too long"):
        parse(b"A\na:1234567890123456789\nb", limits=SMALL)


def test_a_content_length_past_the_limit_is_refused_before_the_body_comes() -> None:
    with pytest.raises(TooLarge) as caught:
        list(parser().receive(b"SEND\nreceipt:7\ncontent-length:11\n\n"))

    assert caught.value.receipt_id == "7"


def test_a_body_past_the_limit_names_the_receipt_of_its_frame() -> None:
    with pytest.raises(TooLarge) as caught:
        list(parser().receive(b"SEND\nreceipt:7\n\n12345678901"))

    assert caught.value.receipt_id == "7"


def test_limits_are_for_each_frame_and_not_for_the_sum() -> None:
    data = b"SEND\na:1\nb:2\nc:3\n\n1234567890\0" * 50

    assert len(parse(data, limits=SMALL)) == 50


def test_a_parser_between_frames_holds_no_bytes() -> None:
    target = parser()

    list(target.receive(b"A\n\nhal"))
    list(target.receive(b"f\0\n"))

    assert not target._buffer


def test_a_large_frame_in_tiny_pieces_takes_time_in_proportion_to_its_size() -> None:
    body = b"x" * 60_000
    target = parser(limits=Limits())
    target.version = "1.2"
    data = b"SEND\ndestination:/a\n\n" + body + b"\0"

    items, error = feed(target, [data[at : at + 1] for at in range(len(data))])

    assert error is None
    assert items == [Frame("SEND", {"destination": "/a"}, body)]
