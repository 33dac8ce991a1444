"""Parameters that several routes share."""

from typing import Annotated

from fastapi import Path

from madang_common.ids import ROOM_ID

RoomId = Annotated[str, Path(pattern=f"^{ROOM_ID}$")]
