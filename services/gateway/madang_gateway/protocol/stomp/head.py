"""The head of a frame: command and headers, the bytes before the blank line.

Each rare case (long lines, carriage returns, escapes) is handled only if a cheap test finds it; the
common head takes the fast path past all of them.
"""

from madang_gateway.protocol.stomp.errors import Malformed, TooLarge
from madang_gateway.protocol.stomp.frame import Frame
from madang_gateway.protocol.stomp.headers import UNESCAPED_COMMANDS, unescape
from madang_gateway.protocol.stomp.limits import Limits

_LENGTH_DIGITS = 15
"""Most digits of a content-length."""


def read_head(head: bytes, version: str | None, limits: Limits) -> Frame:
    """Return the frame of `head`, without its body.

    `version` is None before the negotiation; line ends are then parsed as in 1.2.
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
    """Return `headers` without the padding of values, which 1.0 allows."""
    return {name: value.strip(" ") for name, value in headers.items()}


def content_length(frame: Frame, limits: Limits) -> int | None:
    """Return the length of the body of `frame` in bytes, None without a content-length."""
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
    """Return the error for too many headers."""
    return TooLarge("too many headers", f"A frame may have {limits.header_count} headers.")


def line_too_long(limits: Limits) -> TooLarge:
    """Return the error for a line that exceeds the limit."""
    return TooLarge("header too long", f"A header may have {limits.header_line_bytes} bytes.")


def head_too_large(limits: Limits) -> TooLarge:
    """Return the error for a head that exceeds the limit."""
    return TooLarge("headers too large", f"All headers may have {limits.head_bytes} bytes.")


def body_too_large(limits: Limits, frame: Frame) -> TooLarge:
    """Return the error for a body, or a content-length, that exceeds the limit."""
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
        raise Malformed("malformed header", "A header contains a carriage return.")
    return text


def _unescaped(headers: dict[str, str], version: str | None) -> dict[str, str]:
    if version is None or version == "1.0":
        return headers
    # Each name has exactly one escaped form, so no name can occur twice.
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
