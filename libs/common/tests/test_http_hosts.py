import pytest

from madang_common.http.hosts import AllowedHosts, UnknownHost, normal_host
from madang_common.settings import CommonSettings, Environment


def production(**given: object) -> CommonSettings:
    return CommonSettings(service_client_secret="mine", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:8000", "localhost.", "chat.localhost"),
        *("127.0.0.1:8000", "10.1.2.3", "[::1]:8000", "[fd00::1]"),
        *("auth", "rooms:8000", "history-2", "gateway-1:8000"),
        *("chat.example", "Chat.Example:8443", "a.b.yard.example"),
        "rooms.internal:9000",
        "madang.lan",
    ],
)
def test_own_names_and_addresses_are_allowed(host: str) -> None:
    settings = production(
        allowed_hosts=("chat.example", "*.yard.example"),
        rooms_url="http://rooms.internal:9000",
        host="madang.lan",
    )

    settings.hosts.check([host])


@pytest.mark.parametrize(
    "host",
    [
        *("rebind.evil", "rebind.evil:8000", "localhost.rebind.evil", "xlocalhost"),
        *("127.0.0.1.rebind.evil", "yard.example", "authx", "gateway-x", "chat.example.evil"),
        *("", "chat.example:80:80", "[chat.example]", "chat.example@rebind.evil"),
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    settings = production(allowed_hosts=("*.yard.example",))

    with pytest.raises(UnknownHost, match="MADANG_ALLOWED_HOSTS"):
        settings.hosts.check([host])


def test_several_host_headers_are_refused() -> None:
    hosts = AllowedHosts(["chat.example"])

    hosts.check([])
    with pytest.raises(UnknownHost):
        hosts.check(["chat.example", "rebind.evil"])


def test_any_host_can_be_allowed_and_is_in_development() -> None:
    production(allowed_hosts=("*",)).hosts.check(["rebind.evil"])
    CommonSettings(environment=Environment.DEVELOPMENT).hosts.check(["rebind.evil"])
    named = CommonSettings(environment=Environment.DEVELOPMENT, allowed_hosts=("chat.example",))
    with pytest.raises(UnknownHost):
        named.hosts.check(["rebind.evil"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Chat.Example.", "chat.example"),
        ("chat.example:8443", "chat.example"),
        ("*.Example", "*.example"),
        ("마당.example", "xn--ok1b32k.example"),
        ("*", "*"),
    ],
)
def test_a_host_name_is_normalised(given: str, expected: str) -> None:
    assert normal_host(given) == expected


@pytest.mark.parametrize("given", ["https://chat.example", "chat.example/x", "a b", "chat.*", ""])
def test_a_malformed_host_name_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="name of a host"):
        normal_host(given)
