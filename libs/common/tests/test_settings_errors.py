from typing import Annotated

import pytest
from pydantic import Field, SecretStr, ValidationError

from madang_common import settings_errors
from madang_common.settings import CommonSettings


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ALLOWED_ORIGINS", "app.example", "has no scheme or no host"),
        ("ALLOWED_ORIGINS", '["https://app.example"', "give a list, with commas or as JSON"),
        ("ALLOWED_HOSTS", "https://chat.example", "is not the name of a host"),
        ("PROXY_ADDRESSES", "10.0.0.300", "is not an IP address or network"),
        ("LOG_LEVEL", "LOUD", "give one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("ENVIRONMENT", "prod", "give one of development, production"),
        ("PORT", "99999", "give a whole number of at least 0 and at most 65535"),
        ("PORT", "http", "give a whole number of at least 0 and at most 65535"),
        ("REQUEST_SECONDS", "nan", "give a number of more than 0"),
        ("REQUEST_SECONDS", "inf", "give a number of more than 0"),
        ("AUTH_URL", "auth:8000", "give a URL such as http://auth:8000"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv("MADANG_SERVICE_CLIENT_SECRET", "mine")
    monkeypatch.setenv(f"MADANG_{name}", value)

    with pytest.raises(ValidationError) as refused:
        CommonSettings()

    sentence = settings_errors.describe(refused.value)
    assert sentence.startswith(f"MADANG_{name}={value}: ")
    assert expected in sentence
    assert "\n" not in sentence


def test_an_invalid_secret_is_reported_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithTable(CommonSettings):
        table: dict[str, SecretStr] = Field(default_factory=dict)
        number: Annotated[int, Field(ge=1)] = 1

    monkeypatch.setenv("MADANG_ENVIRONMENT", "development")
    monkeypatch.setenv("MADANG_TABLE", '{"gateway": "s3cret"')
    monkeypatch.setenv("MADANG_NUMBER", "0")

    with pytest.raises(ValidationError) as refused:
        WithTable()

    assert settings_errors.describe(refused.value) == (
        'MADANG_TABLE: give a JSON object such as {"name": "value"}; '
        "MADANG_NUMBER=0: give a whole number of at least 1"
    )
