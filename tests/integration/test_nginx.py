"""The proxy as deployed: real nginx, and replicas that echo their requests."""

import json
import re
import signal
import socket
import ssl
import stat
import struct
import subprocess
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from madang_common.http.keepalive import CLIENT_KEEPALIVE_SECONDS, SERVER_KEEPALIVE_SECONDS
from madang_standalone import site
from stack.servers.deadline import wait_until
from stack.servers.ports import LOOPBACK, free_port
from stack.servers.programs import program
from tests.integration.behind_proxy import Proxy, Replica, rest_replica, websocket_replica
from tests.support.proxy import NGINX, defaults, gateways, make_certificate, render, servers


@dataclass
class Harness:
    proxy: Proxy
    rest: dict[str, Replica]
    gateways: list[Replica]
    connected: Counter[str]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder)
    return folder


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Harness]:
    """Give a proxy with one replica of each service and two gateways."""
    connected: Counter[str] = Counter()
    with ExitStack() as stack:
        names = ("auth", "rooms", "history")
        rest = {name: stack.enter_context(rest_replica(name)) for name in names}
        taking = [
            stack.enter_context(websocket_replica(name, connected)) for name in ("one", "two")
        ]
        settings = {f"PROXY_{name.upper()}_SERVERS": servers(rest[name].address) for name in names}
        settings["PROXY_GATEWAY_SERVERS"] = gateways(*(gateway.address for gateway in taking))
        proxy = Proxy(tmp_path_factory.mktemp("nginx"), certificate, settings)
        proxy.start()
        stack.callback(proxy.stop)
        yield Harness(proxy, rest, taking, connected)


Started = Callable[..., Proxy]


@pytest.fixture
def started(tmp_path: Path, certificate: Path) -> Iterator[Started]:
    """Give a function that starts a proxy of the test's own; upstreams not given are nowhere."""
    with ExitStack() as stack:

        def start(**given: str) -> Proxy:
            nowhere = servers(f"{LOOPBACK}:{free_port()}")
            settings = {
                f"PROXY_{name}_SERVERS": nowhere for name in ("AUTH", "ROOMS", "HISTORY", "GATEWAY")
            }
            proxy = Proxy(tmp_path, certificate, settings | given)
            proxy.start()
            stack.callback(proxy.stop)
            return proxy

        yield start


def test_nginx_takes_the_configuration_without_a_warning(harness: Harness) -> None:
    nginx = program("nginx", package="nginx")
    config = harness.proxy.folder / "nginx.conf"

    checked = subprocess.run(
        [nginx, "-t", "-c", config], capture_output=True, text=True, check=True
    )

    assert "[warn]" not in checked.stderr


def test_every_setting_of_the_template_has_a_default_and_every_default_a_place() -> None:
    with pytest.raises(ValueError, match="PROXY_UNKNOWN"):
        render({"PROXY_UNKNOWN": "1"})

    assert "${" not in render({})
    for name in defaults():
        assert "found here" in render({name: "found here"}), name


@pytest.mark.parametrize("service", ["auth", "rooms", "history"])
def test_each_path_goes_to_its_service_as_it_came(harness: Harness, service: str) -> None:
    target = f"/api/{service}/v1/rooms/a%2Fb%20c?limit=2&after=%2B"

    answer = harness.proxy.ask(target)

    assert (answer.status, answer.document) == (200, {"by": service})
    assert harness.rest[service].last.target == target


def test_the_public_keys_come_from_auth(harness: Harness) -> None:
    assert harness.proxy.ask("/.well-known/jwks.json").document == {"by": "auth"}
    assert harness.rest["auth"].last.target == "/.well-known/jwks.json"


@pytest.mark.parametrize(
    "target",
    [
        "/internal/access",
        "/internal",
        "/metrics",
        "/health/ready",
        "/health/live",
        "/.well-known/",
        "/.well-known/other",
        "/api/",
        "/api/rooms/internal/access",
        "/api/rooms/v2/rooms",
        "/api/secrets/v1/all",
        "/api/rooms/v1/../../../internal/access",
        "/api/rooms/v1/%2e%2e/%2e%2e/%2e%2e/internal/access",
        "/api/rooms/v1/..%2f..%2f..%2finternal/access",
        "/internal/../api/rooms/v1/rooms",
        "/internal/..%2fapi%2frooms%2fv1%2frooms",
        "//internal/access",
        "/API/rooms/v1/rooms",
        "/../main/pyproject.toml",
        "/.problem",
        "/no-such-page",
        "/wss",
        "/ws/",
        "/ws/more",
        "/internal/..%2fws",
    ],
)
def test_nothing_else_can_be_reached(harness: Harness, target: str) -> None:
    before = [len(replica.arrived) for replica in (*harness.rest.values(), *harness.gateways)]

    answer = harness.proxy.ask(target)

    assert answer.status in {400, 404}
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.document["status"] == answer.status
    assert before == [
        len(replica.arrived) for replica in (*harness.rest.values(), *harness.gateways)
    ]


