"""User and display names: their rules, and the pydantic fields that apply them.

The message of each ValueError follows the field's name and a colon: "Username: 3 to 32 …".
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from madang_common.text import MAX_COMPOSED, visible_name

USERNAME_LENGTH = 32
DISPLAY_NAME_LENGTH = 64
RAW_USERNAME_LENGTH = 64
"""Most characters of a username before normalization."""

_USERNAME = re.compile(rf"[a-z0-9_.-]{{3,{USERNAME_LENGTH}}}")


def username_form(text: str) -> str:
    """Return `text` as usernames are stored and compared: NFKC, then case folding."""
    return unicodedata.normalize("NFKC", text).casefold()


def read_username(text: str) -> str:
    """Return the canonical form of the username `text`; raise ValueError if it is not valid."""
    # No valid username is longer: NFKC never makes one ASCII character of several characters.
    name = username_form(text) if len(text) <= RAW_USERNAME_LENGTH else ""
    if _USERNAME.fullmatch(name) is None:
        raise ValueError(f"3 to {USERNAME_LENGTH} characters: a-z, 0-9, '_', '.' and '-'.")
    return name


@dataclass(frozen=True, slots=True)
class VisibleText:
    """Marks a pydantic field of type str that `visible_name` validates and normalizes."""

    length: int
    """Most characters after normalization."""
    noun: str
    """The field in error messages, such as "display name"."""

    def read(self, text: str) -> str:
        """Return `text` in NFC; raise ValueError if it is too long or has invisible characters."""
        return visible_name(text, max_length=self.length, noun=self.noun)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate with `read`."""
        return core_schema.no_info_after_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Bound the text before NFC."""
        return handler(schema) | {"maxLength": MAX_COMPOSED * self.length}


Username = Annotated[
    str,
    Field(json_schema_extra={"maxLength": RAW_USERNAME_LENGTH}),
    AfterValidator(read_username),
]
"""A username, returned in its canonical form."""
DisplayName = Annotated[str, VisibleText(DISPLAY_NAME_LENGTH, "display name")]
"""The name of a user that others see."""
