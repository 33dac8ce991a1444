"""Names of people and rooms: brought to one form, or refused."""

import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from madang_common.text import visible_name

USERNAME_LENGTH = 32
DISPLAY_NAME_LENGTH = 64
ROOM_NAME_LENGTH = 128
REASON_LENGTH = 256

_USERNAME = re.compile(r"[a-z0-9_.-]{3,32}\Z")


def username_form(text: str) -> str:
    """Return `text` as usernames are compared: NFKC, then without case."""
    return unicodedata.normalize("NFKC", text).casefold()


def read_username(text: str) -> str:
    """Return the username that `text` writes; raise ValueError if it is none."""
    username = username_form(text)
    if not _USERNAME.match(username):
        raise ValueError("3 to 32 characters: a-z, 0-9, '_', '.' and '-'.")
    return username


def _read_display_name(text: str) -> str:
    return visible_name(text, longest=DISPLAY_NAME_LENGTH, what="display name")


def _read_room_name(text: str) -> str:
    return visible_name(text, longest=ROOM_NAME_LENGTH, what="room name")


def _read_reason(text: str) -> str:
    return visible_name(text, longest=REASON_LENGTH, what="reason")


def _longest(length: int) -> Any:
    """Describe the bound of the raw text, which may shrink when it is composed."""
    return Field(json_schema_extra={"maxLength": 4 * length})


Username = Annotated[str, Field(max_length=256), AfterValidator(read_username)]
DisplayName = Annotated[str, _longest(DISPLAY_NAME_LENGTH), AfterValidator(_read_display_name)]
RoomName = Annotated[str, _longest(ROOM_NAME_LENGTH), AfterValidator(_read_room_name)]
Reason = Annotated[str, _longest(REASON_LENGTH), AfterValidator(_read_reason)]
