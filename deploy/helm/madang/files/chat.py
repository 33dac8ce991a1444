"""Registers two users, and sends a message from one to the other over STOMP.

`helm test` runs it in the gateway's image, as a client of the public address.
"""

import argparse
import asyncio
import json
import secrets
import ssl
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

_SECONDS = 60
_ANSWER_SECONDS = 15


class Server:
    """The URLs of the services, and the address to connect to instead of theirs."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.urls = {"auth": arguments.auth, "rooms": arguments.rooms, "gateway": arguments.gateway}
        host, _, port = (arguments.connect_to or "").rpartition(":")
        self.address = (host, int(port)) if host else None
        certificate = arguments.ca if arguments.ca and arguments.ca.exists() else None
        self.tls = ssl.create_default_context(cafile=certificate)
        if arguments.insecure:
            self.tls.check_hostname = False
            self.tls.verify_mode = ssl.CERT_NONE

    async def post(
        self, service: str, path: str, body: Any = None, token: str | None = None
    ) -> Any:
        """Return the JSON answer of `service`; raise HTTPStatusError if it refuses."""
        url = urlsplit(f"{self.urls[service]}/api/{service}/v1{path}")
        headers = {"Host": url.netloc}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if self.address:
            netloc = f"{self.address[0]}:{self.address[1]}"
            target = urlunsplit((url.scheme, netloc, url.path, "", ""))
        else:
            target = url.geturl()
        async with httpx.AsyncClient(verify=self.tls, timeout=_ANSWER_SECONDS) as client:
            answer = await client.post(
                target, json=body, headers=headers, extensions={"sni_hostname": url.hostname}
            )
            answer.raise_for_status()
            return answer.json()

    async def connect(self, token: str) -> "Chat":
        """Open a STOMP session over WebSocket."""
        url = urlsplit(self.urls["gateway"])
        scheme = "wss" if url.scheme == "https" else "ws"
        options: dict[str, Any] = {"ssl": self.tls} if scheme == "wss" else {}
        if self.address:
            options["host"], options["port"] = self.address
        websocket = await connect(
            f"{scheme}://{url.netloc}/ws",
            subprotocols=[Subprotocol("v12.stomp")],
            proxy=None,
            **options,
        )
        chat = Chat(websocket)
        await chat.send("CONNECT", {"accept-version": "1.2", "Authorization": f"Bearer {token}"})
        await chat.receive("CONNECTED")
        return chat


class Chat:
    """A STOMP session with the frames that the test needs."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self._frames: list[str] = []

    async def send(self, command: str, headers: dict[str, str], body: str = "") -> None:
        """Send a frame."""
        lines = [command, *(f"{name}:{value}" for name, value in headers.items()), "", body]
        await self.websocket.send("\n".join(lines) + "\0")

    async def receive(self, command: str) -> str:
        """Return the body of the next `command` frame; exit if an ERROR arrives."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            while True:
                while self._frames:
                    head, _, body = self._frames.pop(0).lstrip("\n").partition("\n\n")
                    if head.startswith(f"{command}\n"):
                        return body
                    if head.startswith("ERROR\n"):
                        sys.exit(f"The gateway refused a frame: {head!r} {body!r}")
                received = await self.websocket.recv()
                text = received if isinstance(received, str) else received.decode()
                self._frames += text.split("\0")[:-1]


async def run(server: Server) -> None:
    """Register two users, and send a message from one to the other."""
    users = []
    for name in ("sender", "reader"):
        account = {
            "username": f"test-{name}-{secrets.token_hex(6)}",
            "password": secrets.token_hex(16),
        }
        await server.post("auth", "/register", account)
        users.append((await server.post("auth", "/login", account))["access_token"])
    sender, reader = users
    new_room = {"name": "helm test", "visibility": "private"}
    room = (await server.post("rooms", "/rooms", new_room, sender))["id"]
    invite = await server.post("rooms", f"/rooms/{room}/invites", {}, sender)
    await server.post("rooms", f"/invites/{invite['code']}/accept", None, reader)
    reading = await server.connect(reader)
    await reading.send(
        "SUBSCRIBE", {"id": "0", "destination": f"/topic/rooms.{room}", "receipt": "subscribed"}
    )
    await reading.receive("RECEIPT")
    sending = await server.connect(sender)
    text = f"hello {secrets.token_hex(6)}"
    await sending.send("SEND", {"destination": f"/app/rooms.{room}.send", "receipt": "sent"}, text)
    await sending.receive("RECEIPT")
    while json.loads(await reading.receive("MESSAGE"))["data"].get("text") != text:
        pass
    for chat in (sending, reading):
        await chat.websocket.close()
    await server.post("rooms", f"/rooms/{room}/archive", None, sender)


def main() -> None:
    """Run the test; exit with one line if it fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    for service in ("auth", "rooms", "gateway"):
        parser.add_argument(f"--{service}", required=True, help=f"base URL of {service}")
    parser.add_argument("--connect-to", metavar="HOST:PORT", help="instead of the URL's host")
    parser.add_argument("--ca", type=Path, help="file of the CA; ignored if it does not exist")
    parser.add_argument("--insecure", action="store_true", help="do not verify the certificate")
    try:
        asyncio.run(asyncio.wait_for(run(Server(parser.parse_args())), _SECONDS))
    except httpx.HTTPStatusError as error:
        sys.exit(f"{error.request.method} {error.request.url}: {error.response.text}")
    except (httpx.HTTPError, OSError, TimeoutError) as error:
        sys.exit(f"The test failed: {type(error).__name__}: {error}")
    print("A message was sent and received.")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
