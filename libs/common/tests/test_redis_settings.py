"""Redis in the settings: by URL, by parts, or by Sentinels."""

from pathlib import Path
from typing import Any

import pytest
import trustme

from madang_common.address import Address
from madang_common.redis.settings import RedisSettings
from madang_common.settings import CannotStart
from tests.support.refused_settings import PASSWORD, check_refused


def settings(**given: Any) -> RedisSettings:
    return RedisSettings(environment="development", **given)


def test_without_settings_there_is_no_redis() -> None:
    assert settings().redis is None

    with pytest.raises(
        CannotStart,
        match="MADANG_REDIS_URL or MADANG_REDIS_HOST or MADANG_REDIS_SENTINELS must be set",
    ):
        settings().require_redis()


def test_parts_are_taken_as_they_are() -> None:
    endpoint = settings(
        redis_host="h", redis_user="u:@", redis_password=PASSWORD, redis_database="3"
    ).require_redis()

    assert endpoint.options == {
        "host": "h",
        "port": 6379,
        "username": "u:@",
        "password": PASSWORD,
        "db": 3,
    }
    assert "비밀" not in repr(endpoint)


@pytest.mark.parametrize(
    "given",
    [
        {"redis_url": "rediss://:pw@h:1/2"},
        {"redis_host": "h", "redis_password": "pw", "redis_tls": "true"},
    ],
)
def test_tls_verifies_the_certificate_and_the_host(tmp_path: Path, given: dict[str, Any]) -> None:
    ca = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca)

    trusting_system = settings(**given).require_redis()
    trusting_ca = settings(**given, redis_ca_file=ca).require_redis()

    assert trusting_system.options["ssl_cert_reqs"] == "required"
    assert trusting_system.options["ssl_check_hostname"] is True
    assert dict(trusting_ca.options) == {**trusting_system.options, "ssl_ca_certs": str(ca)}


def test_sentinels_have_credentials_of_their_own() -> None:
    endpoint = settings(
        redis_sentinels="one,two:5",
        redis_primary="chat",
        redis_password="for redis",
        redis_sentinel_user="watcher",
        redis_sentinel_password="for sentinels",
    ).require_redis()

    assert endpoint.options == {"password": "for redis", "db": 0}
    assert endpoint.sentinels is not None
    assert endpoint.sentinels.addresses == (Address("one", 26_379), Address("two", 5))
    assert endpoint.sentinels.primary == "chat"
    assert endpoint.sentinels.options == {"username": "watcher", "password": "for sentinels"}
    assert "for" not in repr(endpoint)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"redis_url": "redis://h", "redis_sentinels": "h"},
            "MADANG_REDIS_URL and MADANG_REDIS_SENTINELS are both set; set only one",
        ),
        (
            {"redis_host": "h", "redis_sentinels": "h"},
            "MADANG_REDIS_HOST and MADANG_REDIS_SENTINELS are both set; set only one",
        ),
        (
            {"redis_password": "s3cret"},
            "MADANG_REDIS_PASSWORD needs MADANG_REDIS_HOST or MADANG_REDIS_SENTINELS",
        ),
        *(
            (
                {"redis_host": host},
                f"MADANG_REDIS_HOST={host}: give a host name or an IP address, without a port",
            )
            for host in ("", "h:1", "[fd00::1]", "u@h")
        ),
        ({"redis_host": "h", "redis_user": "u"}, "MADANG_REDIS_USER needs MADANG_REDIS_PASSWORD"),
        (
            {"redis_host": "h", "redis_primary": "p"},
            "MADANG_REDIS_PRIMARY needs MADANG_REDIS_SENTINELS",
        ),
        ({"redis_sentinels": "h", "redis_port": 1}, "MADANG_REDIS_PORT needs MADANG_REDIS_HOST"),
        (
            {"redis_sentinels": "h", "redis_sentinel_user": "u"},
            "MADANG_REDIS_SENTINEL_USER needs MADANG_REDIS_SENTINEL_PASSWORD",
        ),
        (
            {"redis_sentinels": "h:x"},
            "MADANG_REDIS_SENTINELS=h:x: h:x is not an address; give a host or host:port",
        ),
        *(
            (
                {"redis_url": url},
                "MADANG_REDIS_URL is invalid; expected redis://user:password@host:6379/0",
            )
            for url in ("", "http://user:s3cret@host/0", "redis://h:s3cret/0")
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused_in_one_line(
    given: dict[str, Any], expected: str
) -> None:
    check_refused(settings, given, expected)