def test_what_a_client_says_of_its_address_is_not_passed_on(harness: Harness) -> None:
    told = {"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1", "Forwarded": "for=192.0.2.1"}

    harness.proxy.ask("/api/rooms/v1/rooms", headers=told | {"X-Forwarded-Proto": "http"})

    headers = harness.rest["rooms"].last.headers
    assert headers["X-Forwarded-For"] == LOOPBACK
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["Host"] == f"localhost:{harness.proxy.port}"
    assert "192.0.2.1" not in str(headers)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("chosen-by-me_1", True), ("short", False), ("x" * 65, False), ('"; drop', False)],
)
def test_a_sane_request_id_is_kept(harness: Harness, given: str, *, kept: bool) -> None:
    answer = harness.proxy.ask("/api/rooms/v1/rooms", headers={"X-Request-ID": given})

    used = harness.rest["rooms"].last.headers["X-Request-ID"]
    assert (used == given) is kept
    assert answer.headers["X-Request-ID"] == used


def test_pages_come_with_the_headers_of_the_embedded_form(harness: Harness) -> None:
    for target in ("/", "/app.js", "/docs", "/docs/", "/docs/docs.js", "/openapi.json"):
        page = harness.proxy.ask(target)
        assert page.status == 200
        assert page.headers.items() >= site.page_headers(target).items()
        assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert harness.proxy.ask("/app.js").headers["Content-Type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("target", ["/docs", "/docs/"])
def test_the_rest_interface_is_documented(harness: Harness, target: str) -> None:
    page = harness.proxy.ask(target)
    document = harness.proxy.ask("/openapi.json")

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    for found in re.findall(r'(?:src|href)="(/[^"]+)"', page.body.decode()):
        assert harness.proxy.ask(found).status == 200, found
    assert document.headers["Content-Type"] == "application/json"
    assert document.document["info"]["title"] == "Madang"


@pytest.mark.parametrize("target", ["/ws", "/ws?v=1"])
def test_a_plain_request_where_websocket_is_spoken_is_told_to_upgrade(
    harness: Harness, target: str
) -> None:
    before = [len(gateway.arrived) for gateway in harness.gateways]

    answer = harness.proxy.ask(target)

    assert (answer.status, answer.headers["Upgrade"]) == (426, "websocket")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.document["type"] == "urn:madang:problem:upgrade-required"
    assert before == [len(gateway.arrived) for gateway in harness.gateways]


def test_answers_of_services_are_secured_and_otherwise_left_alone(harness: Harness) -> None:
    headers = harness.proxy.ask("/api/rooms/v1/rooms").headers

    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Cache-Control" not in headers
    assert headers["Server"] == "nginx"


def handshake(proxy: Proxy, version: ssl.TLSVersion, *, weak: bool = False) -> str | None:
    """Return the protocol of a connection that supports only `version`."""
    context = ssl.create_default_context(cafile=proxy.certificate / "ca.pem")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    if weak:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with (
        socket.create_connection((LOOPBACK, proxy.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.version()


def test_tls_is_1_2_or_1_3(harness: Harness) -> None:
    assert handshake(harness.proxy, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert handshake(harness.proxy, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    # It is the server that says no.
    with pytest.raises(ssl.SSLError, match="TLSV1_ALERT_PROTOCOL_VERSION"):
        handshake(harness.proxy, ssl.TLSVersion.TLSv1_1, weak=True)


def test_http_2_is_offered(harness: Harness) -> None:
    context = ssl.create_default_context(cafile=harness.proxy.certificate / "ca.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])

    with (
        socket.create_connection((LOOPBACK, harness.proxy.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("target", ["/ws", "/ws?v=1", "/ws-stomp", "/ws-stomp/1/a%20b/websocket"])
def test_a_websocket_goes_through_with_its_origin_and_host(harness: Harness, target: str) -> None:
    origin = harness.proxy.origin
    for gateway in harness.gateways:
        gateway.arrived.clear()

    with harness.proxy.websocket(target, origin=origin) as websocket:
        websocket.send("안녕")
        assert websocket.recv(timeout=10) == "안녕"

    (arrived,) = (request for gateway in harness.gateways for request in gateway.arrived)
    assert arrived.target == target
    assert arrived.headers["Host"] == origin.removeprefix("https://")
    assert arrived.headers["Origin"] == origin
    assert arrived.headers["X-Forwarded-For"] == LOOPBACK


def test_websockets_go_to_the_gateway_with_the_fewest(harness: Harness) -> None:
    harness.connected.clear()

    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(harness.proxy.websocket())

        assert wait_until(lambda: harness.connected.total() == 6, seconds=10)
        assert harness.connected == {"one": 3, "two": 3}


def test_what_nginx_itself_does_not_know_is_told_as_a_problem(harness: Harness) -> None:
    answer = harness.proxy.ask(
        "/api/rooms/v1/rooms", method="POST", headers={"Transfer-Encoding": "xchunked"}
    )

    assert (answer.status, answer.document["status"]) == (501, 501)


def test_no_other_protocol_is_upgraded_to(harness: Harness) -> None:
    headers = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": ""}

    harness.proxy.ask("/api/rooms/v1/rooms", headers=headers)

    assert "Upgrade" not in harness.rest["rooms"].last.headers


def test_plain_http_is_sent_to_https_and_a_plain_websocket_refused(harness: Harness) -> None:
    moved = harness.proxy.ask("/api/rooms/v1/rooms?limit=1", plain_port="http")
    assert moved.status == 308
    https = f"https://{LOOPBACK}:{harness.proxy.port}"
    assert moved.headers["Location"] == f"{https}/api/rooms/v1/rooms?limit=1"

    on_the_wrong_port = harness.proxy.ask("/app.js", plain_port="main")
    assert on_the_wrong_port.status == 308
    assert on_the_wrong_port.headers["Location"] == f"{https}/app.js"

    for path in ("ws", "ws-stomp", "ws-stomp/1/a/websocket"):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{LOOPBACK}:{harness.proxy.ports['http']}/{path}")
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize("target", ["/api/rooms/v1/rooms", "/", "/ws", "/no-such-page"])
@pytest.mark.parametrize("port", [None, "http", "main"])
def test_requests_for_another_host_are_refused_and_its_name_is_not_repeated(
    harness: Harness, target: str, port: str | None
) -> None:
    before = [len(replica.arrived) for replica in (*harness.rest.values(), *harness.gateways)]

    answer = harness.proxy.ask(target, headers={"Host": "rebind.evil"}, plain_port=port)

    assert answer.status == 421
    assert answer.document["type"] == "urn:madang:problem:unknown-host"
    assert "Location" not in answer.headers
    assert b"rebind" not in answer.body
    assert before == [
        len(replica.arrived) for replica in (*harness.rest.values(), *harness.gateways)
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "192.0.2.7:8443", "LOCALHOST"])
def test_requests_for_an_address_are_answered_as_probes_send_them(
    harness: Harness, host: str
) -> None:
    assert harness.proxy.ask("/app.js", headers={"Host": host}).status == 200


def test_a_deployment_names_its_own_hosts(started: Started) -> None:
    proxy = started(PROXY_HOSTS="chat.example *.chat.example")

    answers = {
        host: proxy.ask("/app.js", headers={"Host": host}).status
        for host in ("chat.example", "www.chat.example", "localhost")
    }

    assert answers == {"chat.example": 200, "www.chat.example": 200, "localhost": 421}


def test_problems_of_its_own_can_be_read_by_any_page_and_are_not_stored(harness: Harness) -> None:
    answer = harness.proxy.ask("/api/nowhere", headers={"Origin": "https://app.example"})

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"
    page = harness.proxy.ask("/", headers={"Origin": "https://app.example"})
    assert "Access-Control-Allow-Origin" not in page.headers


def test_the_methods_of_a_page_are_named(harness: Harness) -> None:
    answer = harness.proxy.ask("/app.js", method="POST")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_idle_connections_are_closed_before_the_services_close_them() -> None:
    upstream = re.findall(
        r"keepalive_timeout (\d+)s", (NGINX / "nginx.conf.template").read_text("utf-8")
    )

    assert set(upstream) == {"75", "60"}
    assert CLIENT_KEEPALIVE_SECONDS * 2 <= 60 < SERVER_KEEPALIVE_SECONDS


def test_large_bodies_and_heads_are_refused_as_the_services_would(harness: Harness) -> None:
    before = len(harness.rest["rooms"].arrived)

    large = harness.proxy.ask("/api/rooms/v1/rooms", method="POST", body=b"x" * 65_537)
    head = harness.proxy.ask("/api/rooms/v1/rooms", headers={"X-Long": "x" * 20_000})
    line = harness.proxy.ask("/api/rooms/v1/" + "x" * 20_000)

    assert large.status == 413
    assert large.document["type"] == "urn:madang:problem:too-large"
    assert (head.status, head.document["status"]) == (431, 431)
    assert (line.status, line.document["status"]) == (414, 414)
    assert len(harness.rest["rooms"].arrived) == before
    assert harness.proxy.ask("/api/rooms/v1/rooms", method="POST", body=b"x" * 65_536).status == 200


def body_over_http_2(proxy: Proxy, path: str, *, length: int) -> bytes:
    """Return the body of the response to the headers of a POST with `length` bytes."""

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return (
            struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload
        )

    def literal(name: bytes, value: str) -> bytes:
        return name + bytes([len(value)]) + value.encode()

    # HPACK without Huffman coding; POST, https and the names are indexes of its static table.
    headers = b"\x83\x87" + literal(b"\x01", "localhost") + literal(b"\x04", path)
    headers += literal(b"\x0f\x0d", str(length))
    context = ssl.create_default_context(cafile=proxy.certificate / "ca.pem")
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((LOOPBACK, proxy.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
        secure.makefile("rb") as received,
    ):
        secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
        secure.sendall(frame(1, 4, 1, headers))
        body, ended = b"", False
        while not ended:
            head = received.read(9)
            payload = received.read(int.from_bytes(head[:3]))
            kind, flags = head[3], head[4]
            if kind == 0:
                body += payload
            ended = kind in {0, 1} and bool(flags & 1)
        return body


def test_a_large_body_is_a_problem_over_http_2_too(harness: Harness) -> None:
    body = body_over_http_2(harness.proxy, "/api/rooms/v1/rooms", length=65_537)

    assert json.loads(body)["type"] == "urn:madang:problem:too-large"


def test_the_log_holds_neither_queries_nor_codes_of_invites(harness: Harness) -> None:
    harness.proxy.ask("/api/rooms/v1/invites/let-me-in/accept?token=hidden", method="POST")
    harness.proxy.ask("/api/rooms/v1/rooms/r1/invites/let-me-in", method="DELETE")
    logged = "/api/rooms/v1/rooms/r1/invites/*"

    assert wait_until(lambda: logged in harness.proxy.access_log.read_text(), seconds=10)
    text = harness.proxy.access_log.read_text()
    assert "/api/rooms/v1/invites/*/accept" in text
    assert "let-me-in" not in text
    assert "hidden" not in text
    assert all(json.loads(line)["event"] == "request" for line in text.splitlines())


def test_no_log_holds_queries_or_codes_whatever_goes_wrong(started: Started) -> None:
    with rest_replica("mute", mute=True) as mute:
        proxy = started(
            PROXY_REQUESTS_PER_SECOND="1",
            PROXY_REQUESTS_BURST="3",
            PROXY_ROOMS_SERVERS=servers(mute.address),
        )
        accept = "/api/rooms/v1/invites/let-me-in/accept?token=hidden"
        asked = [
            proxy.ask(accept, method="POST", body=b"x" * 70_000),
            proxy.ask(accept, method="POST"),
            proxy.ask("/api/auth/v1/login?token=hidden", headers={"Referer": "https://x/?hidden"}),
            proxy.ask("/no-such-page?token=hidden"),
            *(proxy.ask(accept) for _ in range(9)),
        ]

    assert {answer.status for answer in asked} >= {413, 502, 404, 429}
    logged = proxy.log_file.read_text() + proxy.access_log.read_text()
    assert "hidden" not in logged
    assert "let-me-in" not in logged


def test_a_client_that_asks_too_often_is_slowed_down(started: Started) -> None:
    proxy = started(PROXY_REQUESTS_PER_SECOND="1", PROXY_REQUESTS_BURST="3")

    answers = [proxy.ask("/app.js") for _ in range(20)]

    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.document["type"] == "urn:madang:problem:too-many-requests"
    assert refused.headers["Retry-After"] == "1"


def test_the_other_replica_answers_where_one_is_away(started: Started) -> None:
    with rest_replica("alive") as alive:
        away = f"{LOOPBACK}:{free_port()}"
        proxy = started(PROXY_ROOMS_SERVERS=servers(away, alive.address))

        answers = [proxy.ask("/api/rooms/v1/rooms", method="POST", body=b"{}") for _ in range(20)]

    assert {answer.status for answer in answers} == {200}
    assert len(alive.arrived) == 20


def test_a_gateway_that_stops_is_passed_over(started: Started) -> None:
    connected: Counter[str] = Counter()
    with (
        websocket_replica("stopping", connected, refusing=503) as stopping,
        websocket_replica("other", connected) as other,
    ):
        proxy = started(PROXY_GATEWAY_SERVERS=gateways(stopping.address, other.address))

        for _ in range(5):
            with proxy.websocket() as websocket:
                websocket.send("hi")
                assert websocket.recv(timeout=10) == "hi"

    assert connected == {"other": 5}
    assert stopping.arrived


def test_a_gateway_that_is_back_is_taken_for_it_at_once(started: Started) -> None:
    """To nginx a WebSocket is a success when it ends, which may be tomorrow."""
    connected: Counter[str] = Counter()
    with socket.create_server((LOOPBACK, 0)) as reserved:
        address = f"{LOOPBACK}:{reserved.getsockname()[1]}"
    with websocket_replica("other", connected) as other, ExitStack() as stack:
        proxy = started(PROXY_GATEWAY_SERVERS=gateways(address, other.address))
        for _ in range(4):
            stack.enter_context(proxy.websocket())
        port = int(address.rpartition(":")[2])
        stack.enter_context(websocket_replica("back", connected, port=port))

        for _ in range(4):
            stack.enter_context(proxy.websocket())

        assert connected == {"other": 4, "back": 4}


def test_when_no_gateway_takes_more_they_are_asked_again_all_the_same(started: Started) -> None:
    connected: Counter[str] = Counter()
    with (
        websocket_replica("one", connected, refusing=503) as one,
        websocket_replica("two", connected, refusing=503) as two,
    ):
        proxy = started(PROXY_GATEWAY_SERVERS=gateways(one.address, two.address))

        for _ in range(5):
            with pytest.raises(InvalidStatus) as refused, proxy.websocket():
                pass
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers.get_all("Retry-After") == ["7"]

    assert (len(one.arrived), len(two.arrived)) == (5, 5)


def test_a_service_that_is_away_is_told_as_a_problem(started: Started) -> None:
    proxy = started()

    answer = proxy.ask("/api/auth/v1/login", method="POST", body=b"{}")

    assert answer.status == 502
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.document["type"] == "urn:madang:problem:unavailable"
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize(("method", "tries"), [("POST", 1), ("GET", 2)])
def test_what_may_have_been_done_is_not_sent_twice(
    started: Started, method: str, tries: int
) -> None:
    with rest_replica("one", mute=True) as one, rest_replica("two", mute=True) as two:
        proxy = started(PROXY_ROOMS_SERVERS=servers(one.address, two.address))

        answer = proxy.ask("/api/rooms/v1/rooms", method=method)

        assert answer.status == 502
        assert len(one.arrived) + len(two.arrived) == tries


def test_a_reload_keeps_open_websockets(started: Started) -> None:
    connected: Counter[str] = Counter()
    with (
        rest_replica("before") as before,
        rest_replica("after") as after,
        websocket_replica("gateway", connected) as gateway,
    ):
        proxy = started(
            PROXY_ROOMS_SERVERS=servers(before.address),
            PROXY_GATEWAY_SERVERS=servers(gateway.address),
        )
        with proxy.websocket() as websocket:
            assert proxy.ask("/api/rooms/v1/rooms").document == {"by": "before"}
            proxy.settings["PROXY_ROOMS_SERVERS"] = servers(after.address)
            proxy.prepare()
            assert proxy.process is not None
            proxy.process.send(signal.SIGHUP)

            def reloaded() -> bool:
                return bool(proxy.ask("/api/rooms/v1/rooms").document == {"by": "after"})

            assert wait_until(reloaded, seconds=10)
            websocket.send("still here")
            assert websocket.recv(timeout=10) == "still here"
        assert connected == {"gateway": 1}


def test_the_certificate_is_made_once_and_its_keys_are_private(tmp_path: Path) -> None:
    make_certificate(tmp_path, "DNS:chat.example")
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    make_certificate(tmp_path, "DNS:chat.example")

    assert made == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for name in ("ca.key", "localhost.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-text", "-in", tmp_path / "localhost.pem"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in ("DNS:localhost", "IP Address:127.0.0.1", "DNS:chat.example"):
        assert name in told

    make_certificate(tmp_path)
    assert (tmp_path / "localhost.pem").read_bytes() != made["localhost.pem"]
    assert (tmp_path / "ca.pem").read_bytes() == made["ca.pem"]
