"""Third-party clients, wrapped for the tests."""

import json
import os
import queue
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import stomp

from tests.e2e.product import Product

_SECONDS = 20


class _Told:
    """A client's reports, by subject and in order; each is taken once."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, queue.Queue[dict[str, Any]]] = defaultdict(queue.Queue)
        self._lock = threading.Lock()
        """Two threads that ask for the same queue first must not make two of it."""

    def put(self, report: dict[str, Any]) -> None:
        self._queue(next(iter(report))).put(report)

    def next(self, about: str) -> dict[str, Any]:
        """Return the next report about that, waiting for it."""
        return self._queue(about).get(timeout=_SECONDS)

    def empty(self, about: str) -> bool:
        """Return whether no report on this subject is left."""
        return self._queue(about).empty()

    def _queue(self, about: str) -> queue.Queue[dict[str, Any]]:
        with self._lock:
            return self._queues[about]


class _Node(_Told):
    """A client in a node script, which prints its events."""

    def __init__(self, script: str, *arguments: str) -> None:
        super().__init__()
        self._process = subprocess.Popen(
            ["node", str(Path(__file__).with_name(script)), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.put(json.loads(line))

    def say(self, text: str) -> None:
        """Send one line to the room."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(text) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """Leave."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(_SECONDS)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


class StompJs(_Node):
    """`@stomp/stompjs`, with options of its own if they are given."""

    def __init__(self, product: Product, token: str, room: str, **options: object) -> None:
        given = json.dumps(options)
        super().__init__("stompjs_client.mjs", product.ws_url, token, room, given)


class Tutorial(_Node):
    """A client as in the common tutorials: its library, transport and destinations."""

    def __init__(
        self,
        product: Product,
        token: str,
        room: str,
        *,
        library: str,
        transport: str = "sockjs",
        family: str = "topic",
        name: str = "somebody",
    ) -> None:
        url = f"{product.url}/ws-stomp"
        super().__init__("tutorial_client.mjs", library, transport, family, url, token, room, name)


def _address(url: str) -> tuple[str, int]:
    """Return the host and the port of `url`."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


class StompPy(_Told, stomp.ConnectionListener):  # type: ignore[misc]  # it has no types
    """`stomp.py` with its WebSocket connection."""

    def __init__(self, product: Product, token: str, room: str) -> None:
        super().__init__()
        self._room = room
        self._sent = 0
        self._connection = stomp.WSStompConnection(
            [_address(product.ws_url)], ws_path="/ws", heartbeats=(5000, 5000)
        )
        if product.ws_url.startswith("wss:"):
            ca = os.environ.get("SSL_CERT_FILE")
            self._connection.transport.set_ssl([_address(product.ws_url)], ca_certs=ca)
        self._connection.set_listener("told", self)
        self._connection.connect(wait=True, headers={"Authorization": f"Bearer {token}"})
        self._connection.subscribe(
            f"/topic/rooms.{room}", id="1", headers={"receipt": "subscribed"}
        )

    def on_message(self, frame: Any) -> None:
        """Report a MESSAGE."""
        event = json.loads(frame.body)
        about = "message" if event["kind"] == "message.created" else "event"
        self.put({about: event, "id": frame.headers["message-id"]})

    def on_receipt(self, frame: Any) -> None:
        """Report a RECEIPT."""
        receipt = frame.headers["receipt-id"]
        if receipt == "subscribed":
            self.put({"subscribed": True})
        else:
            self.put({"receipt": receipt, "id": frame.headers.get("message-id")})

    def on_error(self, frame: Any) -> None:
        """Report an ERROR."""
        self.put({"error": frame.headers["message"]})

    def say(self, text: str) -> None:
        """Send one line to the room."""
        self._sent += 1
        self._connection.send(f"/app/rooms.{self._room}.send", text, receipt=f"send-{self._sent}")

    def close(self) -> None:
        """Leave."""
        self._connection.disconnect()


Client = StompJs | StompPy
Kind = Callable[[Product, str, str], Client]
