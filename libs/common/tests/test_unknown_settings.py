import pytest

from madang_common.unknown_settings import UnknownSetting, unknown_settings


@pytest.mark.parametrize(
    ("given", "closest"),
    [
        ("MADANG_TAIL_BYTE", "MADANG_TAIL_BYTES"),
        ("MADANG_ALLOWED_HOST", "MADANG_ALLOWED_HOSTS"),
        ("MADANG_QQQQQQQQQ", None),
    ],
)
def test_a_misspelt_setting_is_reported_with_the_closest_name(
    given: str, closest: str | None
) -> None:
    assert list(unknown_settings({given: "1"})) == [UnknownSetting(given, closest)]


@pytest.mark.parametrize(
    "given",
    [
        "MADANG_PORT",
        "madang_port",
        "MADANG_MONGO_URL",
        "MADANG_STACK_PORT",
        "MADANG_PASSWORD",
        "PROXY_HOSTS",
        "PATH",
        "MADANG_GATEWAY_SERVICE_HOST",
        "MADANG_GATEWAY_SERVICE_PORT_HTTP",
        "MADANG_GATEWAY_PORT_8000_TCP_ADDR",
    ],
)
def test_settings_of_any_service_and_variables_of_others_are_known(given: str) -> None:
    assert list(unknown_settings({given: "1"})) == []


def test_a_process_may_have_settings_of_its_own() -> None:
    assert list(unknown_settings({"MADANG_NEEDED": "1"}, own=["needed"])) == []


def test_it_says_what_to_do() -> None:
    (unknown,) = unknown_settings({"MADANG_TAIL_BYTE": "1"})

    assert str(unknown) == "MADANG_TAIL_BYTE is not a setting; did you mean MADANG_TAIL_BYTES?"


def test_every_setting_has_a_form_with_a_file() -> None:
    given = {
        "MADANG_AMQP_PASSWORD_FILE": "/x",
        "MADANG_NEEDED_FILE": "/x",
        "MADANG_AMQP_PASWORD_FILE": "/x",
        "MADANG_REDIS_PORT": "tcp://10.0.0.1:6379",
    }

    assert list(unknown_settings(given, own=["needed"])) == [
        UnknownSetting("MADANG_AMQP_PASWORD_FILE", "MADANG_AMQP_PASSWORD_FILE")
    ]
