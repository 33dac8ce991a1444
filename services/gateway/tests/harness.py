"""Test harness: the whole gateway on a port, with fakes of the other services."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
import uvicorn
from fastapi import APIRouter, Depends, FastAPI
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from madang_common.access import Access, AccessRequest, AccessResponse
from madang_common.events.envelope import Event, read_line, room_audience
from madang_common.events.kinds import Role
from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.http.client import create_client
from madang_common.http.inprocess import InProcessNetwork
from madang_common.http.protocol import http_protocol
from madang_common.http.security import Service, only, secure
from madang_common.ids import new_id
from madang_common.live.inprocess import InProcessLive
from madang_common.log.port import Log
from madang_common.log.position import first_offset, from_id, position, shard_of, to_id
from madang_common.log.sqlite import SqliteLog, open_epoch_file
from madang_common.problems import NotFound, Unavailable
from madang_common.settings import CommonSettings, Environment
from madang_common.tokens.claims import Claims
from madang_common.tokens.revocations import Revocation, Revocations
from madang_common.tokens.verifier import Verifiers
from madang_gateway.settings import GatewaySettings
from madang_gateway.wiring import build
from services.gateway.tests.event_pipeline import message_state
from services.gateway.tests.stomp_client import Client, opened
from tests.support.issuer import ISSUER, Issuer, bearer
from tests.support.server_beside import ServerBeside, listening

ROOM = "yard"
PATIENCE_SECONDS = 10

Gateway = Annotated[Claims, Depends(only("gateway"))]


def message(
    text: str = "hi",
    *,
    room: str = ROOM,
    sender: str = "mina",
    key: str | None = None,
    kind: str = "message.created",
    data: dict[str, Any] | None = None,
) -> Event:
    """Return an event of `room`, by default a message."""
    return Event(
        key=new_id() if key is None else key,
        kind=kind,
        sender=sender,
        sender_name=sender.title(),
        at="2026-01-01T00:00:00.000Z",
        data={"text": text} if data is None else data,
        room=room,
    )


def removal(user: str, room: str = ROOM, kind: str = "member.removed") -> Event:
    """Return the event that ends the membership of `user`."""
    return message(room=room, kind=kind, data={"user": user, "name": user, "by": "owner"})


class FakeRooms:
    """The rooms service: memberships."""

    def __init__(self) -> None:
        self.roles: dict[tuple[str, str], Role] = {}
        self.archived: set[str] = set()
        self.requests = 0
        self.away = False

    def add(self, *users: str, room: str = ROOM) -> None:
        self.roles |= {(user, room): Role.MEMBER for user in users}

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/internal")

        @router.post("/access")
        async def access(body: AccessRequest, _: Gateway) -> AccessResponse:
            self.requests += 1
            if self.away:
                raise Unavailable("rooms is away")
            return AccessResponse(answers=[self._answer(q.user, q.room) for q in body.questions])

        return router

    def _answer(self, user: str, room: str) -> Access:
        known = {room for _, room in self.roles}
        return Access(
            user=user,
            room=room,
            exists=room in known,
            role=self.roles.get((user, room)),
            archived=room in self.archived,
        )


class FakeHistory:
    """The history service: stores the log at each request."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._events: list[tuple[int, Event]] = []
        self._keys: dict[tuple[str, str, str], int] = {}
        self._next = [0] * log.shards
        self.stored_log: tuple[int, int] | None = None
        """Epoch and shards that it tells; without them it does not answer."""
        self.away = False
        self.lagging = False
        self.lost_before = -1
        self.requests = 0

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/internal")

        @router.get("/log")
        async def log(_: Gateway) -> dict[str, int]:
            self.requests += 1
            if self.stored_log is None:
                raise Unavailable("history is away")
            epoch, shards = self.stored_log
            return {"epoch": epoch, "shards": shards}

        @router.get("/events")
        async def events(
            _: Gateway, audience: str, limit: int, after: str | None = None
        ) -> dict[str, Any]:
            shard = await self._catch_up(audience)
            since = -1 if after is None else from_id(after)
            found = [
                (at, event)
                for at, event in self._events
                if event.audience == audience and at > max(since, self.lost_before)
            ]
            end = position(self._next[shard], 0)
            return {
                "items": [_document(at, event) for at, event in found[:limit]],
                "complete": len(found) <= limit,
                "stored_to": to_id(end - 1) if end else None,
                "reaches": since >= self.lost_before,
            }

        @router.get("/keys")
        async def keys(_: Gateway, audience: str, sender: str, key: str) -> dict[str, Any]:
            await self._catch_up(audience)
            at = self._keys.get((audience, sender, key))
            if at is None:
                raise NotFound("there is no such key")
            return _document(at, dict(self._events)[at])

        @router.post("/messages")
        async def messages(body: dict[str, list[dict[str, str]]], _: Gateway) -> dict[str, Any]:
            return {"answers": [await self._message(**question) for question in body["questions"]]}

        return router

    async def _message(self, room: str, message: str) -> dict[str, Any]:
        end = position(self._next[await self._catch_up(room_audience(room))], 0)
        return {
            "room": room,
            "message": message,
            "state": message_state(self._events, room, message),
            "stored_to": to_id(end - 1) if end else None,
        }

    async def store_all(self) -> None:
        """Store the rest of the log."""
        for shard in range(self._log.shards):
            await self._store_shard(shard)

    def go_on_with(self, log: Log) -> None:
        """Continue with `log`, of the same epoch or a later one."""
        self._log = log
        self._next = [first_offset(log.epoch)] * log.shards

    async def _catch_up(self, audience: str) -> int:
        self.requests += 1
        if self.away:
            raise Unavailable("history is away")
        shard = shard_of(audience, self._log.shards)
        if not self.lagging:
            await self._store_shard(shard)
        return shard

    async def _store_shard(self, shard: int) -> None:
        end = await self._log.end(shard)
        if self._next[shard] >= end:
            return
        async with aclosing(self._log.follow(shard, self._next[shard])) as batches:
            async for batch in batches:
                for line, raw in enumerate(batch.lines):
                    self._store(position(batch.offset, line), read_line(raw))
                self._next[shard] = batch.offset + 1
                if self._next[shard] >= end:
                    break

    def _store(self, at: int, event: Event) -> None:
        key = (event.audience, event.sender, event.key)
        if key not in self._keys:
            self._keys[key] = at
            self._events.append((at, event))


