"""Fake STOMP server with scripted faults."""

import asyncio
import http
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from madang_client.stomp.frame import HEARTBEAT, Frame, encode
from madang_client.stomp.parser import Limits, Parser

Problem = dict[str, Any]


@dataclass
class Script:
    """The next faults; lists are consumed from the front, one entry per occurrence."""

    upgrades: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Status and headers to refuse upgrades with."""
    connects: list[tuple[Problem, int]] = field(default_factory=list)
    """Problems and close codes to refuse CONNECT with."""
    sends: list[Problem] = field(default_factory=list)
    """Problems to refuse SENDs with."""
    subscribes: list[Problem] = field(default_factory=list)
    """Problems to refuse SUBSCRIBEs with."""
    drops_after_store: int = 0
    """Number of SENDs that are stored, and whose connection is then lost before the RECEIPT."""
    lost_receipts: int = 0
    """Number of SENDs that are stored but get no RECEIPT, on an open connection."""
    heartbeat: str = "0,0"
    beats: bool = True
    """Whether the agreed heart-beats are sent."""
    kept_from: str = ""
    """Events before this id cannot be replayed."""
    sends_end: bool = True
    """Whether the RECEIPT of a resumption has a position."""
    sends_position: bool = True
    """Whether RECEIPTs of subscriptions have a position."""
    copies: int = 1
    """Number of deliveries of each event."""
    replay_from_start: bool = False
    """Whether a resumption replays all events, including known ones."""


KINDS = {
    "send": "message.created",
    "edit": "message.edited",
    "delete": "message.deleted",
    "react": "reaction.added",
    "unreact": "reaction.removed",
    "pin": "message.pinned",
    "unpin": "message.unpinned",
}
"""Kind of the event of each destination."""


def event_id(number: int) -> str:
    """Return an id that sorts like `number`."""
    return f"{number:012d}"


class Peer:
    """One connected client."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.subscriptions: dict[str, str] = {}
        self.heartbeats = 0

    async def write(self, frame: Frame) -> None:
        with suppress(ConnectionClosed):
            await self.socket.send(encode(frame), text=True)

    def drop(self) -> None:
        self.socket.transport.abort()


