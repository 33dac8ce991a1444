"""The head of a frame: the fast path equals the general path."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_gateway.protocol.stomp.errors import Malformed, ProtocolError, TooLarge
from madang_gateway.protocol.stomp.frame import Frame
from madang_gateway.protocol.stomp.head import (
    _check_lines,
    _first_of_each,
    _unescaped,
    _without_carriage_returns,
    content_length,
    read_head,
    trimmed,
)
from madang_gateway.protocol.stomp.limits import Limits

LIMITS = Limits(header_count=4, header_line_bytes=20, head_bytes=50)
_PIECES = [
    b"SEND",
    b"CONNECT",
    b"a:b",
    b" : c ",
    b"\n",
    b"\r\n",
    b"\r",
    b"\\c",
    b"\\n",
    b"\\",
    b":",
]
heads = st.one_of(
    st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join),
    st.binary(max_size=60),
)


def general_path(head: bytes, version: str | None, limits: Limits) -> Frame:
    """Parse as `read_head` does, with every step for a rare case."""
    _check_lines(head, limits)
    try:
        text = head.decode()
    except UnicodeDecodeError:
        raise Malformed("malformed header") from None
    if version not in {"1.0", "1.1"}:
        text = _without_carriage_returns(text)
    command, *lines = text.split("\n")
    headers = _first_of_each(lines, limits)
    if command not in {"CONNECT", "STOMP", "CONNECTED"}:
        headers = _unescaped(headers, version)
    return Frame(command, trimmed(headers) if version == "1.0" else headers)


@pytest.mark.parametrize("version", [None, "1.0", "1.1", "1.2"])
@given(head=heads)
def test_any_head_is_parsed_or_refused_as_by_the_general_path(
    version: str | None, head: bytes
) -> None:
    try:
        expected = general_path(head, version, LIMITS)
    except ProtocolError as error:
        with pytest.raises(type(error), match=re.escape(error.message)):
            read_head(head, version, LIMITS)
    else:
        assert read_head(head, version, LIMITS) == expected


def test_headers_keep_the_order_in_which_they_came() -> None:
    frame = read_head(b"SEND\nz:1\na:2\nm:3", "1.2", Limits())

    assert list(frame.headers) == ["z", "a", "m"]


def test_a_head_may_be_shorter_than_a_line_and_still_too_large() -> None:
    with pytest.raises(TooLarge, match="headers too large"):
        read_head(b"SEND\na:1", "1.2", Limits(head_bytes=4))


def test_trimming_takes_spaces_from_values_only() -> None:
    assert trimmed({" a": "  b c  ", "d": "\te"}) == {" a": "b c", "d": "\te"}


def test_a_padded_content_length_is_read() -> None:
    assert content_length(Frame("CONNECT", {"content-length": " 3 "}), Limits()) == 3


def test_no_content_length_is_none() -> None:
    assert content_length(Frame("SEND", {}), Limits()) is None
