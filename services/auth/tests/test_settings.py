from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from madang_auth.settings import AuthSettings
from madang_common.settings import DEVELOPMENT_SECRET, Environment
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
