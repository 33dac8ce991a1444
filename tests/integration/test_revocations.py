"""A login that one replica of auth ended is refused everywhere, even without the live event."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

import madang_auth.wiring
import madang_gateway.wiring
import madang_history.wiring
import madang_rooms.wiring
from madang_auth.signing.keys import make_first_key
from madang_common.http.inprocess import InProcessNetwork
from madang_common.live.inprocess import InProcessLive
from madang_common.log.sqlite import SqliteLog
from madang_standalone.settings import StandaloneSettings
from tests.support.older_logs import no_older_logs

OTHER_AUTH = "other-auth"
CREDENTIALS = {"username": "mina", "password": "correct horse battery"}


@dataclass(frozen=True)
class Product:
    """The four services, and one more replica of auth on the same Redis."""

    network: InProcessNetwork

    def client(self, name: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.network, base_url=f"http://{name}")


@pytest.fixture
async def product(redis_database_url: str, tmp_path: Path) -> AsyncGenerator[Product]:
    async with running(redis_database_url, tmp_path) as found:
        yield found


@asynccontextmanager
async def running(redis_url: str, folder: Path) -> AsyncGenerator[Product]:
    settings = StandaloneSettings(
        data_dir=folder / "data", revocations_poll_seconds=0.1, allowed_hosts=(OTHER_AUTH,)
    )
    make_first_key(folder / "keys", lambda: 1_800_000_000)
    auth_settings = settings.auth().model_copy(
        update={
            "redis_url": SecretStr(redis_url),
            "signing_keys_dir": folder / "keys",
            "password_hash_passes": 1,
            "password_hash_memory_kib": 64,
            "password_hash_lanes": 1,
        }
    )
    network = InProcessNetwork()
    async with AsyncExitStack() as stack:
        log = await SqliteLog.open(folder / "log.db", settings.log_shards)
        stack.push_async_callback(log.close)

        # Each has live events of its own, which no other replica receives.
        builds: dict[str, AbstractAsyncContextManager[FastAPI]] = {
            "auth": madang_auth.wiring.build(
                auth_settings, live=InProcessLive(), transport=network
            ),
            "rooms": madang_rooms.wiring.build(settings.rooms(), log=log, transport=network),
            "history": madang_history.wiring.build(
                settings.history(), log=log, older_logs=no_older_logs, transport=network
            ),
            "gateway": madang_gateway.wiring.build(
                settings.gateway(), log=log, live=InProcessLive(), transport=network
            ),
            OTHER_AUTH: madang_auth.wiring.build(
                auth_settings, live=InProcessLive(), transport=network
            ),
        }
        for name, build in builds.items():
            network.add(name, await stack.enter_async_context(build))
        yield Product(network)


async def answers(product: Product, token: str) -> dict[str, int]:
    """Return the status with which each service answers a question that shows `token`."""
    headers = {"Authorization": f"Bearer {token}"}
    asked = {
        "auth": ("GET", "/api/auth/v1/me"),
        "rooms": ("GET", "/api/rooms/v1/rooms"),
        "history": ("GET", "/api/history/v1/rooms/none/messages"),
        "gateway": ("POST", "/api/gateway/v1/rooms/none/messages"),
    }
    found = {}
    for name, (method, path) in asked.items():
        async with product.client(name) as client:
            body = {"text": "hello"} if method == "POST" else None
            answer = await client.request(method, path, headers=headers, json=body)
            found[name] = answer.status_code
    return found


async def refused_everywhere(product: Product, token: str) -> None:
    """Return when every service refuses `token`."""
    async with asyncio.timeout(20):
        while True:
            if set((await answers(product, token)).values()) == {401}:
                return
            await asyncio.sleep(0.05)


async def test_a_login_ended_at_one_replica_of_auth_is_refused_by_every_service(
    product: Product,
) -> None:
    async with product.client("auth") as auth:
        await auth.post("/api/auth/v1/register", json=CREDENTIALS)
        ended = (await auth.post("/api/auth/v1/login", json=CREDENTIALS)).json()
        kept = (await auth.post("/api/auth/v1/login", json=CREDENTIALS)).json()
    assert 401 not in (await answers(product, ended["access_token"])).values()

    body = {"refresh_token": ended["refresh_token"]}
    async with product.client(OTHER_AUTH) as other:
        await other.post("/api/auth/v1/logout", json=body)

    await refused_everywhere(product, ended["access_token"])
    assert 401 not in (await answers(product, kept["access_token"])).values()


async def test_another_password_ends_the_other_logins_everywhere(product: Product) -> None:
    async with product.client("auth") as auth:
        await auth.post("/api/auth/v1/register", json=CREDENTIALS)
        mine = (await auth.post("/api/auth/v1/login", json=CREDENTIALS)).json()
        ended = (await auth.post("/api/auth/v1/login", json=CREDENTIALS)).json()

    body = {"current_password": CREDENTIALS["password"], "new_password": "another horse"}
    headers = {"Authorization": f"Bearer {mine['access_token']}"}
    async with product.client(OTHER_AUTH) as other:
        changed = await other.post("/api/auth/v1/password", json=body, headers=headers)

    assert changed.status_code == 204
    await refused_everywhere(product, ended["access_token"])
    assert 401 not in (await answers(product, mine["access_token"])).values()
