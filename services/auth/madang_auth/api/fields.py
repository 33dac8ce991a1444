"""Fields of request bodies: usernames, passwords and device names.

The message of each ValueError follows the field's name and a colon: "New password: 8 to 256 …".
"""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from madang_common.names import RAW_USERNAME_LENGTH
from madang_common.text import composed, visible_name

_SHORTEST_PASSWORD = 8
_LONGEST_PASSWORD = 256
_LONGEST_PASSWORD_BYTES = 1024
_LONGEST_DEVICE = 100


def _device(given: str) -> str | None:
    if not composed(given):
        return None
    return visible_name(given, max_length=_LONGEST_DEVICE, noun="device name")


def _new_password(given: SecretStr) -> SecretStr:
    secret = given.get_secret_value()
    if not _SHORTEST_PASSWORD <= len(secret) <= _LONGEST_PASSWORD:
        raise ValueError(f"{_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters.")
    return _password(given)


def _password(given: SecretStr) -> SecretStr:
    try:
        size = len(given.get_secret_value().encode())
    except UnicodeEncodeError:
        raise ValueError("Must be valid Unicode.") from None
    if size > _LONGEST_PASSWORD_BYTES:
        raise ValueError(f"At most {_LONGEST_PASSWORD_BYTES} bytes in UTF-8.")
    return given


LoginName = Annotated[str, Field(min_length=1, max_length=RAW_USERNAME_LENGTH)]
"""The username in a login form, not validated further."""
Device = Annotated[str, Field(max_length=_LONGEST_DEVICE), AfterValidator(_device)]
"""The client's name for its device in the list of sessions."""
NewPassword = Annotated[
    SecretStr,
    Field(json_schema_extra={"maxLength": _LONGEST_PASSWORD_BYTES}),
    AfterValidator(_new_password),
]
"""A password to set."""
Password = Annotated[
    SecretStr,
    Field(json_schema_extra={"maxLength": _LONGEST_PASSWORD_BYTES}),
    AfterValidator(_password),
]
"""A password to verify."""