def _document(at: int, event: Event) -> dict[str, Any]:
    return {"id": to_id(at), **event.document(with_headers=True)}


def _auth(issuer: Issuer, ended: list[Revocation]) -> APIRouter:
    router = APIRouter()

    @router.get("/internal/revocations")
    async def revocations(_: Service, after: int = 0) -> Revocations:
        return Revocations(items=tuple(ended[after:]), cursor=str(len(ended)))

    @router.get("/.well-known/jwks.json")
    async def jwks() -> dict[str, object]:
        return issuer.jwks()

    @router.post("/internal/token")
    async def token() -> dict[str, object]:
        return {
            "access_token": issuer.service_token("gateway"),
            "token_type": "Bearer",
            "expires_in": 300,
        }

    return router


@dataclass
class Harness:
    """A running gateway and the services that it uses."""

    app: FastAPI
    log: Log
    live: InProcessLive
    rooms: FakeRooms
    history: FakeHistory
    issuer: Issuer
    port: int
    http: httpx.AsyncClient
    stop: Callable[[], None]
    """Makes the server shut down."""
    ended: list[Revocation]
    """Revocations that the auth service reports."""

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @asynccontextmanager
    async def opened(self, **options: Any) -> AsyncGenerator[Client]:
        """Yield a new WebSocket connection."""
        async with opened(self.url, **options) as client:
            yield client

    @asynccontextmanager
    async def connected(
        self, user: str, *, seconds: float = 300, heartbeat: str = "0,0", **options: Any
    ) -> AsyncGenerator[Client]:
        """Yield a client whose CONNECT with the token of `user` was accepted."""
        async with self.opened(**options) as client:
            await client.connect(self.issuer.token(user, seconds=seconds), heartbeat=heartbeat)
            yield client

    async def append(self, *events: Event) -> list[str]:
        """Append `events` of one audience as one batch, and return their ids."""
        shard = shard_of(events[0].audience, self.log.shards)
        offset = await self.log.end(shard)
        await self.log.append(shard, tuple(event.line() for event in events))
        return [to_id(position(offset, line)) for line in range(len(events))]

    async def post(self, user: str, room: str = ROOM, **body: object) -> httpx.Response:
        """Send over REST as `user`."""
        return await self.http.post(
            f"/api/gateway/v1/rooms/{room}/messages",
            json=body,
            headers=bearer(self.issuer.token(user)),
        )

    def metric(self, name: str, **labels: str) -> float:
        """Return a sample of the gateway's metrics, 0 if it is missing."""
        registry: CollectorRegistry = self.app.state.registry
        return registry.get_sample_value(f"madang_gateway_{name}", labels) or 0.0


