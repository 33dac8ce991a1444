"""The rooms service for tests, with registered users as clients."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
from fastapi import FastAPI

from madang_common.log.port import Batch, Log
from madang_common.log.position import shard_of
from madang_common.log.sqlite import SqliteLog
from madang_common.settings import Environment
from madang_rooms.settings import RoomsSettings
from madang_rooms.wiring import FILE, build
from tests.support.issuer import Issuer, bearer

API = "/api/rooms/v1"
SHARDS = 2
EPOCH = 1_800_000_000.0
Json = dict[str, Any]
QUICK_OUTBOX = {
    "outbox_append_seconds": 0.1,
    "outbox_stop_seconds": 0.1,
    "outbox_poll_seconds": 0.05,
}


class StillClock:
    """A clock that only tests advance."""

    def __init__(self) -> None:
        self.now = EPOCH

    def __call__(self) -> float:
        return self.now


@dataclass
class Person:
    """A registered user with a token."""

    client: httpx.AsyncClient
    id: str
    username: str
    display_name: str
    headers: Mapping[str, str]

    async def request(self, method: str, path: str, json: object = None) -> httpx.Response:
        """Send a request to a path below the public prefix."""
        if json is None:
            return await self.client.request(method, API + path, headers=self.headers)
        return await self.client.request(method, API + path, headers=self.headers, json=json)

    async def get(self, path: str) -> Json:
        """GET `path` and return its document."""
        return read(await self.request("GET", path), 200)

    async def make_room(self, visibility: str = "private", name: str = "마당") -> str:
        """Make a room and return its id."""
        answer = await self.request("POST", "/rooms", {"name": name, "visibility": visibility})
        return str(read(answer, 201)["id"])

    async def invite(self, room: str, **wanted: object) -> str:
        """Make an invite and return its code."""
        return str(read(await self.request("POST", f"/rooms/{room}/invites", wanted), 201)["code"])

    async def accept(self, code: str) -> httpx.Response:
        """Accept an invite."""
        return await self.request("POST", f"/invites/{code}/accept")

    async def bring(self, room: str, other: "Person", role: str = "member") -> None:
        """Add `other` to a room that this person owns."""
        read(await other.accept(await self.invite(room)), 200)
        if role != "member":
            read(
                await self.request("PATCH", f"/rooms/{room}/members/{other.id}", {"role": role}),
                200,
            )


@dataclass
class Harness:
    """The service, its client, its clock and its log."""

    app: FastAPI
    client: httpx.AsyncClient
    issuer: Issuer
    clock: StillClock
    log: Log

    async def person(self, username: str, display_name: str = "") -> Person:
        """Register a user as auth does, and issue a token."""
        answer = await self.internal(
            "POST",
            "/users",
            {
                "username": username,
                "password_hash": "$argon2id$hash",
                "display_name": display_name or username,
            },
        )
        user = read(answer, 201)
        headers = bearer(self.issuer.token(user["id"], name=user["display_name"]))
        return Person(self.client, user["id"], user["username"], user["display_name"], headers)

    async def internal(
        self, method: str, path: str, json: object = None, service: str = "auth"
    ) -> httpx.Response:
        """Send a request as a service."""
        headers = bearer(self.issuer.service_token(service))
        return await self.client.request(method, f"/internal{path}", headers=headers, json=json)

    async def access(self, *pairs: tuple[str, str]) -> list[Json]:
        """Check the access of (user, room) pairs."""
        questions = [{"user": user, "room": room} for user, room in pairs]
        answer = await self.internal("POST", "/access", {"questions": questions}, "gateway")
        found: list[Json] = read(answer, 200)["answers"]
        return found

    async def metric(self, line: str) -> float:
        """Return the value of one sample of /metrics."""
        text = (await self.client.get("/metrics")).text
        return float(next(row for row in text.splitlines() if row.startswith(line)).split()[-1])


def read(answer: httpx.Response, status: int) -> Json:
    """Return the JSON object of `answer`, which must have `status`."""
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
    document: Json = orjson.loads(answer.content or b"{}")
    return document


def settings_for(folder: Path, **changes: Any) -> RoomsSettings:
    """Return settings with the data in `folder`."""
    return RoomsSettings(
        environment=Environment.DEVELOPMENT, data_dir=folder, log_shards=SHARDS, **changes
    )


@asynccontextmanager
async def running(folder: Path, log: Log, **changes: Any) -> AsyncIterator[Harness]:
    """Run the service on `folder` and `log`.

    With a list `stored_log` among the changes it verifies its log: the last element has the epoch
    and the shards of history, which does not answer while the list is empty.
    """
    stored_log: list[tuple[int, int]] | None = changes.pop("stored_log", None)
    issuer, clock = Issuer(), StillClock()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/internal/token":
            token = {"access_token": issuer.service_token("rooms"), "expires_in": 300}
            return httpx.Response(200, json=token | {"token_type": "Bearer"})
        if request.url.path != "/internal/log":
            return httpx.Response(200, json=issuer.jwks())
        if not stored_log:
            return httpx.Response(503)
        epoch, shards = stored_log[-1]
        return httpx.Response(200, json={"epoch": epoch, "shards": shards})

    settings = settings_for(folder, **changes)
    async with (
        build(
            settings,
            log=log,
            verify_log=stored_log is not None,
            transport=httpx.MockTransport(answer),
            clock=clock,
        ) as app,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://rooms",
        ) as client,
    ):
        yield Harness(app, client, issuer, clock, log)


@asynccontextmanager
async def embedded_log(folder: Path) -> AsyncIterator[SqliteLog]:
    """Open the embedded log in `folder`."""
    log = await SqliteLog.open(folder / "log.sqlite", SHARDS)
    try:
        yield log
    finally:
        await log.close()


async def events_of(log: Log, audience: str, last_kind: str, times: int = 1) -> list[Json]:
    """Return the events of `audience` up to the one of `last_kind`, waiting for it."""
    found: list[Json] = []
    followed = log.follow(shard_of(audience, log.shards), 0)
    try:
        async for batch in followed:
            found += _of(batch, audience)
            if sum(event["kind"] == last_kind for event in found) >= times:
                return found
    finally:
        await followed.aclose()
    raise AssertionError("the log was closed")


def _of(batch: Batch, audience: str) -> list[Json]:
    events: list[Json] = [orjson.loads(line) for line in batch.lines]
    kind, _, name = audience.partition(".")
    return [event for event in events if event.get(kind.removesuffix("s")) == name]


def waiting_rows(folder: Path) -> int:
    """Return the number of rows in the embedded outbox."""
    with sqlite3.connect(folder / FILE) as db:
        (rows,) = db.execute("SELECT count(*) FROM outbox").fetchone()
    db.close()
    return int(rows)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `holds` returns True."""
    while not await holds():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)


async def until_outbox_empty(folder: Path) -> None:
    """Wait until the embedded outbox is empty."""

    async def empty() -> bool:
        return waiting_rows(folder) == 0

    await until(empty)


async def stored_lines(log: Log, shard: int) -> list[bytes]:
    """Return the lines of `shard`."""
    found: list[bytes] = []
    followed = log.follow(shard, 0)
    for _ in range(await log.end(shard)):
        found += (await anext(followed)).lines
    await followed.aclose()
    return found
