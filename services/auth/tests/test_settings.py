from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from madang_auth.settings import AuthSettings
from madang_common.settings import DEVELOPMENT_SECRET, Environment
from madang_common.settings_errors import describe
from services.auth.tests.harness import settings


@pytest.mark.parametrize("secret", ["", DEVELOPMENT_SECRET])
def test_default_secrets_are_refused_outside_development(tmp_path: Path, secret: str) -> None:
    given = {"rooms": SecretStr(secret)}

    with pytest.raises(ValidationError, match="rooms must be set outside development"):
        settings(tmp_path, service_secrets=given)

    allowed = settings(tmp_path, service_secrets=given, environment=Environment.DEVELOPMENT)
    assert allowed.service_secrets == given


def test_secrets_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADANG_SERVICE_CLIENT_SECRET", "mine")
    monkeypatch.setenv("MADANG_SERVICE_SECRETS", '{"gateway": "g", "history": "h"}')

    read = AuthSettings()

    assert read.service_secrets["history"].get_secret_value() == "h"
    assert "'h'" not in repr(read)


def test_replicas_need_a_shared_folder_of_keys_outside_development(tmp_path: Path) -> None:
    url = SecretStr("redis://redis")

    with pytest.raises(ValidationError, match="MADANG_SIGNING_KEYS_DIR must be set"):
        settings(tmp_path, redis_url=url)

    assert settings(tmp_path, redis_url=url, signing_keys_dir=tmp_path).redis_url == url
    assert settings(tmp_path, redis_url=url, environment=Environment.DEVELOPMENT).redis_url == url


def test_secrets_are_read_from_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("gateway", "rooms", "history", "other"):
        (tmp_path / name).write_text(f"{name}'s\n")
    monkeypatch.setenv("MADANG_SERVICE_SECRETS_DIR", str(tmp_path))

    read = AuthSettings()

    assert {name: secret.get_secret_value() for name, secret in read.service_secrets.items()} == {
        "gateway": "gateway's",
        "rooms": "rooms's",
        "history": "history's",
    }
    assert "rooms's" not in repr(read)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {},
            "MADANG_SERVICE_SECRETS_DIR: {folder}/rooms cannot be read: No such file or directory",
        ),
        (
            {"MADANG_SERVICE_SECRETS": '{"gateway": "s3cret"}'},
            "MADANG_SERVICE_SECRETS and MADANG_SERVICE_SECRETS_DIR are both set; set only one",
        ),
    ],
)
def test_a_folder_of_secrets_is_complete_and_the_only_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], expected: str
) -> None:
    (tmp_path / "gateway").write_text("s3cret")
    monkeypatch.setenv("MADANG_SERVICE_SECRETS_DIR", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError) as refused:
        AuthSettings()

    assert describe(refused.value) == expected.format(folder=tmp_path)
    assert "s3cret" not in str(refused.value)


def test_an_empty_secret_in_the_folder_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("gateway", "rooms", "history"):
        (tmp_path / name).write_text("\n")
    monkeypatch.setenv("MADANG_SERVICE_SECRETS_DIR", str(tmp_path))

    with pytest.raises(ValidationError, match="must be set outside development"):
        AuthSettings()