def settings(**changes: Any) -> GatewaySettings:
    """Return settings with short intervals."""
    given: dict[str, Any] = {
        "environment": Environment.DEVELOPMENT,
        "service_client_secret": SecretStr("secret-of-a-service"),
        "heartbeat_seconds": 0.2,
        "close_seconds": 1,
        "presence_notice_members": 0,
        "revocations_poll_seconds": 0.05,
    }
    return GatewaySettings(**(given | changes))


@asynccontextmanager
async def running(
    folder: Path,
    *,
    log_class: type[SqliteLog] = SqliteLog,
    epoch: int = 0,
    shards: int = 2,
    history: FakeHistory | None = None,
    verify_log: bool = False,
    send_buffer_bytes: int | None = None,
    **changes: Any,
) -> AsyncGenerator[Harness]:
    """Yield a gateway on the log in `folder`, its settings changed as given.

    A `history` of another gateway has what it stored of that one's log.
    """
    log = await log_class.open(folder / "log.db", shards, epoch=epoch)
    live, issuer = InProcessLive(), Issuer()
    rooms = FakeRooms()
    if history is None:
        history = FakeHistory(log)
    else:
        history.go_on_with(log)
    ended: list[Revocation] = []
    rooms.add("mina", "jun")
    network = InProcessNetwork()
    for name, router in {
        "auth": _auth(issuer, ended),
        "rooms": rooms.router(),
        "history": history.router(),
    }.items():
        network.add(name, _stand_in(name, router, network))
    try:
        chosen = settings(**changes)
        async with build(
            chosen,
            log=log,
            live=live,
            older_logs=partial(open_epoch_file, folder / "log.db"),
            verify_log=verify_log,
            transport=network,
        ) as app:
            listener = listening()
            if send_buffer_bytes is not None:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
            async with _served(app, listener, chosen) as server:
                port = listener.getsockname()[1]
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                    yield Harness(
                        app, log, live, rooms, history, issuer, port, http, server.stop_now, ended
                    )
    finally:
        await live.close()
        await log.close()


def _stand_in(name: str, router: APIRouter, network: InProcessNetwork) -> FastAPI:
    app = create_app(
        name,
        CommonSettings(environment=Environment.DEVELOPMENT),
        routers=[router],
        health=Health({}),
        registry=CollectorRegistry(),
    )
    secure(app, Verifiers.from_jwks(create_client("http://auth", transport=network), issuer=ISSUER))
    return app


@dataclass
class _Served:
    server: ServerBeside

    def stop_now(self) -> None:
        self.server.should_exit = True


@asynccontextmanager
async def _served(
    app: FastAPI, listener: socket.socket, chosen: GatewaySettings
) -> AsyncGenerator[_Served]:
    config = uvicorn.Config(
        app,
        ws=app.state.websocket,
        http=http_protocol(
            within_head_bytes=chosen.request_head_bytes, within_seconds=chosen.request_seconds
        ),
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    server = ServerBeside(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.ready.wait()
    try:
        yield _Served(server)
    finally:
        server.should_exit = True
        await serving


async def until(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds; fail after `PATIENCE_SECONDS`."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - the condition depends on both sides of a socket
            await asyncio.sleep(0.005)
