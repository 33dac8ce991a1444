"""What is wrong with the settings, in one line: the variable, its value, and what is allowed."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

_SHOWN_CHARACTERS = 60
_OWN_WORDS = "value_error"
_BOUNDS = (("gt", "more than"), ("ge", "at least"), ("lt", "less than"), ("le", "at most"))


def sentences(error: ValidationError, settings: type[BaseModel]) -> str:
    """Return what is wrong with the `settings`, without the value of any that may be a secret."""
    return "; ".join(_sentence(found, settings) for found in error.errors())


def _sentence(found: Any, settings: type[BaseModel]) -> str:
    said = str(found["msg"]).removeprefix("Value error, ")
    name = str(found["loc"][0]) if found["loc"] else ""
    field = _field(settings, name)
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
    """Return in words what may be given for `field`."""
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind]
    if get_origin(field.annotation) is Literal:
        return f"give one of {', '.join(map(str, kinds))}"
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"give one of {', '.join(str(member.value) for member in kind)}"
    if kind is bool:
        return "give true or false"
    if kind in {int, float}:
        number = "a whole number" if kind is int else "a number"
        return " ".join([f"give {number}", *bounds(field)])
    if get_origin(kind) is tuple:
        return "give a list, with commas or as JSON"
    if get_origin(kind) is dict:
        return 'give a JSON object such as {"name": "value"}'
    return "this value cannot be read"


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


def _field(settings: type[BaseModel], name: str) -> FieldInfo | None:
    return settings.model_fields.get(name)
