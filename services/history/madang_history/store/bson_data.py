"""An application's JSON as BSON, and back, without any change.

Almost all JSON is stored as it is. If it has something that BSON cannot express, or MongoDB treats
specially, all of it is escaped:

* `%24`, `%2E` and `%00` in a key stand for a leading `$`, a `.` and NUL, and `%25` for a `%`;
* a decimal stands for an integer above 2^63 - 1;
* `{"%json": "…"}`, a JSON text, stands for an object or list that is nested too deeply, or whose
  BSON could be too large.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from bson import Decimal128

JSON_TEXT = "%json"
"""Key of a JSON text; no escaped key equals it."""
_LARGEST = (1 << 63) - 1
"""The largest integer of BSON."""
_LEVELS = 90
"""Most nested objects and lists below a document; MongoDB allows 100 with it."""
_MAX_JSON_BYTES = 1 << 20
"""Largest JSON with nested values that is stored as BSON, which is up to 7 times as large."""

_is_special = re.compile(r"^\$|[.\0]").search
_TO_ESCAPE = re.compile(r"^\$|[.\0%]")
_ESCAPED = re.compile("%(24|2E|00|25)")


def to_bson(data: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Return `data` as it is stored, and whether it is escaped."""
    if _has_only_text(data):
        return data, False
    text = orjson.dumps(data)
    if len(text) > _MAX_JSON_BYTES:
        return {JSON_TEXT: text.decode()}, True
    return (data, False) if _is_plain(data, _LEVELS) else (_escape(data, _LEVELS), True)


def from_bson(stored: Any) -> Any:
    """Return the data that was stored escaped as `stored`."""
    if isinstance(stored, dict):
        if JSON_TEXT in stored:
            return orjson.loads(stored[JSON_TEXT])
        return {_ESCAPED.sub(_unescaped, key): from_bson(value) for key, value in stored.items()}
    if isinstance(stored, list):
        return [from_bson(value) for value in stored]
    return int(stored.to_decimal()) if isinstance(stored, Decimal128) else stored


def _has_only_text(data: Mapping[str, Any]) -> bool:
    """Return whether `data` has no nested values or numbers: the common case, decided quickly."""
    return all(type(value) is str and not _is_special(key) for key, value in data.items())


def _is_plain(value: Any, levels: int) -> bool:
    if isinstance(value, Mapping):
        return levels > 0 and all(
            not _is_special(key) and _is_plain(inner, levels - 1) for key, inner in value.items()
        )
    if isinstance(value, list):
        return levels > 0 and all(_is_plain(inner, levels - 1) for inner in value)
    return not isinstance(value, int) or value <= _LARGEST


def _escape(value: Any, levels: int) -> Any:
    if isinstance(value, Mapping | list) and not levels:
        return {JSON_TEXT: orjson.dumps(value).decode()}
    if isinstance(value, Mapping):
        return {
            _TO_ESCAPE.sub(_escaped, key): _escape(inner, levels - 1)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_escape(inner, levels - 1) for inner in value]
    is_large = isinstance(value, int) and value > _LARGEST
    return Decimal128(str(value)) if is_large else value


def _escaped(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))
