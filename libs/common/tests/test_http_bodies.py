import pytest
from pydantic import ValidationError

from madang_common.http.bodies import Body


class Room(Body):
    name: str
    topic: str = ""


def test_unknown_fields_are_refused() -> None:
    assert Room.model_validate({"name": "a"}).topic == ""

    with pytest.raises(ValidationError) as refused:
        Room.model_validate({"name": "a", "colour": "red"})

    assert refused.value.errors()[0]["loc"] == ("colour",)


def test_too_many_fields_are_one_error() -> None:
    with pytest.raises(ValidationError, match="at most 64 fields") as refused:
        Room.model_validate({str(number): 1 for number in range(5000)})

    assert refused.value.error_count() == 1
