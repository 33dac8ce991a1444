import pytest
from pydantic import TypeAdapter, ValidationError

from madang_rooms.names import RoomName

ROOM_NAME: TypeAdapter[str] = TypeAdapter(RoomName)


def test_a_room_name_has_at_most_128_characters() -> None:
    assert ROOM_NAME.validate_python("방" * 128) == "방" * 128
    with pytest.raises(ValidationError):
        ROOM_NAME.validate_python("방" * 129)
