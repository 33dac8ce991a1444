from typing import Any

import pytest

from madang_common.settings import CannotStart
from madang_common.tls import Tls
from madang_rooms.settings import RoomsSettings
from tests.support.refused_settings import PASSWORD, check_refused

PARTS = {"database_host": "db", "database_user": "u:@", "database_password": PASSWORD}
URL = "mysql+asyncmy://u:s3cret@h:3306/chat"


def settings(**given: Any) -> RoomsSettings:
    return RoomsSettings(environment="development", **given)


def test_without_settings_there_is_no_mysql() -> None:
    assert settings().database is None

    with pytest.raises(
        CannotStart, match="MADANG_DATABASE_URL or MADANG_DATABASE_HOST must be set"
    ):
        settings().require_database()


def test_parts_are_taken_as_they_are() -> None:
    url = settings(**PARTS).require_database().url

    assert (url.drivername, url.host, url.port) == ("mysql+asyncmy", "db", 3306)
    assert (url.username, url.password, url.database) == ("u:@", PASSWORD, "madang")
    assert "비밀" not in repr(settings(**PARTS).database)


def test_tls_goes_with_the_url_and_with_parts() -> None:
    assert settings(**PARTS, database_tls=True).require_database().tls == Tls()
    assert settings(database_url=URL, database_tls=True).require_database().tls == Tls()
    assert settings(database_url=URL).require_database().tls is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            PARTS | {"database_url": URL},
            "MADANG_DATABASE_URL and MADANG_DATABASE_HOST are both set; set only one",
        ),
        (
            {"database_url": URL, "database_name": "other"},
            "MADANG_DATABASE_URL and MADANG_DATABASE_NAME are both set; give the URL or the parts",
        ),
        ({"database_host": "h"}, "MADANG_DATABASE_HOST needs MADANG_DATABASE_USER"),
        (
            {"database_host": "h", "database_user": "u"},
            "MADANG_DATABASE_HOST needs MADANG_DATABASE_PASSWORD",
        ),
        (
            {"database_tls": True},
            "MADANG_DATABASE_TLS needs MADANG_DATABASE_URL or MADANG_DATABASE_HOST",
        ),
        (
            {"database_url": f"{URL}?ssl_ca=/x", "database_tls": True},
            "MADANG_DATABASE_TLS and ssl_… in MADANG_DATABASE_URL are both set; set only one",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused_in_one_line(
    given: dict[str, Any], expected: str
) -> None:
    check_refused(settings, given, expected)
