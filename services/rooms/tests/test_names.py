import pytest
from pydantic import TypeAdapter, ValidationError

from madang_rooms.names import DisplayName, RoomName

DISPLAY_NAME: TypeAdapter[str] = TypeAdapter(DisplayName)
ROOM_NAME: TypeAdapter[str] = TypeAdapter(RoomName)


@pytest.mark.parametrize("name", ["나리", "👩‍👩‍👧‍👦", "José", "अनिल", "مريم", "1", "x" * 64, "🫩"])
def test_display_names_are_what_people_are_called(name: str) -> None:
    assert DISPLAY_NAME.validate_python(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "   ", "\u3164", "minji\u200b", "\u2800", "a\x00", "a\u2029b", "\u202eabc", "x" * 65],
)
def test_names_that_deceive_or_cannot_be_seen_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        DISPLAY_NAME.validate_python(name)


def test_a_name_is_composed_and_stripped() -> None:
    assert DISPLAY_NAME.validate_python(" \u1112\u1161\u11ab ") == "\ud55c"


def test_a_rooms_name_may_be_longer() -> None:
    assert ROOM_NAME.validate_python("방" * 128) == "방" * 128
    with pytest.raises(ValidationError):
        ROOM_NAME.validate_python("방" * 129)
