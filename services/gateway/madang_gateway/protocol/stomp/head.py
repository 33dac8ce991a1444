"""The head of a frame: its command and headers, from the bytes before the blank line."""

from madang_gateway.protocol.stomp.errors import Malformed, TooLarge
from madang_gateway.protocol.stomp.frame import Frame
from madang_gateway.protocol.stomp.headers import UNESCAPED_COMMANDS, unescape
from madang_gateway.protocol.stomp.limits import Limits

_LENGTH_DIGITS = 15
"""Longest content-length that is read as a number."""


def read_head(head: bytes, version: str | None, limits: Limits) -> Frame:
    """Return the frame that `head` begins, its body still empty.

    `version` is None as long as none is agreed; line ends are then read as in 1.2.
    """
    if len(head) > limits.header_line_bytes or len(head) > limits.head_bytes:
        _check_lines(head, limits)
    try:
        text = head.decode()
    except UnicodeDecodeError:
        raise Malformed("malformed header", "Headers are not valid UTF-8.") from None
    if "\r" in text and version not in {"1.0", "1.1"}:
        text = _without_carriage_returns(text)
    command, *lines = text.split("\n")
    headers = _first_of_each(lines, limits)
    if "\\" in text and command not in UNESCAPED_COMMANDS:
        headers = _unescaped(headers, version)
    if version == "1.0":
        headers = trimmed(headers)
    return Frame(command, headers)


def trimmed(headers: dict[str, str]) -> dict[str, str]:
    """Return headers as 1.0 means them, whose own examples pad the values."""
    return {name: value.strip(" ") for name, value in headers.items()}


def content_length(frame: Frame, limits: Limits) -> int | None:
    """Return how many bytes the body of `frame` has, if its head says so."""
    text = frame.headers.get("content-length")
    if text is None:
        return None
    digits = text.strip(" ")
    if not (digits.isdigit() and digits.isascii() and len(digits) <= _LENGTH_DIGITS):
        raise Malformed(
            "malformed content-length",
            f"content-length is a number of bytes, not {text[:40]!r}.",
            receipt_id=frame.headers.get("receipt"),
        )
    length = int(digits)
    if length > limits.body_bytes:
        raise body_too_large(limits, frame)
    return length


def too_many_headers(limits: Limits) -> TooLarge:
    """Return the error for one header more than the limit."""
    return TooLarge("too many headers", f"A frame may have {limits.header_count} headers.")


def line_too_long(limits: Limits) -> TooLarge:
    """Return the error for a line of the head that is past the limit."""
    return TooLarge("header too long", f"A header may have {limits.header_line_bytes} bytes.")


def head_too_large(limits: Limits) -> TooLarge:
    """Return the error for a head that is past the limit as a whole."""
    return TooLarge("headers too large", f"All headers may have {limits.head_bytes} bytes.")


def body_too_large(limits: Limits, frame: Frame) -> TooLarge:
    """Return the error for a body that is, or says it will be, past the limit."""
    return TooLarge(
        "body too large",
        f"A body may have {limits.body_bytes} bytes.",
        receipt_id=frame.headers.get("receipt"),
    )


def _check_lines(head: bytes, limits: Limits) -> None:
    if len(head) > limits.head_bytes:
        raise head_too_large(limits)
    if max(map(len, head.split(b"\n"))) > limits.header_line_bytes:
        raise line_too_long(limits)


def _without_carriage_returns(text: str) -> str:
    text = "\n".join([line.removesuffix("\r") for line in text.split("\n")])
    if "\r" in text:
        raise Malformed("malformed header", "A carriage return stands inside a line.")
    return text


def _unescaped(headers: dict[str, str], version: str | None) -> dict[str, str]:
    if version is None or version == "1.0":
        return headers
    # Every name can be written in one way only, so none comes to be twice here.
    return {unescape(name, version): unescape(value, version) for name, value in headers.items()}


def _first_of_each(lines: list[str], limits: Limits) -> dict[str, str]:
    if len(lines) > limits.header_count:
        raise too_many_headers(limits)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed("malformed header", f"The header {line[:40]!r} has no colon.")
        if name not in headers:
            headers[name] = value
    if "" in headers:
        raise Malformed("malformed header", "A header has no name.")
    return headers
