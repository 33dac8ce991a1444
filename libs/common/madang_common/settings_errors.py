"""Error messages for invalid settings: variable, value and allowed values, in one line."""

from collections.abc import Iterator, Mapping
from enum import Enum
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from madang_common.setting_files import InvalidSetting
from madang_common.settings import CommonSettings
from madang_common.variables import variable

_SHOWN_CHARACTERS = 60
_OWN_MESSAGE = "value_error"
"""Type of the errors that the settings classes raise themselves."""
_NUMBERS: Mapping[Any, str] = {int: "a whole number", float: "a number"}
_TYPES: Mapping[Any, str] = {
    bool: "give true or false",
    tuple: "give a list, with commas or as JSON",
    dict: 'give a JSON object such as {"name": "value"}',
}
_BOUNDS = (("gt", "more than"), ("ge", "at least"), ("lt", "less than"), ("le", "at most"))


def describe(error: ValidationError) -> str:
    """Return the messages for `error` in one line, without values that may be secrets."""
    settings = _settings_class(error, CommonSettings)
    return "; ".join(_sentence(item, settings) for item in error.errors())


def _settings_class(error: ValidationError, base: type[CommonSettings]) -> type[CommonSettings]:
    """Return the class that `error` comes from; the standalone process has one per service."""
    if base.__name__ == error.title:
        return base
    found = (_settings_class(error, derived) for derived in base.__subclasses__())
    return next((derived for derived in found if derived.__name__ == error.title), base)


def _sentence(item: Any, settings: type[CommonSettings]) -> str:
    if isinstance(item["input"], InvalidSetting):
        return item["input"].problem
    message = str(item["msg"]).removeprefix("Value error, ")
    name = str(item["loc"][0]) if item["loc"] else ""
    field = settings.model_fields.get(name)
    if field is None:
        return message
    given = variable(name)
    if not _is_secret(field.annotation):
        value = " ".join(_text(item["input"]).split())
        shortened = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…"
        given = f"{given}={shortened}"
    return f"{given}: {message if item['type'] == _OWN_MESSAGE else _allowed(field)}"


def _text(value: object) -> str:
    """Return a value as an operator writes it: a list with commas."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _is_secret(annotation: object) -> bool:
    """Return whether values of the type `annotation` must not be shown."""
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


def _allowed(field: FieldInfo) -> str:
    """Return the allowed values of `field` in words."""
    kind = _without_none(field.annotation)
    if kind in _NUMBERS:
        return " ".join([f"give {_NUMBERS[kind]}", *bounds(field)])
    choices = _choices(kind)
    if choices:
        return f"give one of {', '.join(choices)}"
    return _TYPES.get(get_origin(kind) or kind, "this value cannot be read")


def _without_none(kind: Any) -> Any:
    """Return `X` for `X | None`, other types as they are."""
    kinds = [member for member in get_args(kind) if member is not NoneType]
    return kinds[0] if NoneType in get_args(kind) and len(kinds) == 1 else kind


def _choices(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(choice) for choice in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return []


def bounds(field: FieldInfo) -> Iterator[str]:
    """Yield the bounds of a number in words."""
    found = [
        f"{words} {getattr(limit, name):g}"
        for name, words in _BOUNDS
        for limit in field.metadata
        if hasattr(limit, name)
    ]
    if found:
        yield f"of {' and '.join(found)}"
