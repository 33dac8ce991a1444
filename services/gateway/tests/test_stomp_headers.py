"""Escapes of header names and values in each version."""

import pytest

from madang_gateway.protocol.stomp.errors import Malformed
from madang_gateway.protocol.stomp.headers import escape, header_line, header_value, unescape

EVERYTHING = "a:b\nc\\d\re"


def test_1_1_escapes_line_feed_colon_and_backslash_but_not_carriage_return() -> None:
    written = escape(EVERYTHING, "1.1")

    assert written == "a\\cb\\nc\\\\d\re"
    assert unescape(written, "1.1") == EVERYTHING


def test_1_2_escapes_carriage_return_too() -> None:
    written = escape(EVERYTHING, "1.2")

    assert written == "a\\cb\\nc\\\\d\\re"
    assert unescape(written, "1.2") == EVERYTHING


@pytest.mark.parametrize("version", [None, "1.0"])
def test_without_escapes_a_value_keeps_colons_and_backslashes(version: str | None) -> None:
    assert escape("a:b\\c\\n", version) == "a:b\\c\\n"


@pytest.mark.parametrize("version", [None, "1.0"])
def test_without_escapes_a_value_cannot_end_its_line(version: str | None) -> None:
    line = header_line("text", "a\nforged:1\r\n\n\0", version)

    assert line == b"text:a forged:1    \n"


@pytest.mark.parametrize("version", [None, "1.0", "1.1", "1.2"])
def test_no_value_can_end_its_frame(version: str | None) -> None:
    assert b"\0" not in header_line("na\0me", "val\0ue", version)


@pytest.mark.parametrize("version", [None, "1.0"])
def test_a_name_with_a_colon_is_left_out_where_it_cannot_be_written(version: str | None) -> None:
    assert header_line("a:b", "c", version) == b""


def test_a_header_without_a_name_is_left_out() -> None:
    assert header_line("", "c", "1.2") == b""


def test_names_are_escaped_like_values() -> None:
    assert header_line("a:b", "c:d", "1.2") == b"a\\cb:c\\cd\n"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("text", ["\\t", "\\", "a\\", "\\N", "\\\\\\", "\\\n", "\\한"])
def test_an_undefined_escape_is_fatal(version: str, text: str) -> None:
    with pytest.raises(Malformed, match="undefined escape"):
        unescape(text, version)


def test_an_escaped_carriage_return_is_undefined_in_1_1() -> None:
    with pytest.raises(Malformed, match="undefined escape"):
        unescape("\\r", "1.1")


def test_escapes_are_read_once_from_left_to_right() -> None:
    assert unescape("\\\\n", "1.2") == "\\n"
    assert unescape("\\\\\\n", "1.2") == "\\\n"


def test_text_that_utf_8_cannot_write_does_not_raise() -> None:
    assert header_value("a\ud800b", "1.2") == b"a?b"
