"""The stack as a client sees it: through TLS, by the CA that it is given."""

import ssl
from pathlib import Path

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

_ANSWER_SECONDS = 5
_STOMP = Subprotocol("v12.stomp")
_PATHS = {
    "/": 200,
    "/.well-known/jwks.json": 200,
    "/api/rooms/v1/rooms": 401,
    "/api/history/v1/rooms/none/messages": 401,
    "/api/gateway/v1/rooms/none/messages": 405,
    "/api/auth/v1/login": 405,
}
"""Each service's own answer to an unauthenticated request, which nginx would not give."""


def client(url: str, ca: Path) -> httpx.Client:
    """Return a client that trusts `ca` and nothing else."""
    return httpx.Client(
        base_url=url, verify=_trusting(ca), timeout=_ANSWER_SECONDS, trust_env=False
    )


def unreached(url: str, ca: Path) -> dict[str, str]:
    """Return the services that are not reachable from outside, with the reason."""
    with client(url, ca) as asking:
        answers = {path: _answer(asking, path) for path in _PATHS}
    wrong = {path: answers[path] for path, right in _PATHS.items() if answers[path] != str(right)}
    return wrong | _unreached_socket(url, ca)


def _answer(asking: httpx.Client, path: str) -> str:
    try:
        return str(asking.get(path).status_code)
    except httpx.TransportError as error:
        return str(error) or type(error).__name__


def _unreached_socket(url: str, ca: Path) -> dict[str, str]:
    address = f"{url.replace('https', 'wss', 1)}/ws"
    try:
        with connect(
            address,
            ssl=_trusting(ca),
            subprotocols=[_STOMP],
            open_timeout=_ANSWER_SECONDS,
            proxy=None,
        ) as socket:
            spoken = socket.subprotocol
    except (OSError, WebSocketException) as error:
        return {"/ws": str(error) or type(error).__name__}
    return {} if spoken == _STOMP else {"/ws": f"speaks {spoken}"}


def _trusting(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca))
