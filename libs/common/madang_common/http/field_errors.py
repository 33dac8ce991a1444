"""Messages for invalid fields of a request, for users."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_WORDS: Mapping[str, str] = {
    "missing": "required",
    "extra_forbidden": "unknown field; remove it",
    "string_type": "must be text",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "has characters that are not allowed, or the wrong length",
    "string_unicode": "must be valid Unicode",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "too_long": "at most {max_length} items",
    "too_short": "at least {min_length} items",
    "json_invalid": "not valid JSON",
    "json_type": "not valid JSON",
}
"""Messages by pydantic's error types; pydantic's own are for programmers."""
_JSON_NEEDED = "must be JSON, sent with Content-Type: application/json"
_MEMBER = re.compile(r"<[\w.]+: ('[^']*')>")
"""A member of an enumeration in pydantic's words for a literal, such as `<Role.OWNER: 'owner'>`."""
_ONE = re.compile(r"\b1 (character|item)s\b")
_PLACES = frozenset({"body", "query", "path", "header"})


def field_errors(found: Iterable[Any]) -> list[dict[str, str]]:
    """Return `field` and `message` of each of pydantic's errors.

    They do not contain the value, which may be a password.
    """
    return [{"field": _field(error), "message": _message(error)} for error in found]


def sentence(error: Mapping[str, str]) -> str:
    """Return one of `field_errors` as a sentence: `Username: at least 3 characters.`."""
    end = "" if error["message"].endswith((".", "!", "?")) else "."
    return f"{in_words(error['field'])}: {error['message']}{end}"


def in_words(field: str) -> str:
    """Return the name of a field for users: `Display name` for `body.display_name`."""
    place, _, rest = field.partition(".")
    name = rest if place in _PLACES and rest else place
    words = name.replace("_", " ").replace(".", " ")
    return words[:1].upper() + words[1:]


def _field(error: Any) -> str:
    # For malformed JSON, pydantic gives the position in the text as if it were a field.
    place = error["loc"][:1] if error["type"] == "json_invalid" else error["loc"]
    return ".".join(map(str, place))


def _message(error: Any) -> str:
    if error["type"] == "model_attributes_type" and isinstance(error.get("input"), bytes):
        # FastAPI parses a body only if its Content-Type says that it is JSON.
        return _JSON_NEEDED
    words = _WORDS.get(error["type"])
    if words is not None:
        message = _ONE.sub(r"1 \1", words.format_map(error.get("ctx", {})))
        return _MEMBER.sub(r"\1", message)
    return str(error["msg"]).removeprefix("Value error, ")
