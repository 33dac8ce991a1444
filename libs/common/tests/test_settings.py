import pytest
from pydantic import SecretStr, ValidationError

from madang_common.settings import DEVELOPMENT_SECRET, CommonSettings, Environment


class MoreSettings(CommonSettings):
    """A service's settings."""

    another_secret: SecretStr = SecretStr(DEVELOPMENT_SECRET)
    """Known to everybody as well."""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENVIRONMENT", "PORT", "SERVICE_CLIENT_SECRET", "ANOTHER_SECRET"):
        monkeypatch.delenv(f"MADANG_{name}", raising=False)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADANG_PORT", "9000")
    monkeypatch.setenv("MADANG_ENVIRONMENT", "development")
    monkeypatch.setenv("MADANG_OF_ANOTHER_SERVICE", "whatever")

    settings = CommonSettings()

    assert (settings.port, settings.environment) == (9000, Environment.DEVELOPMENT)


def test_known_secrets_are_allowed_in_development() -> None:
    settings = MoreSettings(environment=Environment.DEVELOPMENT)

    assert settings.another_secret.get_secret_value() == DEVELOPMENT_SECRET


def test_production_is_the_default_and_refuses_known_secrets() -> None:
    with pytest.raises(ValidationError, match="MADANG_SERVICE_CLIENT_SECRET must be set"):
        CommonSettings()


def test_every_secret_of_a_service_is_looked_at() -> None:
    with pytest.raises(ValidationError, match="MADANG_ANOTHER_SECRET must be set"):
        MoreSettings(service_client_secret=SecretStr("mine"))


def test_secrets_of_ones_own_are_taken_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADANG_SERVICE_CLIENT_SECRET", "very-secret")

    settings = CommonSettings()

    assert settings.service_client_secret.get_secret_value() == "very-secret"
    assert "very-secret" not in repr(settings)


def test_settings_do_not_change() -> None:
    settings = CommonSettings(environment=Environment.DEVELOPMENT)

    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in CommonSettings.model_fields.values())
