"""Names of people and rooms: brought to one form, or refused."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from madang_common.text import read_username, visible_name

USERNAME_LENGTH = 32
DISPLAY_NAME_LENGTH = 64
ROOM_NAME_LENGTH = 128
REASON_LENGTH = 256


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
