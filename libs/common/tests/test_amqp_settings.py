"""RabbitMQ in the settings: by URL or by parts."""

from pathlib import Path
from typing import Any

import pytest
import trustme

from madang_common.settings import CannotStart, CommonSettings
from madang_common.tls import Tls
from tests.support.refused_settings import PASSWORD, check_refused

PARTS = {"amqp_hosts": "one,two:5", "amqp_user": "us:er@", "amqp_password": PASSWORD}


def settings(**given: Any) -> CommonSettings:
    return CommonSettings(environment="development", **given)


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    return file


def test_without_settings_there_is_no_rabbitmq() -> None:
    assert settings().amqp is None

    with pytest.raises(CannotStart, match="MADANG_AMQP_URL or MADANG_AMQP_HOSTS must be set"):
        settings().require_amqp()


def test_parts_are_taken_as_they_are() -> None:
    endpoint = settings(**PARTS, amqp_vhost="my/chat %").require_amqp()

    assert [(node.scheme, node.host, node.port) for node in endpoint.nodes] == [
        ("amqp", "one", 5672),
        ("amqp", "two", 5),
    ]
    assert {(node.user, node.password) for node in endpoint.nodes} == {("us:er@", PASSWORD)}
    assert {node.path for node in endpoint.nodes} == {"/my/chat %"}
    assert endpoint.tls is None


def test_an_endpoint_does_not_show_the_password() -> None:
    given = settings(**PARTS)

    assert "비밀" not in repr(given.amqp) + repr(given)
    assert "s3cret" not in repr(settings(amqp_url="amqp://u:s3cret@h/").amqp)


def test_tls_has_a_port_of_its_own_and_a_ca(ca: Path) -> None:
    by_parts = settings(**PARTS, amqp_tls="true", amqp_ca_file=ca).require_amqp()
    by_url = settings(amqp_url="amqps://u:p@one/", amqp_ca_file=ca).require_amqp()

    assert [str(node.with_user(None).origin()) for node in by_parts.nodes] == [
        "amqps://one:5671",
        "amqps://two:5",
    ]
    assert by_parts.tls == by_url.tls == Tls(ca)
    assert settings(amqp_url="amqps://u:p@one/").require_amqp().tls == Tls()


def test_a_port_is_used_for_hosts_without_one() -> None:
    endpoint = settings(**PARTS, amqp_port=7).require_amqp()

    assert [node.port for node in endpoint.nodes] == [7, 5]


def test_the_secret_of_the_cluster_operator_fits() -> None:
    by_url = settings(amqp_url="amqp://default_user_x:s3%3Acret@chat.ns.svc:5672/")
    by_parts = settings(
        amqp_hosts="chat.ns.svc",
        amqp_port="5672",
        amqp_user="default_user_x",
        amqp_password="s3:cret",
    )

    assert by_url.amqp == by_parts.amqp


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"amqp_url": "amqp://u:s3cret@h/", "amqp_hosts": "h"},
            "MADANG_AMQP_URL and MADANG_AMQP_HOSTS are both set; set only one",
        ),
        (
            {"amqp_url": "amqp://u:s3cret@h/", "amqp_password": "s3cret"},
            "MADANG_AMQP_URL and MADANG_AMQP_PASSWORD are both set; give the URL or the parts",
        ),
        (
            {"amqp_user": "u", "amqp_password": "s3cret"},
            "MADANG_AMQP_USER needs MADANG_AMQP_HOSTS",
        ),
        (
            {"amqp_hosts": "h", "amqp_password": "s3cret"},
            "MADANG_AMQP_HOSTS needs MADANG_AMQP_USER",
        ),
        ({"amqp_hosts": "h", "amqp_user": "u"}, "MADANG_AMQP_HOSTS needs MADANG_AMQP_PASSWORD"),
        (PARTS | {"amqp_password": ""}, "MADANG_AMQP_HOSTS needs MADANG_AMQP_PASSWORD"),
        (PARTS | {"amqp_ca_file": "CA"}, "MADANG_AMQP_CA_FILE needs MADANG_AMQP_TLS"),
        (
            {"amqp_url": "amqp://u:s3cret@h/", "amqp_ca_file": "CA"},
            "MADANG_AMQP_CA_FILE needs amqps:// in MADANG_AMQP_URL",
        ),
        (
            {"amqp_url": "amqps://u:s3cret@h/?cafile=/x", "amqp_ca_file": "CA"},
            "MADANG_AMQP_CA_FILE and TLS options in MADANG_AMQP_URL are both set; set only one",
        ),
        ({"amqp_ca_file": "CA"}, "MADANG_AMQP_CA_FILE needs MADANG_AMQP_URL or MADANG_AMQP_HOSTS"),
        (
            {"amqp_port": 0},
            "MADANG_AMQP_PORT=0: give a whole number of at least 1 and at most 65535",
        ),
        (
            PARTS | {"amqp_hosts": "h,u@h"},
            "MADANG_AMQP_HOSTS=h,u@h: u@h is not an address; give a host or host:port",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused_in_one_line(
    ca: Path, given: dict[str, Any], expected: str
) -> None:
    with_ca = {name: ca if value == "CA" else value for name, value in given.items()}

    check_refused(settings, with_ca, expected)
