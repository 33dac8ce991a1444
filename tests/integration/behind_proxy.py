"""The surroundings of nginx in its tests: echoing replicas, and the proxy."""

import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from typing_extensions import override
from websockets.http11 import Request, Response
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server as WebSocketServer
from websockets.sync.server import ServerConnection, serve

from stack.servers.nginx import Nginx
from stack.servers.ports import LOOPBACK
from tests.support import proxy
from tests.support.tls import client_context


@dataclass
class Arrived:
    """One request as a replica saw it."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass
class Replica:
    """One replica behind the proxy, and all that reached it."""

    name: str
    address: str
    arrived: list[Arrived] = field(default_factory=list)

    @property
    def last(self) -> Arrived:
        """The request that came last."""
        return self.arrived[-1]


@contextmanager
def rest_replica(name: str, *, mute: bool = False) -> Iterator[Replica]:
    """Run a replica that answers with its name, or one that hangs up without an answer."""
    replica = Replica(name, "")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            replica.arrived.append(Arrived(self.command, self.path, dict(self.headers.items())))
            if mute:
                self.close_connection = True
                return
            body = json.dumps({"by": name}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Request-ID", self.headers["X-Request-ID"])
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the library's names

        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    replica.address = f"{LOOPBACK}:{server.server_port}"
    with server, _running(server.serve_forever, server.shutdown):
        yield replica


@contextmanager
def websocket_replica(
    name: str, connected: Counter[str], *, refusing: int | None = None, port: int = 0
) -> Iterator[Replica]:
    """Run a gateway that echoes messages, and counts its connections.

    With `refusing` it takes none, and answers with that status.
    """
    replica = Replica(name, "")

    def note(connection: ServerConnection, request: Request) -> Response | None:
        headers = dict(request.headers.raw_items())
        replica.arrived.append(Arrived("GET", request.path, headers))
        if refusing is None:
            # Before the client is told, who then looks at the count.
            connected[name] += 1
            return None
        answer = connection.respond(refusing, "not now")
        answer.headers["Retry-After"] = "7"
        return answer

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    listener = socket.create_server((LOOPBACK, port))
    server: WebSocketServer = serve(echo, sock=listener, process_request=note)
    replica.address = f"{LOOPBACK}:{listener.getsockname()[1]}"
    with _running(server.serve_forever, server.shutdown):
        yield replica


@contextmanager
def _running(run: Any, stop: Any) -> Iterator[None]:
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()


@dataclass
class Answer:
    """The proxy's answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body, as the JSON that it should be."""
        return json.loads(self.body)


class Proxy(Nginx):
    """nginx with the repository's template, on ports of its own."""

    def __init__(self, folder: Path, certificate: Path, settings: Mapping[str, str]) -> None:
        super().__init__(folder)
        self.settings = dict(settings)
        self.certificate = certificate
        self.trusting = client_context(certificate / "ca.pem")

    @override
    def prepare(self) -> None:
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        own = {
            "PROXY_HTTP_LISTEN": f"{LOOPBACK}:{self.ports['http']}",
            "PROXY_HTTPS_LISTEN": f"{LOOPBACK}:{self.port}",
            "PROXY_PUBLIC_PORT": f":{self.port}",
            "PROXY_CERTIFICATE": str(self.certificate / "localhost.pem"),
            "PROXY_CERTIFICATE_KEY": str(self.certificate / "localhost.key"),
            "PROXY_WEB_DIR": str(proxy.NGINX.parents[1] / "web" / "public"),
            "PROXY_STATE_DIR": str(state),
            "PROXY_ACCESS_LOG": str(self.access_log),
            "PROXY_RESOLVER": LOOPBACK,
            "PROXY_WORKERS": "2",
            "PROXY_WORKER_CONNECTIONS": "256",
            "PROXY_OPEN_FILES": "1024",
        }
        self.configure(proxy.render(own | self.settings))

    @property
    def origin(self) -> str:
        """Its origin in a browser."""
        return f"https://localhost:{self.port}"

    @property
    def access_log(self) -> Path:
        """A line for each request."""
        return self.folder / "access.log"

    def ask(
        self,
        target: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        plain_port: str | None = None,
    ) -> Answer:
        """Send one request with `target` as it is; over TLS unless to a `plain_port`."""
        if plain_port is not None:
            connection = http.client.HTTPConnection(LOOPBACK, self.ports[plain_port], timeout=10)
        else:
            connection = http.client.HTTPSConnection(
                "localhost", self.port, timeout=30, context=self.trusting
            )
        try:
            connection.request(method, target, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def websocket(self, target: str = "/ws", **options: Any) -> ClientConnection:
        """Open a WebSocket over TLS, with the certificate verified."""
        url = self.origin.replace("https:", "wss:") + target
        websocket: ClientConnection = connect(url, ssl=self.trusting, open_timeout=30, **options)
        return websocket