class StompServer:
    """Stores events by room, serves clients, and records their frames."""

    def __init__(self) -> None:
        self.script = Script()
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.peers: list[Peer] = []
        self.upgrades = 0
        self.connects: list[Mapping[str, str]] = []
        self.subscribes: list[Mapping[str, str]] = []
        self.unsubscribes: list[Mapping[str, str]] = []
        self.sends: list[Frame] = []
        self.tokens: list[str] = []
        self.omit_message_ids = False
        self.port = 0
        self._server: Server | None = None
        self._count = 0
        self._order = asyncio.Lock()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    async def start(self) -> None:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.port,
            process_request=self._admit,
            subprotocols=[Subprotocol("v12.stomp")],
            ping_interval=None,
            compression=None,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self, code: int = 1012) -> None:
        assert self._server is not None
        self._server.close(code=code, reason="restarting")
        await self._server.wait_closed()

    def delete_all(self) -> None:
        """Delete all events and restart the ids."""
        self.events.clear()
        self._count = 0

    def drop_all(self) -> None:
        """Abort every connection."""
        for peer in list(self.peers):
            peer.drop()

    async def close_all(self, code: int, reason: str = "") -> None:
        """Close every connection with `code`."""
        for peer in list(self.peers):
            await peer.socket.close(code, reason)

    async def say(self, room: str, text: str, *, sender: str = "bob", key: str = "") -> str:
        """Store and deliver a message of `sender`; return the event's id."""
        async with self._order:
            found = self.store(room, text, sender=sender, key=key)
            await self.deliver(room, found)
        return str(found["id"])

    def store(
        self,
        room: str,
        text: str,
        *,
        sender: str = "bob",
        key: str = "",
        kind: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Store a message, or an event with `data`, without delivery."""
        self._count += 1
        event = {
            "id": event_id(self._count),
            "v": 1,
            "key": key or f"k{self._count}",
            "kind": kind or "message.created",
            "room": room,
            "sender": sender,
            "sender_name": sender.removeprefix("id-").title(),
            "at": "2026-01-02T03:04:05.678Z",
            "data": data or {"text": text},
        }
        self.events.setdefault(room, []).append(event)
        return event

    async def deliver(self, room: str, event: Mapping[str, Any]) -> None:
        """Deliver a stored event to all subscribers of the room."""
        for peer in list(self.peers):
            for name, destination in list(peer.subscriptions.items()):
                if destination == f"/topic/rooms.{room}":
                    await self._message(peer, name, destination, event)

    async def end_subscriptions(self, room: str, problem: Problem) -> None:
        """Refuse subscriptions that were accepted already."""
        for peer in list(self.peers):
            for name, destination in list(peer.subscriptions.items()):
                if destination == f"/topic/rooms.{room}":
                    del peer.subscriptions[name]
                    headers = {"subscription": "errors", "destination": "/user/queue/errors"}
                    body = orjson.dumps(problem | {"subscription": name, "receipt-id": "r0"})
                    await peer.write(Frame("MESSAGE", headers, body))

    async def tell(self, user_event: Mapping[str, Any]) -> None:
        """Deliver an event to all personal queues."""
        for peer in list(self.peers):
            for name, destination in list(peer.subscriptions.items()):
                if destination == "/user/queue/events":
                    await self._message(peer, name, destination, user_event)

    async def notice(self, room: str, kind: str, **data: str) -> None:
        """Deliver a live event to all live subscribers of the room."""
        self._count += 1
        notice = {"v": 1, "key": f"k{self._count}", "kind": kind, "room": room, "sender": "bob"}
        notice |= {"sender_name": "Bob", "at": "2026-01-02T03:04:05.678Z"}
        for peer in list(self.peers):
            for name, destination in list(peer.subscriptions.items()):
                if destination == f"/topic/rooms.{room}.live":
                    await self._message(peer, name, destination, notice | {"data": data})

    async def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        self.upgrades += 1
        if not self.script.upgrades:
            return None
        status, headers = self.script.upgrades.pop(0)
        response = socket.respond(http.HTTPStatus(status), "not now\n")
        response.headers.update(headers)
        return response

    async def _serve(self, socket: ServerConnection) -> None:
        peer = Peer(socket)
        parser = Parser(Limits())
        beating: asyncio.Task[None] | None = None
        try:
            async for data in socket:
                raw = data.encode() if isinstance(data, str) else data
                if raw == HEARTBEAT:
                    peer.heartbeats += 1
                for frame in parser.feed(raw):
                    if frame.command == "CONNECT":
                        beating = asyncio.create_task(self._send_heartbeats(peer))
                    await self._take(peer, frame)
        except ConnectionClosed:
            pass
        finally:
            if peer in self.peers:
                self.peers.remove(peer)
            if beating is not None:
                beating.cancel()

    async def _send_heartbeats(self, peer: Peer) -> None:
        every = int(self.script.heartbeat.split(",")[0]) / 1000
        while every:
            await asyncio.sleep(every / 2)
            if self.script.beats:
                await peer.socket.send(HEARTBEAT, text=True)

    async def _take(self, peer: Peer, frame: Frame) -> None:
        if frame.command == "CONNECT":
            await self._connect(peer, frame)
        elif frame.command == "SUBSCRIBE":
            await self._subscribe(peer, frame)
        elif frame.command == "UNSUBSCRIBE":
            self.unsubscribes.append(frame.headers)
            peer.subscriptions.pop(frame.headers["id"], None)
        elif frame.headers.get("destination") == "/app/token":
            self.tokens.append(frame.body.decode())
            await self._receipt(peer, frame)
        elif frame.command == "SEND":
            await self._send(peer, frame)

    async def _connect(self, peer: Peer, frame: Frame) -> None:
        self.connects.append(frame.headers)
        if self.script.connects:
            problem, code = self.script.connects.pop(0)
            body = orjson.dumps(problem)
            await peer.write(Frame("ERROR", {"message": str(problem["title"])}, body))
            await peer.socket.close(code, str(problem["title"]))
            return
        self.peers.append(peer)
        await peer.write(
            Frame("CONNECTED", {"version": "1.2", "heart-beat": self.script.heartbeat})
        )

    async def _subscribe(self, peer: Peer, frame: Frame) -> None:
        self.subscribes.append(frame.headers)
        name, destination = frame.headers["id"], frame.headers["destination"]
        if destination.startswith("/topic/") and self.script.subscribes:
            await self._refuse(peer, frame, self.script.subscribes.pop(0))
            return
        async with self._order:
            await self._replay(peer, frame)
            peer.subscriptions[name] = destination

    async def _replay(self, peer: Peer, frame: Frame) -> None:
        """Send the RECEIPT with the position, then replay the events after `since`."""
        name, destination = frame.headers["id"], frame.headers["destination"]
        since = frame.headers.get("since")
        headers = {"subscription": name}
        with_position = self.script.sends_position and (since is None or self.script.sends_end)
        if (
            destination.startswith("/topic/")
            and not destination.endswith(".live")
            and with_position
        ):
            headers["position"] = event_id(self._count) if self._count else "start"
        since = "" if since == "start" else since
        if since is not None:
            headers["resumed"] = "false" if since < self.script.kept_from else "true"
        if since is not None and since > event_id(self._count):
            headers |= {"resumed": "false", "position": event_id(self._count)}
        await self._receipt(peer, frame, headers)
        start = "" if self.script.replay_from_start else "~" if since is None else since
        for event in self.events.get(destination.removeprefix("/topic/rooms."), []):
            if start < event["id"] and event["id"] >= self.script.kept_from:
                await self._message(peer, name, destination, event)

    async def _send(self, peer: Peer, frame: Frame) -> None:
        self.sends.append(frame)
        if self.script.sends:
            await self._refuse(peer, frame, self.script.sends.pop(0))
            return
        room, _, action = frame.headers["destination"].removeprefix("/app/rooms.").partition(".")
        key = frame.headers["key"]
        async with self._order:
            known = [event for event in self.events.get(room, []) if event["key"] == key]
            if known:
                event = known[0]
            else:
                data, kind = orjson.loads(frame.body), KINDS[action]
                event = self.store(room, "", sender="id-ada", key=key, kind=kind, data=data)
                await self.deliver(room, event)
        if self.script.drops_after_store:
            self.script.drops_after_store -= 1
            peer.drop()
            return
        if self.script.lost_receipts:
            self.script.lost_receipts -= 1
            return
        headers = {} if self.omit_message_ids else {"message-id": event["id"]}
        await self._receipt(peer, frame, headers)

    async def _message(
        self, peer: Peer, name: str, destination: str, event: Mapping[str, Any]
    ) -> None:
        headers = {"subscription": name, "destination": destination}
        headers |= {"message-id": str(event.get("id", "")), "content-type": "application/json"}
        for _ in range(self.script.copies):
            await peer.write(Frame("MESSAGE", headers, orjson.dumps(event)))

    async def _receipt(
        self, peer: Peer, frame: Frame, headers: Mapping[str, str] | None = None
    ) -> None:
        if "receipt" in frame.headers:
            headers = {"receipt-id": frame.headers["receipt"]} | dict(headers or {})
            await peer.write(Frame("RECEIPT", headers))

    async def _refuse(self, peer: Peer, frame: Frame, problem: Problem) -> None:
        names = [n for n, d in peer.subscriptions.items() if d == "/user/queue/errors"]
        headers = {"subscription": names[0], "receipt-id": frame.headers["receipt"]}
        headers |= {"destination": "/user/queue/errors", "message-id": "refusal"}
        await peer.write(Frame("MESSAGE", headers, orjson.dumps(problem)))
