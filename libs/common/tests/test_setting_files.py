from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from madang_common.settings import CommonSettings
from madang_common.settings_errors import describe

SECRET = "s3cret-value"


@pytest.fixture(autouse=True)
def development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADANG_ENVIRONMENT", "development")


def problem() -> str:
    with pytest.raises(ValidationError) as refused:
        CommonSettings()
    assert SECRET not in str(refused.value)
    text = describe(refused.value)
    assert SECRET not in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("mine", "mine"),
        ("mine\n", "mine"),
        ("mine\r\n", "mine"),
        ("mine\n\n", "mine\n"),
        (" mi ne ", " mi ne "),
        ("비밀:/@%\n", "비밀:/@%"),
        ("", ""),
    ],
)
def test_a_file_has_the_value_and_perhaps_one_newline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, value: str
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content.encode())
    monkeypatch.setenv("MADANG_SERVICE_CLIENT_SECRET_FILE", str(file))

    assert CommonSettings().service_client_secret.get_secret_value() == value


def test_lists_and_numbers_are_read_from_files_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, content in (("PORT", "9000\n"), ("ALLOWED_ORIGINS", "https://a.example,*\n")):
        (tmp_path / name).write_text(content)
        monkeypatch.setenv(f"MADANG_{name}_FILE", str(tmp_path / name))

    settings = CommonSettings()

    assert settings.port == 9000
    assert settings.allowed_origins == ("https://a.example", "*")


def test_a_setting_and_its_file_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.setenv("MADANG_SERVICE_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("MADANG_SERVICE_CLIENT_SECRET_FILE", str(tmp_path / "secret"))

    assert problem() == (
        "MADANG_SERVICE_CLIENT_SECRET and MADANG_SERVICE_CLIENT_SECRET_FILE are both set;"
        " set only one"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot be read: No such file or directory"),
        (SECRET.encode() * 10_000, "is larger than 65536 bytes"),
        (SECRET.encode() + b"\xff", "is not UTF-8 text"),
    ],
)
def test_an_unusable_file_is_reported_by_variable_and_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, expected: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("MADANG_AMQP_URL_FILE", str(file))

    assert problem() == f"MADANG_AMQP_URL_FILE={file} {expected}"


def test_a_folder_and_an_empty_path_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MADANG_PORT_FILE", str(tmp_path))
    monkeypatch.setenv("MADANG_ISSUER_FILE", "")

    assert set(problem().split("; ", 1)) == {
        f"MADANG_PORT_FILE={tmp_path} is not a regular file",
        "MADANG_ISSUER_FILE is empty; give the path of a file",
    }


def test_a_value_in_a_file_is_checked_as_any_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "port").write_text("high")
    monkeypatch.setenv("MADANG_PORT_FILE", str(tmp_path / "port"))

    assert problem() == "MADANG_PORT=high: give a whole number of at least 0 and at most 65535"


def test_a_keyword_wins_and_its_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADANG_AMQP_URL_FILE", "/nowhere")
    given = SecretStr("amqp://u:p@host/")

    assert CommonSettings(amqp_url=given).amqp_url == given


def test_a_setting_whose_name_ends_in_file_is_a_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MADANG_AMQP_CA_FILE", "ca.pem")

    assert problem() == (
        "MADANG_AMQP_CA_FILE=ca.pem: not a file of CA certificates in PEM: no certificate in it"
    )


def test_variables_that_kubernetes_sets_for_services_are_no_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MADANG_PORT", "tcp://10.0.0.1:8000")
    monkeypatch.setenv("MADANG_AMQP_PORT", "tcp://10.0.0.2:5672")
    (tmp_path / "port").write_text("5673")
    monkeypatch.setenv("MADANG_AMQP_PORT_FILE", str(tmp_path / "port"))

    settings = CommonSettings(amqp_hosts=("h",), amqp_user="u", amqp_password=SecretStr("p"))

    assert (settings.port, settings.amqp_port) == (8000, 5673)
