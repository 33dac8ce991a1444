import pytest
from pydantic import TypeAdapter, ValidationError

from madang_common.names import DisplayName, Username, read_username

USERNAME: TypeAdapter[str] = TypeAdapter(Username)
DISPLAY_NAME: TypeAdapter[str] = TypeAdapter(DisplayName)


@pytest.mark.parametrize(
    ("text", "username"),
    [
        ("nari", "nari"),
        ("Na.Ri_1-2", "na.ri_1-2"),
        ("ﬁsh", "fish"),
        ("\uff2dina", "mina"),
        ("Stra\u00dfe", "strasse"),
        ("a" * 32, "a" * 32),
    ],
)
def test_a_username_has_one_canonical_form(text: str, username: str) -> None:
    assert read_username(text) == username


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ab",
        "a" * 33,
        "a" * 10_000,
        "나리님",
        "a b",
        "abc\n",
        "a/b",
        "straße!",
        "mína",
        "민아민",
    ],
)
def test_an_invalid_username_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="3 to 32 characters: a-z"):
        read_username(text)


@pytest.mark.parametrize(
    "name", ["나리", "Mina Kim", "👩‍👩‍👧‍👦", "José", "مريم", "1", "x" * 64, "🫩"]
)
def test_a_display_name_may_be_in_any_script(name: str) -> None:
    assert DISPLAY_NAME.validate_python(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "   ", "\u3164", "minji\u200b", "\u2800", "a\x00", "a\u2029b", "\u202eabc", "x" * 65],
)
def test_an_invisible_or_misleading_display_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        DISPLAY_NAME.validate_python(name)


def test_a_display_name_is_composed_and_stripped() -> None:
    assert DISPLAY_NAME.validate_python(" \u1112\u1161\u11ab ") == "\ud55c"


def test_the_username_field_returns_the_canonical_form() -> None:
    assert USERNAME.validate_python("MINA") == "mina"


def test_the_schemas_bound_the_text_before_normalization() -> None:
    assert USERNAME.json_schema() == {"type": "string", "maxLength": 64}
    assert DISPLAY_NAME.json_schema() == {"type": "string", "maxLength": 256}
