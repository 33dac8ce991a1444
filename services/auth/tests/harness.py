"""The harness of auth's tests: the whole service, with a fake of rooms."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends, FastAPI, Response
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ConfigDict, SecretStr
from typing_extensions import override

from madang_auth.settings import AuthSettings
from madang_auth.wiring import build
from madang_common.events.envelope import Event, read_line
from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.http.client import create_client
from madang_common.http.inprocess import InProcessNetwork
from madang_common.http.security import only, secure
from madang_common.ids import new_id
from madang_common.live.inprocess import InProcessLive
from madang_common.problems import Conflict, NotFound
from madang_common.settings import CommonSettings, Environment
from madang_common.tokens.claims import Claims
from madang_common.tokens.verifier import Verifiers

PASSWORD = "correct horse battery"
SECRET = "secret-of-a-service"


class Time:
    """A clock that only tests advance."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class NewUser(BaseModel):
    model_config = ConfigDict(extra="forbid")

    username: str
    password_hash: str
    display_name: str


class NewPassword(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password_hash: str
    instead_of: str


class Disabling(BaseModel):
    model_config = ConfigDict(extra="forbid")

    disabled: bool


Auth = Annotated[Claims, Depends(only("auth"))]


class Rooms:
    """A fake of rooms' endpoints for auth, in memory: same paths, bodies and authorization."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.before_setting_a_password: Callable[[dict[str, Any]], None] = lambda _: None
        self.before_reading_by_id: Callable[[dict[str, Any]], None] = lambda _: None
        self.app: FastAPI

    def serve(self, network: InProcessNetwork, time: Time) -> None:
        """Answer in `network` as rooms."""
        self.app = create_app(
            "rooms",
            CommonSettings(environment=Environment.DEVELOPMENT),
            routers=[self._router()],
            health=Health({}),
            registry=CollectorRegistry(),
        )
        auth = create_client("http://auth", transport=network)
        secure(self.app, Verifiers.from_jwks(auth, issuer="madang", clock=time))
        network.add("rooms", self.app)

    def named(self, username: str) -> dict[str, Any]:
        return next(user for user in self.users.values() if user["username"] == username)

    def _known(self, user_id: str) -> dict[str, Any]:
        if user_id not in self.users:
            raise NotFound("there is no such user")
        return self.users[user_id]

    def _router(self) -> APIRouter:
        router = APIRouter(prefix="/internal/users")

        @router.post("", status_code=201)
        async def add(body: NewUser, _: Auth) -> dict[str, Any]:
            if any(user["username"] == body.username for user in self.users.values()):
                raise Conflict("the username is taken")
            user = {"id": new_id(), **body.model_dump(), "disabled": False}
            self.users[user["id"]] = user
            return {name: user[name] for name in ("id", "username", "display_name")}

        @router.get("/by-username/{username}")
        async def by_username(username: str, _: Auth) -> dict[str, Any]:
            for user in self.users.values():
                if user["username"] == username:
                    return user
            raise NotFound("there is no such user")

        @router.get("/{user_id}")
        async def by_id(user_id: str, _: Auth) -> dict[str, Any]:
            self.before_reading_by_id(self._known(user_id))
            return self.users[user_id]

        @router.put("/{user_id}/password", status_code=204)
        async def password(user_id: str, body: NewPassword, _: Auth) -> Response:
            self.before_setting_a_password(self._known(user_id))
            if self._known(user_id)["password_hash"] != body.instead_of:
                raise Conflict("the password was changed")
            self._known(user_id)["password_hash"] = body.password_hash
            return Response(status_code=204)

        @router.put("/{user_id}/disabled", status_code=204)
        async def disabled(user_id: str, body: Disabling, _: Auth) -> Response:
            self._known(user_id)["disabled"] = body.disabled
            return Response(status_code=204)

        return router


class Network(InProcessNetwork):
    """A network that can be cut."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = False

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.cut:
            raise httpx.ConnectTimeout("no connection", request=request)
        return await super().handle_async_request(request)


class RecordingLive(InProcessLive):
    """Live notices that record the published events."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    @override
    def publish(self, line: bytes) -> None:
        self.events.append(read_line(line))
        super().publish(line)

    def ended(self) -> list[str]:
        """Return the ids of the sessions whose end was published."""
        return [e.data["login"] for e in self.events if e.kind == "login.ended"]


@dataclass
class Harness:
    """A running auth."""

    app: FastAPI
    client: httpx.AsyncClient
    rooms: Rooms
    network: Network
    live: RecordingLive
    time: Time
    verifiers: Verifiers

    def at(self, address: str) -> httpx.AsyncClient:
        """Return a client at another network address."""
        return _client(self.app, address)

    async def register(self, username: str = "mina", password: str = PASSWORD) -> dict[str, Any]:
        answer = await self.client.post(
            "/api/auth/v1/register", json={"username": username, "password": password}
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def try_login(
        self, username: str = "mina", password: str = PASSWORD, **more: object
    ) -> httpx.Response:
        body = {"username": username, "password": password, **more}
        return await self.client.post("/api/auth/v1/login", json=body)

    async def login(
        self, username: str = "mina", password: str = PASSWORD, **more: object
    ) -> "Pair":
        answer = await self.try_login(username, password, **more)
        assert answer.status_code == 200, answer.text
        return await self.pair(answer)

    async def try_refresh(self, token: str) -> httpx.Response:
        return await self.client.post("/api/auth/v1/refresh", json={"refresh_token": token})

    async def refresh(self, token: str) -> "Pair":
        answer = await self.try_refresh(token)
        assert answer.status_code == 200, answer.text
        return await self.pair(answer)

    async def pair(self, answer: httpx.Response) -> "Pair":
        tokens = answer.json()
        claims = await self.verifiers.users.verify(tokens["access_token"])
        return Pair(tokens["access_token"], tokens["refresh_token"], claims)

    async def metric(self, name: str, **labels: str) -> float:
        """Return a sample of /metrics, 0 if there is none."""
        registry: CollectorRegistry = self.app.state.registry
        return registry.get_sample_value(name, labels) or 0.0


@dataclass(frozen=True)
class Pair:
    """The tokens of a login or a refresh."""

    access: str
    refresh: str
    claims: Claims
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", {"Authorization": f"Bearer {self.access}"})


def settings(data_dir: Path, **changes: Any) -> AuthSettings:
    """Return settings with cheap hashes."""
    given: dict[str, Any] = {
        "data_dir": data_dir,
        "service_client_secret": SecretStr(SECRET),
        "service_secrets": dict.fromkeys(("gateway", "rooms", "history"), SecretStr(SECRET)),
        "password_hash_passes": 1,
        "password_hash_memory_kib": 64,
        "password_hash_lanes": 1,
    }
    return AuthSettings(**(given | changes))


@asynccontextmanager
async def running(
    data_dir: Path,
    *,
    rooms: Rooms | None = None,
    time: Time | None = None,
    changes: Mapping[str, Any] | None = None,
    **more_changes: Any,
) -> AsyncGenerator[Harness]:
    """Yield auth, running on `data_dir` beside `rooms`, its settings changed as given."""
    rooms, time, network, live = rooms or Rooms(), time or Time(), Network(), RecordingLive()
    rooms.serve(network, time)
    config = settings(data_dir, **(changes or {}), **more_changes)
    async with build(config, live=live, transport=network, clock=time) as app:
        network.add("auth", app)
        auth = create_client("http://auth", transport=network)
        verifiers = Verifiers.from_jwks(auth, issuer="madang", clock=time)
        async with _client(app, "203.0.113.9") as client:
            yield Harness(app, client, rooms, network, live, time, verifiers)


def _client(app: FastAPI, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 4711))
    return httpx.AsyncClient(base_url="http://auth", transport=transport)
