"""Fixtures: embedded log and store, and fakes of auth and rooms."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from typing_extensions import override

from madang_common.access import Access, AccessRequest, AccessResponse
from madang_common.events.envelope import Event
from madang_common.events.kinds import Role
from madang_common.log.sqlite import SqliteLog
from madang_common.settings import Environment
from madang_history.settings import HistorySettings
from madang_history.store.sqlite import SqliteMessageStore
from madang_history.wiring import build
from tests.support.issuer import Issuer, bearer
from tests.support.older_logs import no_older_logs

from .reading import client_of

SHARDS = 2


def an_event(key: str, *, room: str | None = "yard", **changes: object) -> Event:
    """Return a message of ana in the yard, with `changes`."""
    fields: dict[str, object] = {
        "key": key,
        "kind": "message.created",
        "sender": "ana",
        "sender_name": "안나",
        "at": "2026-01-01T00:00:00.000Z",
        "data": {"text": f"this is {key}"},
        "room": room,
    }
    return Event(**(fields | changes))  # type: ignore[arg-type]  # of `changes`


@pytest.fixture
def settings(tmp_path: Path) -> HistorySettings:
    return HistorySettings(
        environment=Environment.DEVELOPMENT,
        data_dir=tmp_path,
        history_retry_seconds=0.01,
        history_lag_poll_seconds=0.01,
        history_unread_limit=5,
    )


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    log = await SqliteLog.open(tmp_path / "log.db", SHARDS)
    yield log
    await log.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteMessageStore]:
    store = await SqliteMessageStore.open(tmp_path / "store.db", SHARDS)
    yield store
    await store.close()


class Backends(httpx.AsyncBaseTransport):
    """Fakes of auth and rooms."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.members: dict[str, set[str]] = {}
        self.archived: set[str] = set()
        self.moderators: set[str] = set()
        self.unavailable = False
        self.after_access: Callable[[], Awaitable[None]] | None = None
        """Called before rooms responds to an access request."""

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.unavailable:
            raise httpx.ConnectError("unavailable", request=request)
        match request.url.host, request.url.path:
            case "auth", "/.well-known/jwks.json":
                return httpx.Response(200, json=self.issuer.jwks())
            case "auth", "/internal/token":
                token = self.issuer.service_token("history")
                return httpx.Response(200, json={"access_token": token, "expires_in": 300})
            case "rooms", "/internal/access":
                answer = self._access(request)
                if self.after_access is not None:
                    await self.after_access()
                return answer
            case "rooms", "/health/live":
                return httpx.Response(200)
        return httpx.Response(404)

    def _access(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"].startswith("Bearer ")
        request_body = AccessRequest.model_validate_json(request.content)
        answers = [
            Access(
                user=question.user,
                room=question.room,
                exists=question.room in self.members,
                role=self._role(question.user, question.room),
                archived=question.room in self.archived,
            )
            for question in request_body.questions
        ]
        return httpx.Response(200, content=AccessResponse(answers=answers).model_dump_json())

    def _role(self, user: str, room: str) -> Role | None:
        if user not in self.members.get(room, ()):
            return None
        return Role.MODERATOR if user in self.moderators else Role.MEMBER


@pytest.fixture
def backends() -> Backends:
    return Backends()


@pytest.fixture
async def app(
    settings: HistorySettings, log: SqliteLog, backends: Backends
) -> AsyncIterator[FastAPI]:
    backends.members = {"yard": {"ana", "bo"}, "empty": {"ana"}}
    async with build(settings, log=log, older_logs=no_older_logs, transport=backends) as app:
        yield app


@pytest.fixture
async def ana(app: FastAPI, backends: Backends) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, bearer(backends.issuer.token("ana"))) as ana:
        yield ana


@pytest.fixture
async def bo(app: FastAPI, backends: Backends) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, bearer(backends.issuer.token("bo"))) as bo:
        yield bo
