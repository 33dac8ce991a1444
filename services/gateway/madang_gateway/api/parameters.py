"""Parameters that several routes share."""

from typing import Annotated

from fastapi import Path

from madang_common.ids import ROOM_ID
from madang_common.log.position import ID_PATTERN
from madang_gateway.publish.bodies import Emoji

RoomId = Annotated[str, Path(pattern=f"^{ROOM_ID}$")]
MessageId = Annotated[str, Path(pattern=f"^{ID_PATTERN}$", examples=["000000000800"])]
PathEmoji = Annotated[Emoji, Path(description="One emoji, percent-encoded.", examples=["👍"])]
