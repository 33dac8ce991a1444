import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from madang_auth.api.fields import NewPassword

PASSWORDS = TypeAdapter(NewPassword)


@pytest.mark.parametrize("given", ["x" * 8, "x" * 256, "가" * 256, "\U0001f600" * 256, "        "])
def test_a_password_of_valid_length_is_kept_unchanged(given: str) -> None:
    assert PASSWORDS.validate_python(given).get_secret_value() == given


@pytest.mark.parametrize("given", ["x" * 7, "x" * 257, "x" * 2000, "\ud800" * 9, 12345678])
def test_an_invalid_password_is_refused_without_repeating_it(given: object) -> None:
    with pytest.raises(ValidationError) as refused:
        PASSWORDS.validate_python(given)

    assert "xxxxxxx" not in refused.value.errors()[0]["msg"]


def test_a_password_is_secret() -> None:
    assert isinstance(PASSWORDS.validate_python("x" * 8), SecretStr)
