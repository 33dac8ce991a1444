from pathlib import Path
from typing import Any

import pytest
import trustme

from madang_common.settings import CannotStart
from madang_history.settings import HistorySettings
from tests.support.refused_settings import PASSWORD, check_refused

# As the MongoDB community operator writes them into its Secret.
STANDARD = "mongodb://chat:s3cret@m-0.m.ns.svc:27017,m-1.m.ns.svc:27017/chat?replicaSet=m"
SRV = "mongodb+srv://chat:s3cret@m.ns.svc/chat?replicaSet=m"


def settings(**given: Any) -> HistorySettings:
    return HistorySettings(environment="development", **given)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    return file


def test_without_settings_there_is_no_mongodb() -> None:
    assert settings().mongo is None

    with pytest.raises(CannotStart, match="MADANG_MONGO_URL or MADANG_MONGO_HOSTS must be set"):
        settings().require_mongo()


def test_parts_are_taken_as_they_are() -> None:
    endpoint = settings(
        mongo_hosts="one,two:5", mongo_user="u:@", mongo_password=PASSWORD, mongo_replica_set="m"
    ).require_mongo()

    assert endpoint.options == {
        "host": ["one:27017", "two:5"],
        "username": "u:@",
        "password": PASSWORD,
        "authSource": "admin",
        "replicaSet": "m",
    }
    assert "비밀" not in repr(endpoint)


@pytest.mark.parametrize(
    "given",
    [
        {"mongo_url": f"{STANDARD}&ssl=true"},
        {"mongo_url": f"{STANDARD}&TLS=true"},
        {"mongo_url": SRV},
        {"mongo_hosts": "h", "mongo_tls": True},
    ],
)
def test_a_ca_goes_with_every_form_of_tls(ca: Path, given: dict[str, Any]) -> None:
    options = settings(**given, mongo_ca_file=ca).require_mongo().options

    assert (options["tls"], options["tlsCAFile"]) == (True, str(ca))


@pytest.mark.parametrize("url", [STANDARD, f"{STANDARD}&ssl=false", f"{SRV}&ssl=false"])
def test_a_url_without_tls_is_used_as_it_is(ca: Path, url: str) -> None:
    assert settings(mongo_url=url).require_mongo().options == {"host": url}

    check_refused(
        settings,
        {"mongo_url": url, "mongo_ca_file": ca},
        "MADANG_MONGO_CA_FILE needs tls=true in MADANG_MONGO_URL",
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"mongo_url": STANDARD, "mongo_user": "u"},
            "MADANG_MONGO_URL and MADANG_MONGO_USER are both set; give the URL or the parts",
        ),
        ({"mongo_hosts": "h", "mongo_user": "u"}, "MADANG_MONGO_USER needs MADANG_MONGO_PASSWORD"),
        (
            {"mongo_hosts": "h", "mongo_password": "s3cret"},
            "MADANG_MONGO_PASSWORD needs MADANG_MONGO_USER",
        ),
        (
            {"mongo_url": "mongodbx://u:s3cret@one"},
            "MADANG_MONGO_URL is invalid; expected mongodb://user:password@host:27017",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused_in_one_line(
    given: dict[str, Any], expected: str
) -> None:
    check_refused(settings, given, expected)
