"""A running rooms service, and people who ask it things."""

from collections.abc import AsyncIterator, Mapping
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
from madang_rooms.wiring import build
from tests.support.issuer import Issuer, bearer

API = "/api/rooms/v1"
SHARDS = 2
EPOCH = 1_800_000_000.0
Json = dict[str, Any]


class StillClock:
    """Stands still until a test moves it."""

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

    async def ask(self, method: str, path: str, json: object = None) -> httpx.Response:
        """Send a request below the public prefix."""
        if json is None:
            return await self.client.request(method, API + path, headers=self.headers)
        return await self.client.request(method, API + path, headers=self.headers, json=json)

    async def get(self, path: str) -> Json:
        """Return what stands at `path`."""
        return read(await self.ask("GET", path), 200)

    async def make_room(self, visibility: str = "private", name: str = "마당") -> str:
        """Make a room and return its id."""
        answer = await self.ask("POST", "/rooms", {"name": name, "visibility": visibility})
        return str(read(answer, 201)["id"])

    async def invite(self, room: str, **wanted: object) -> str:
        """Make an invite and return its code."""
        return str(read(await self.ask("POST", f"/rooms/{room}/invites", wanted), 201)["code"])

    async def accept(self, code: str) -> httpx.Response:
        """Accept an invite."""
        return await self.ask("POST", f"/invites/{code}/accept")

    async def bring(self, room: str, other: "Person", role: str = "member") -> None:
        """Let `other` into a room of which this person is the owner."""
        read(await other.accept(await self.invite(room)), 200)
        if role != "member":
            read(await self.ask("PATCH", f"/rooms/{room}/members/{other.id}", {"role": role}), 200)


@dataclass
class Harness:
    """The service, its client, its clock and its log."""

    app: FastAPI
    client: httpx.AsyncClient
    issuer: Issuer
    clock: StillClock
    log: Log

    async def person(self, username: str, display_name: str = "") -> Person:
        """Register a user as auth does, and give them a token."""
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
        """Ask what users may do in rooms."""
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
    """Return settings for a service whose data lies in `folder`."""
    return RoomsSettings(
        environment=Environment.DEVELOPMENT, data_dir=folder, log_shards=SHARDS, **changes
    )


@asynccontextmanager
async def running(folder: Path, log: Log, **changes: Any) -> AsyncIterator[Harness]:
    """Run the service on `folder` and `log`."""
    issuer, clock = Issuer(), StillClock()
    keys = httpx.MockTransport(lambda _: httpx.Response(200, json=issuer.jwks()))
    settings = settings_for(folder, **changes)
    async with (
        build(settings, log=log, transport=keys, clock=clock) as app,
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
    """Return the events of `audience` up to the one of `last_kind`, waiting until it is there."""
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
