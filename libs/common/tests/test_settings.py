import pytest
from pydantic import SecretStr, ValidationError

from madang_common.settings import DEVELOPMENT_SECRET, CommonSettings, Environment


class MoreSettings(CommonSettings):
    """A service's settings."""

    another_secret: SecretStr = SecretStr(DEVELOPMENT_SECRET)
    """Another default secret."""


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


def test_every_secret_of_a_service_is_checked() -> None:
    with pytest.raises(ValidationError, match="MADANG_ANOTHER_SECRET must be set"):
        MoreSettings(service_client_secret=SecretStr("mine"))


def test_other_secrets_are_accepted_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADANG_SERVICE_CLIENT_SECRET", "very-secret")

    settings = CommonSettings()

    assert settings.service_client_secret.get_secret_value() == "very-secret"
    assert "very-secret" not in repr(settings)


def test_settings_are_frozen() -> None:
    settings = CommonSettings(environment=Environment.DEVELOPMENT)

    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in CommonSettings.model_fields.values())


@pytest.mark.parametrize(
    "given", ["10.0.0.1,192.0.2.0/24", "10.0.0.1, 192.0.2.0/24", '["10.0.0.1", "192.0.2.0/24"]']
)
def test_a_list_has_commas_or_is_json(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("MADANG_PROXY_ADDRESSES", given)

    settings = CommonSettings(environment=Environment.DEVELOPMENT)

    assert settings.proxy_addresses == ("10.0.0.1", "192.0.2.0/24")


def test_origins_are_normalised_as_browsers_send_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADANG_ALLOWED_ORIGINS", "HTTPS://App.example/,http://localhost:3000")

    settings = CommonSettings(environment=Environment.DEVELOPMENT)

    assert settings.allowed_origins == ("https://app.example", "http://localhost:3000")
