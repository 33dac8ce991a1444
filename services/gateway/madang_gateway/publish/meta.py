"""Checks the `meta` of a message: whatever passes comes back from every store as it was sent."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from madang_common.problems import InvalidBody

MAX_BYTES = 8192
"""Largest `meta` as JSON."""
MAX_LEVELS = 16
"""Most objects and lists inside each other, `meta` itself included."""
_INT64, _UINT64 = 1 << 63, 1 << 64
_NUMBERS = "whole numbers from -2^63 to 2^64 - 1"


def within_size(meta: dict[str, Any]) -> dict[str, Any]:
    """Return `meta`; raise ValueError unless it can be JSON and is small enough.

    What passes can be serialised, which `check_meta` and the size limit rely on.
    """
    try:
        size = len(orjson.dumps(meta))
    except TypeError as error:
        raise ValueError(f"at most {MAX_LEVELS} levels, valid Unicode, {_NUMBERS}.") from error
    if size > MAX_BYTES:
        raise ValueError(f"at most {MAX_BYTES} bytes as JSON.")
    return meta


def check_meta(meta: Mapping[str, Any], body: bytes) -> None:
    """Raise InvalidBody unless `meta`, parsed from the JSON in `body`, can be kept as it is.

    `body` is parsed again, because a parser neither reports a repeated name nor always keeps a
    number of more than 64 bits. This takes too long for a body that nothing has bounded yet.
    """
    if not _has_levels(meta, MAX_LEVELS):
        raise InvalidBody(f"Meta: at most {MAX_LEVELS} levels.")
    try:
        orjson.loads(body)  # no NaN, no Infinity, no lone surrogates
        json.loads(body, object_pairs_hook=_unique, parse_int=_within_64_bits)
    except (ValueError, RecursionError) as error:
        raise InvalidBody(f"Meta: {_reason(error)}.") from error


class _InvalidMetaError(ValueError):
    """The JSON is valid, but not accepted; the message is for the client."""


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, _InvalidMetaError) else "not valid JSON"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _InvalidMetaError("a name is repeated in an object")
    return found


def _within_64_bits(digits: str) -> int:
    number = int(digits)
    if not -_INT64 <= number < _UINT64:
        raise _InvalidMetaError(_NUMBERS)
    return number


def _has_levels(value: object, limit: int) -> bool:
    """Return whether at most `limit` objects and lists are inside each other."""
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return True
    return False
