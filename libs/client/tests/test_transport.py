import httpx
import pytest
from typing_extensions import override

from madang_client.errors import NotReachable
from madang_client.transport import RetryingTransport, open_transport, proxy_of

SERVER = "http://127.0.0.1:8000"


class Wire(httpx.AsyncBaseTransport):
    """Raises the given failures, then responds; counts the requests."""

    def __init__(self, *failures: type[httpx.TransportError]) -> None:
        self.failures = list(failures)
        self.sent = 0

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        if self.failures:
            raise self.failures.pop(0)("broken", request=request)
        return httpx.Response(200)


async def sent(method: str, *failures: type[httpx.TransportError]) -> int:
    wire = Wire(*failures)
    async with httpx.AsyncClient(transport=RetryingTransport(wire), base_url=SERVER) as client:
        assert (await client.request(method, "/x")).is_success
    return wire.sent


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError]
)
async def test_a_read_is_retried_after_a_connection_error(
    failure: type[httpx.TransportError],
) -> None:
    assert await sent("GET", failure) == 2


async def test_a_write_is_retried_only_if_it_was_never_sent() -> None:
    assert await sent("POST", httpx.ConnectError) == 2
    for failure in (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
        with pytest.raises(failure):
            await sent("POST", failure)


async def test_a_request_is_sent_twice_at_most() -> None:
    with pytest.raises(httpx.ConnectError):
        await sent("GET", httpx.ConnectError, httpx.ConnectError)


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}, None),
        ({"ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "*"}, None),
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, "socks5://127.0.0.1:9"),
        ({"ALL_PROXY": "socks5://a:9", "http_proxy": "http://b:3128"}, "http://b:3128"),
        ({"http_proxy": "b:3128"}, "http://b:3128"),
        ({"https_proxy": "http://b:3128"}, None),
    ],
)
def test_the_proxy_is_the_one_for_this_server(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], proxy: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert proxy_of(SERVER) == proxy


@pytest.mark.parametrize("proxy", ["socks5://me:s3cret@127.0.0.1:9", "gopher://me:s3cret@x:1"])
def test_an_unusable_proxy_is_reported_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)

    with pytest.raises(NotReachable, match="the proxy") as raised:
        open_transport(SERVER)

    assert "s3cret" not in str(raised.value)


def test_idle_connections_are_closed_long_before_the_server_closes_them() -> None:
    transport = open_transport(SERVER)

    assert transport._transport._pool._keepalive_expiry == 30  # type: ignore[attr-defined]  # of RetryingTransport
