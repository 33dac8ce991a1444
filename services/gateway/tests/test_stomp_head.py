"""Heads, as far as the parser's tests do not reach."""

import pytest

from madang_gateway.protocol.stomp.errors import TooLarge
from madang_gateway.protocol.stomp.frame import Frame
from madang_gateway.protocol.stomp.head import content_length, read_head, trimmed
from madang_gateway.protocol.stomp.limits import Limits


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
