"""Headers of ASGI messages as they are: pairs of bytes, names in lower case.

Starlette's `Headers` copies the list and decodes names for each look-up; every middleware looks up.
"""

from collections.abc import Iterable, MutableSequence
from typing import Any

from starlette.types import Message, Scope

RawHeader = tuple[bytes, bytes]


def first_value(scope: Scope, name: bytes) -> str | None:
    """Return the first value of the request's header `name`, which is in lower case."""
    for each, value in scope["headers"]:
        if each == name:
            return str(value, "latin-1")
    return None


def all_values(scope: Scope, name: bytes) -> list[str]:
    """Return all values of the request's header `name`, which is in lower case."""
    return [str(value, "latin-1") for each, value in scope["headers"] if each == name]


def content_length(scope: Scope) -> int:
    """Return the request's Content-Length; 0 if there is none or it is malformed."""
    length = first_value(scope, b"content-length")
    return int(length) if length is not None and length.isdecimal() else 0


def add_missing(message: Message, headers: Iterable[RawHeader]) -> None:
    """Add those of `headers` that the `http.response.start` message does not have."""
    own = _headers_of(message)
    names = {name for name, _ in own}
    own.extend(header for header in headers if header[0] not in names)


def replace(message: Message, header: RawHeader) -> None:
    """Set a header of the `http.response.start` message."""
    own = _headers_of(message)
    own[:] = [each for each in own if each[0] != header[0]]
    own.append(header)


def _headers_of(message: Message) -> MutableSequence[Any]:
    """Return the headers as a list that belongs to the message."""
    headers = message["headers"] = list(message.get("headers", ()))
    return headers
