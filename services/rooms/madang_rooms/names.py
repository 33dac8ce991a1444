"""Lengths and fields of room names and ban reasons; user names are in `madang_common.names`."""

from typing import Annotated

from madang_common.names import VisibleText

ROOM_NAME_LENGTH = 128
REASON_LENGTH = 256

RoomName = Annotated[str, VisibleText(ROOM_NAME_LENGTH, "room name")]
Reason = Annotated[str, VisibleText(REASON_LENGTH, "reason")]
