"""Escaping of header names and values in each version.

1.0 has no escapes; 1.1 escapes line feeds, colons and backslashes; 1.2 also carriage returns.
CONNECT and CONNECTED are never escaped, because no version is negotiated yet.
"""

import re

from madang_gateway.protocol.stomp.errors import Malformed
from madang_gateway.protocol.stomp.frame import Command

UNESCAPED_COMMANDS = frozenset({Command.CONNECT, Command.STOMP, Command.CONNECTED})
"""Commands whose headers no version escapes."""

_UNDEFINED = re.compile(r"\\.?", re.DOTALL)
_MEANINGS = {
    "1.1": {"\\n": "\n", "\\c": ":"},
    "1.2": {"\\n": "\n", "\\c": ":", "\\r": "\r"},
}
_BACKSLASH = "\0"
"""Replaces escaped backslashes temporarily; the head of a frame contains no NUL."""
_UNWRITABLE = str.maketrans({"\n": " ", "\r": " ", "\0": " "})


def unescape(text: str, version: str) -> str:
    """Return the unescaped header name or value; `version` is 1.1 or 1.2."""
    # `replace` takes a tenth of the time of a pattern with a function.
    text = text.replace("\\\\", _BACKSLASH)
    for written, meaning in _MEANINGS[version].items():
        text = text.replace(written, meaning)
    undefined = _UNDEFINED.search(text)
    if undefined is not None:
        raise Malformed(
            "undefined escape in a header",
            f"STOMP {version} does not define the escape {undefined[0]!r}.",
        )
    return text.replace(_BACKSLASH, "\\")


def escape(text: str, version: str | None) -> str:
    r"""Return `text` escaped for a header of `version`; None is for frames without escapes.

    Characters without an escape become spaces, so that no value can end its line or its frame: `\0`
    in every version, line ends where there are no escapes.
    """
    if version is None or version == "1.0":
        return text if text.isprintable() else text.translate(_UNWRITABLE)
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text:
        text = text.replace("\n", "\\n")
    if ":" in text:
        text = text.replace(":", "\\c")
    if "\r" in text and version == "1.2":
        text = text.replace("\r", "\\r")
    return text.replace("\0", " ")


def header_line(name: str, value: str, version: str | None) -> bytes:
    """Return a header with its line end, or nothing if `version` cannot express its name."""
    if not name or (":" in name and version in {None, "1.0"}):
        return b""
    line = f"{escape(name, version)}:{escape(value, version)}\n"
    return line.encode("utf-8", "replace")


def header_value(value: str, version: str | None) -> bytes:
    """Return a header's value, escaped for `version`."""
    return escape(value, version).encode("utf-8", "replace")
