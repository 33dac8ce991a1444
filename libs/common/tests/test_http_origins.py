import pytest

from madang_common.http.origins import is_same_host, normal_origin


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://app.example", "https://app.example"),
        ("https://app.example/", "https://app.example"),
        ("HTTPS://App.Example", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("https://마당.example", "https://xn--ok1b32k.example"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("*", "*"),
        ("null", "null"),
    ],
)
def test_an_origin_is_normalised_as_browsers_send_it(given: str, expected: str) -> None:
    assert normal_origin(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "app.example",
        "app.example:8080",
        "https://",
        "https://app.example/path",
        "https://app.example?x",
        "https://me@app.example",
        "https://*.example",
        "https://app.example:99999",
        "https://app.example:x",
        "https://[::1",
        "",
    ],
)
def test_an_origin_that_cannot_match_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"origin is|invalid host or port"):
        normal_origin(given)


@pytest.mark.parametrize(
    ("origin", "hosts", "same"),
    [
        ("https://chat.example", ["chat.example"], True),
        ("https://chat.example", ["Chat.Example:443"], True),
        ("http://chat.example:8000", ["chat.example:8000"], True),
        ("https://chat.example", ["chat.example:8443"], False),
        ("https://evil.example", ["chat.example"], False),
        ("null", ["chat.example"], False),
        ("null", ["null"], False),
        ("https://chat.example", ["chat.example", "chat.example"], False),
        ("https://chat.example", [], False),
        ("https://[::1", ["[::1"], False),
    ],
)
def test_a_page_of_the_same_host_is_recognised(
    origin: str, hosts: list[str], *, same: bool
) -> None:
    assert is_same_host(origin, hosts) is same
