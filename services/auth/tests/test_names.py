import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from madang_auth.names import DisplayName, NewPassword, NewUsername, display_name, username

PASSWORDS = TypeAdapter(NewPassword)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("mina", "mina"),
        ("MINA", "mina"),
        ("\uff2dina", "mina"),
        ("Stra\u00dfe", "strasse"),
        ("a_b.c-9", "a_b.c-9"),
        ("a" * 32, "a" * 32),
    ],
)
def test_a_username_has_one_form(given: str, expected: str) -> None:
    assert username(given) == expected


@pytest.mark.parametrize("given", ["ab", "a" * 33, "mi na", "mína", "민아민", "mina\n", "a/b", ""])
def test_what_can_be_no_username_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="3 to 32 characters: a-z"):
        username(given)


@pytest.mark.parametrize("given", ["미나", "Mina Kim", "👩\u200d💻", "ß", "x" * 64])
def test_any_script_and_emoji_make_a_display_name(given: str) -> None:
    assert display_name(given) == given


def test_a_display_name_is_composed_and_stripped() -> None:
    assert display_name("  \u1106\u1175\u1102\u1161 ") == "미나"


@pytest.mark.parametrize(
    "given", ["", " ", "x" * 65, "a\tb", "a\x7fb", "a\u2028b", "\u202eanim", "a\ud800", "\u3164"]
)
def test_what_shows_badly_is_no_display_name(given: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        display_name(given)


@pytest.mark.parametrize("given", ["x" * 8, "x" * 256, "가" * 256, "\U0001f600" * 256, "        "])
def test_a_long_enough_password_is_taken_as_it_is(given: str) -> None:
    assert PASSWORDS.validate_python(given).get_secret_value() == given


@pytest.mark.parametrize("given", ["x" * 7, "x" * 257, "x" * 2000, "\ud800" * 9, 12345678])
def test_other_passwords_are_refused_without_repeating_them(given: object) -> None:
    with pytest.raises(ValidationError) as refused:
        PASSWORDS.validate_python(given)

    assert "xxxxxxx" not in refused.value.errors()[0]["msg"]


def test_the_fields_apply_the_rules() -> None:
    assert TypeAdapter(NewUsername).validate_python("MINA") == "mina"
    assert TypeAdapter(DisplayName).validate_python(" 미나 ") == "미나"
    assert isinstance(PASSWORDS.validate_python("x" * 8), SecretStr)
