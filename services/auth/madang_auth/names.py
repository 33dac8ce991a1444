"""How people may be called and what a password may be, as rules and as fields that keep them.

The message of a ValueError follows the name of the field: "Username: 3 to 32 …".
"""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from madang_common.names import read_username
from madang_common.text import composed, visible_name

_LONGEST_NAME = 64
_LONGEST_GIVEN = 64
"""Most characters of a username as it is given, before NFKC."""
_SHORTEST_PASSWORD = 8
_LONGEST_PASSWORD = 256
_LONGEST_PASSWORD_BYTES = 1024
_LONGEST_DEVICE = 100


def username(given: str) -> str:
    """Return the username that `given` stands for; raise ValueError if it can be none."""
    # A text that is too long is none; all of it need not be normalized for that.
    return read_username(given if len(given) <= _LONGEST_GIVEN else "")


def display_name(given: str) -> str:
    """Return `given` as a display name; raise ValueError if it is too long or shows badly."""
    return visible_name(given, longest=_LONGEST_NAME, what="display name")


def _device(given: str) -> str | None:
    if not composed(given):
        return None
    return visible_name(given, longest=_LONGEST_DEVICE, what="device name")


def _new_password(given: SecretStr) -> SecretStr:
    secret = given.get_secret_value()
    if not _SHORTEST_PASSWORD <= len(secret) <= _LONGEST_PASSWORD:
        raise ValueError(f"{_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters.")
    return _password(given)


def _password(given: SecretStr) -> SecretStr:
    try:
        size = len(given.get_secret_value().encode())
    except UnicodeEncodeError:
        raise ValueError("Whole characters only; half of a surrogate pair is none.") from None
    if size > _LONGEST_PASSWORD_BYTES:
        raise ValueError(f"At most {_LONGEST_PASSWORD_BYTES} bytes in UTF-8.")
    return given


NewUsername = Annotated[
    str, Field(json_schema_extra={"maxLength": _LONGEST_GIVEN}), AfterValidator(username)
]
"""A username to register, in its one form."""
GivenUsername = Annotated[str, Field(min_length=1, max_length=64)]
"""What somebody types into a login form, which may be no username at all."""
DisplayName = Annotated[str, Field(max_length=4 * _LONGEST_NAME), AfterValidator(display_name)]
"""How others see somebody."""
Device = Annotated[str, Field(max_length=_LONGEST_DEVICE), AfterValidator(_device)]
"""What a client calls itself in the list of logins."""
NewPassword = Annotated[
    SecretStr,
    Field(json_schema_extra={"maxLength": _LONGEST_PASSWORD_BYTES}),
    AfterValidator(_new_password),
]
"""A password to be set."""
GivenPassword = Annotated[
    SecretStr,
    Field(json_schema_extra={"maxLength": _LONGEST_PASSWORD_BYTES}),
    AfterValidator(_password),
]
"""What somebody types as their password."""
