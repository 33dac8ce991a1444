from enum import StrEnum
from typing import Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from madang_common.http.field_errors import field_errors, in_words, sentence


class Color(StrEnum):
    """Values of an enumeration."""

    RED = "red"
    BLUE = "blue"


class Account(BaseModel):
    """Fields of every kind."""

    display_name: str = Field(default="x", max_length=4)
    age: int = Field(default=1, ge=0, le=150)
    tags: list[str] = Field(default=[], max_length=1)
    color: Literal[Color.RED, Color.BLUE] = Color.RED

    @field_validator("display_name")
    @classmethod
    def check(cls, name: str) -> str:
        if name == "ab":
            raise ValueError("3 to 32 characters: a-z")
        if name == "!":
            raise ValueError("must be seen.")
        return name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"display_name": "hunter2"}, "Display name: at most 4 characters."),
        ({"display_name": "ab"}, "Display name: 3 to 32 characters: a-z."),
        ({"display_name": "!"}, "Display name: must be seen."),
        ({"display_name": 7}, "Display name: must be text."),
        ({"age": -1}, "Age: must be at least 0."),
        ({"age": "old"}, "Age: must be a whole number."),
        ({"tags": ["a", "b"]}, "Tags: at most 1 item."),
        ({"tags": [1]}, "Tags: must be text."),
        ({"color": "pink"}, "Color: must be 'red' or 'blue'."),
    ],
)
def test_an_error_is_a_sentence_without_the_value(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Account.model_validate(given)

    errors = field_errors(refused.value.errors())

    assert [sentence(error) for error in errors] == [message]
    assert "hunter2" not in str(errors)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("body.display_name", "Display name"),
        ("query.limit", "Limit"),
        ("path.room", "Room"),
        ("body", "Body"),
    ],
)
def test_a_field_is_named_in_words(field: str, words: str) -> None:
    assert in_words(field) == words
