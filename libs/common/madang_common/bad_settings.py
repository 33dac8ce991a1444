"""Error messages for invalid settings: the variable, its value and what is allowed, in a line."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

_SHOWN_CHARACTERS = 60
_OWN_WORDS = "value_error"
_NUMBERS: Mapping[Any, str] = {int: "a whole number", float: "a number"}
_KINDS: Mapping[Any, str] = {
    bool: "give true or false",
    tuple: "give a list, with commas or as JSON",
    dict: 'give a JSON object such as {"name": "value"}',
}
_BOUNDS = (("gt", "more than"), ("ge", "at least"), ("lt", "less than"), ("le", "at most"))


def sentences(error: ValidationError, settings: type[BaseModel]) -> str:
    """Return the messages for `error` in one line, without values that may be secrets."""
    return "; ".join(_sentence(found, settings) for found in error.errors())


def _sentence(found: Any, settings: type[BaseModel]) -> str:
    said = str(found["msg"]).removeprefix("Value error, ")
    name = str(found["loc"][0]) if found["loc"] else ""
    field = settings.model_fields.get(name)
    if field is None:
        return said
    variable = f"MADANG_{name.upper()}"
    if not is_secret(field.annotation):
        value = " ".join(str(found["input"]).split())
        shortened = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…"
        variable = f"{variable}={shortened}"
    return f"{variable}: {said if found['type'] == _OWN_WORDS else allowed(field)}"


def is_secret(annotation: object) -> bool:
    """Return whether values of that type must not be shown."""
    return annotation is SecretStr or any(map(is_secret, get_args(annotation)))


def allowed(field: FieldInfo) -> str:
    """Return the allowed values of `field` in words."""
    kind = field.annotation
    if kind in _NUMBERS:
        return " ".join([f"give {_NUMBERS[kind]}", *bounds(field)])
    choices = _choices(kind)
    if choices:
        return f"give one of {', '.join(choices)}"
    return _KINDS.get(get_origin(kind) or kind, "this value cannot be read")


def _choices(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(choice) for choice in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return []


def bounds(field: FieldInfo) -> Iterator[str]:
    """Yield the bounds of a number in words."""
    told = [
        f"{words} {getattr(limit, name):g}"
        for name, words in _BOUNDS
        for limit in field.metadata
        if hasattr(limit, name)
    ]
    if told:
        yield f"of {' and '.join(told)}"
